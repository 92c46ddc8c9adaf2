//! What programs switch on at a terminal, and how it is switched off again when we leave before
//! they have. Pure.

use std::collections::BTreeMap;

/// Longest control sequence that is looked at, in bytes.
const LONGEST: usize = 64;

/// Private modes (`CSI ? … h`) that a shell's prompt does not expect, and whether each is on in a
/// terminal of which nothing was asked.
const PRIVATE: [(u16, bool); 18] = [
    (1, false),    // cursor keys
    (5, false),    // reverse video
    (6, false),    // origin
    (7, true),     // wrap
    (9, false),    // mouse, X10
    (25, true),    // cursor
    (47, false),   // the other screen
    (1000, false), // mouse
    (1002, false),
    (1003, false),
    (1004, false), // focus
    (1005, false),
    (1006, false),
    (1015, false),
    (1047, false), // the other screen
    (1049, false), // the other screen, with the cursor
    (2004, false), // bracketed paste
    (2026, false), // synchronised output
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Text,
    Escape,
    /// After `ESC` and intermediate bytes, such as the choice of a charset.
    Intermediate,
    Sequence,
    /// A string such as a title, up to BEL or ST.
    Words,
}

/// What is switched on.
#[derive(Debug, Default)]
pub struct Modes {
    state: State,
    sequence: Vec<u8>,
    /// Modes that are not as they are by themselves.
    private: BTreeMap<u16, bool>,
    attributes: bool,
    charset: bool,
    keypad: bool,
    insert: bool,
    region: bool,
    cursor_shape: bool,
    other_keys: bool,
    /// Depth of the kitty keyboard protocol's stack.
    keyboard: u32,
}

impl Modes {
    /// Looks at output on its way to the terminal.
    pub fn look(&mut self, output: &[u8]) {
        for byte in output {
            self.byte(*byte);
        }
    }

