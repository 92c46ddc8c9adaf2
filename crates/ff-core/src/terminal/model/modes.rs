//! Modes that are set and reset, and settings alike.

/// Private modes that mean nothing to the screen, only to the viewer's terminal.
const PASSED_ON: [(u16, &str); 9] = [
    (1, "cursor keys"),
    (5, "reverse video"),
    (12, "cursor blink"),
    (66, "keypad"),
    (1004, "focus reports"),
    (1007, "alternate scroll"),
    (2004, "bracketed paste"),
    (2031, "colour scheme reports"),
    (2048, "size reports"),
];
const MOUSE: [u16; 4] = [9, 1000, 1002, 1003];
const MOUSE_ENCODINGS: [u16; 4] = [1005, 1006, 1015, 1016];

/// The modes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Modes {
    passed_on: [bool; PASSED_ON.len()],
    /// The mouse events reported, by the mode that set it, or 0.
    pub(super) mouse: u16,
    /// How they are encoded, by the mode that set it, or 0.
    pub(super) mouse_encoding: u16,
    /// DECAWM.
    pub(super) autowrap: bool,
    /// DECTCEM.
    pub(super) cursor_visible: bool,
    /// DECSCUSR.
    pub(super) cursor_shape: u8,
    /// IRM.
    pub(super) insert: bool,
    /// LNM.
    pub(super) newline: bool,
    /// An update is under way that is to be shown as a whole (mode 2026).
    pub(super) synchronized: bool,
    /// xterm's modifyOtherKeys.
    pub(super) other_keys: u8,
}

impl Default for Modes {
    fn default() -> Self {
        Self {
            passed_on: [false; PASSED_ON.len()],
            mouse: 0,
            mouse_encoding: 0,
            autowrap: true,
            cursor_visible: true,
            cursor_shape: 0,
            insert: false,
            newline: false,
            synchronized: false,
            other_keys: 0,
        }
    }
}

impl Modes {
    /// Sets or resets a private mode that needs nothing else done.
    pub(super) fn set_private(&mut self, mode: u16, on: bool) {
        match mode {
            7 => self.autowrap = on,
            25 => self.cursor_visible = on,
            2026 => self.synchronized = on,
            _ if MOUSE.contains(&mode) => self.mouse = if on { mode } else { 0 },
            _ if MOUSE_ENCODINGS.contains(&mode) => {
                self.mouse_encoding = if on { mode } else { 0 };
            }
            _ => {
                let known = PASSED_ON.iter().position(|(number, _)| *number == mode);
                if let Some(place) = known {
                    self.passed_on[place] = on;
                }
            }
        }
    }

    /// Sets or resets an ANSI mode.
    pub(super) fn set_ansi(&mut self, mode: u16, on: bool) {
        match mode {
            4 => self.insert = on,
            20 => self.newline = on,
            _ => {}
        }
    }

    /// What DECSTR resets.
    pub(super) fn soft_reset(&mut self) {
        self.cursor_visible = true;
        self.autowrap = true;
        self.insert = false;
        self.set_private(1, false);
        self.set_private(66, false);
    }

    /// Names and numbers of the private modes to set in a terminal that was reset, but for the
    /// synchronized one.
    pub(super) fn to_set(&self) -> impl Iterator<Item = (&'static str, u16)> {
        let passed_on = PASSED_ON.iter().zip(self.passed_on);
        let passed_on = passed_on.filter_map(|(&(number, name), on)| on.then_some((name, number)));
        let mouse = [
            ("mouse", self.mouse),
            ("mouse encoding", self.mouse_encoding),
        ];
        passed_on.chain(mouse.into_iter().filter(|(_, number)| *number != 0))
    }
}