    fn byte(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Words, 0x07) => State::Text,
            (_, 0x1b) => State::Escape,
            (State::Words, _) => State::Words,
            (_, 0x18 | 0x1a) => State::Text,
            (State::Text, 0x0e) => {
                self.charset = true;
                State::Text
            }
            (State::Text, 0x0f) => State::Text,
            (State::Text, _) => State::Text,
            (State::Escape, b'[') => {
                self.sequence.clear();
                State::Sequence
            }
            (State::Escape, b']' | b'P' | b'_' | b'^' | b'X') => State::Words,
            (State::Escape, 0x20..=0x2f) => {
                self.charset |= (b'('..=b'/').contains(&byte);
                State::Intermediate
            }
            (State::Escape, _) => {
                self.escape(byte);
                State::Text
            }
            (State::Intermediate, 0x20..=0x2f) => State::Intermediate,
            (State::Intermediate, _) => State::Text,
            (State::Sequence, 0x40..=0x7e) => {
                let sequence = std::mem::take(&mut self.sequence);
                self.control(&sequence, byte);
                State::Text
            }
            (State::Sequence, _) => {
                if self.sequence.len() < LONGEST {
                    self.sequence.push(byte);
                }
                State::Sequence
            }
        };
    }

    fn escape(&mut self, byte: u8) {
        match byte {
            b'=' => self.keypad = true,
            b'>' => self.keypad = false,
            // Full reset.
            b'c' => *self = Self::default(),
            _ => {}
        }
    }

    fn control(&mut self, sequence: &[u8], end: u8) {
        let text = std::str::from_utf8(sequence).unwrap_or_default();
        let first = text.chars().next().filter(|c| "?<=>!".contains(*c));
        let rest = text.trim_start_matches(['?', '<', '=', '>', '!']);
        let numbers = || rest.split([';', ':']).filter_map(|n| n.parse::<u16>().ok());
        match (first, end) {
            (Some('?'), b'h' | b'l') => {
                for mode in numbers() {
                    self.set(mode, end == b'h');
                }
            }
            (None, b'h' | b'l') => self.insert = numbers().any(|n| n == 4) && end == b'h',
            (None, b'm') => self.attributes = !ends_plain(rest),
            (None, b'r') => self.region = !rest.is_empty(),
            (None, b'q') if rest.ends_with(' ') => self.cursor_shape = true,
            (Some('>'), b'm') => self.other_keys = rest.starts_with("4;") && !rest.ends_with(";0"),
            (Some('>'), b'u') => self.keyboard = self.keyboard.saturating_add(1),
            (Some('<'), b'u') => {
                let count = numbers().next().unwrap_or(1).max(1);
                self.keyboard = self.keyboard.saturating_sub(count.into());
            }
            // Soft reset.
            (Some('!'), b'p') => {
                self.attributes = false;
                self.region = false;
                self.insert = false;
                for mode in [1, 6, 7, 25] {
                    self.private.remove(&mode);
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, mode: u16, on: bool) {
        let Some((_, usual)) = PRIVATE.iter().find(|(known, _)| *known == mode) else {
            return;
        };
        match on == *usual {
            true => self.private.remove(&mode),
            false => self.private.insert(mode, on),
        };
    }

    /// What brings the terminal back to how a shell expects it; empty if nothing was changed.
    pub fn restoring(&self) -> Vec<u8> {
        let mut all = String::new();
        let unfinished = self.state != State::Text;
        if unfinished {
            // Ends what stands half-written.
            all.push_str("\x1b\\");
        }
        for _ in 0..self.keyboard.min(32) {
            all.push_str("\x1b[<u");
        }
        // The screens last: what was switched on in one is switched off in it.
        let (screens, others): (Vec<_>, Vec<_>) = self
            .private
            .iter()
            .partition(|(mode, _)| [47, 1047, 1049].contains(*mode));
        if self.region {
            // The region's end puts the cursor elsewhere.
            all.push_str("\x1b7\x1b[r\x1b8");
        }
        for (mode, on) in others.into_iter().chain(screens) {
            let end = if *on { 'l' } else { 'h' };
            all.push_str(&format!("\x1b[?{mode}{end}"));
        }
        let flags = [
            (self.keypad, "\x1b>"),
            (self.insert, "\x1b[4l"),
            (self.charset, "\x0f\x1b(B"),
            (self.cursor_shape, "\x1b[0 q"),
            (self.other_keys, "\x1b[>4;0m"),
            (self.attributes, "\x1b[0m"),
        ];
        all.extend(flags.iter().filter(|(on, _)| *on).map(|(_, text)| *text));
        all.into_bytes()
    }
}

/// Whether a choice of attributes (`CSI … m`) ends with none.
fn ends_plain(attributes: &str) -> bool {
    let last = attributes.rsplit(';').next().unwrap_or_default();
    last.bytes().all(|digit| digit == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(output: &[u8]) -> String {
        let mut modes = Modes::default();
        modes.look(output);
        String::from_utf8(modes.restoring()).unwrap()
    }

    #[test]
    fn what_was_switched_on_is_switched_off_and_nothing_else() {
        for (output, restoring) in [
            (&b"plain text\r\n\x1b[1mbold\x1b[0m"[..], ""),
            (b"\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"),
            (b"\x1b[?1049h\x1b[?1049l", ""),
            (b"\x1b[?1000;1006h", "\x1b[?1000l\x1b[?1006l"),
            (b"\x1b[?2004h\x1b[31m", "\x1b[?2004l\x1b[0m"),
            (b"\x1b[01;31mred\x1b[00m\x1b[1;0m\x1b[7m\x1b[m", ""),
            (b"\x1b[3;9r", "\x1b7\x1b[r\x1b8"),
            (b"\x1b[3;9r\x1b[r", ""),
            (b"\x1b[?7l", "\x1b[?7h"),
            (b"\x1b=\x1b>", ""),
            (b"\x1b(0", "\x0f\x1b(B"),
            (b"\x1b[>1u\x1b[>5u\x1b[<u", "\x1b[<u"),
            (b"\x1b[>4;2m", "\x1b[>4;0m"),
            (b"\x1b[5 q", "\x1b[0 q"),
            (b"\x1b[4h", "\x1b[4l"),
            (b"\x1b]0;\x1b[?1049h", "\x1b[?1049l"),
            (b"\x1b]0;title [?1049h\x07", ""),
            (b"\x1b]0;half a title", "\x1b\\"),
            (b"\x1b[?1049h\x1b[5m\x1bc", ""),
            (b"\x1b[?9999h", ""),
        ] {
            assert_eq!(after(output), restoring, "{output:?}");
        }
    }

    #[test]
    fn it_does_not_matter_where_the_output_is_cut() {
        let output =
            b"\x1b[?1049h\x1b[?1002;1006h\x1b[?25l\x1b(0\x1b[2;5r\x1b[>1u\x1b]2;t\x07\x1b[7m";
        let whole = after(output);
        for cut in 0..output.len() {
            let mut modes = Modes::default();
            modes.look(&output[..cut]);
            modes.look(&output[cut..]);
            assert_eq!(modes.restoring(), whole.as_bytes(), "cut at {cut}");
        }
    }

    #[test]
    fn restoring_leaves_nothing_to_restore() {
        let mut modes = Modes::default();
        modes.look(b"\x1b[?1049h\x1b[?1;5;6;9;1000;1002;1003;1004;1005;1006;1015;2004;2026h\x1b[?7;25l\x1b=\x1b[4h\x1b(0\x1b[5 q\x1b[>4;1m\x1b[7m\x1b[2;4r\x1b[>3u");
        let restoring = modes.restoring();
        modes.look(&restoring);
        // Charset and shape of the cursor are set to what they are by themselves, not unset.
        modes.charset = false;
        modes.cursor_shape = false;
        assert_eq!(modes.restoring(), b"");
    }
}
