//! Cuts a byte stream into characters, controls and sequences.
//!
//! The states are those of DEC's parser (<https://vt100.net/emu/dec_ansi_parser>) without 8-bit
//! controls, as the stream is UTF-8. What has come of an unfinished sequence is always at hand:
//! fed to a new parser it leads to the same state. Controls inside a sequence are executed at
//! once and are no part of it.

/// Bytes of an OSC, DCS or APC string that are kept. A longer one is swallowed without effect.
pub(super) const LONGEST_STRING: usize = 64 * 1024;
const LONGEST_CSI: usize = 256;
const LONGEST_ESC: usize = 4;

const ESC: u8 = 0x1b;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const BEL: u8 = 0x07;

/// What stands for sequences that are ignored up to their end: for any parser, ours and others.
const IGNORED_CSI: &[u8] = b"\x1b[<?";
const IGNORED_OSC: &[u8] = b"\x1b]!";
const IGNORED_STRING: &[u8] = b"\x1bX";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Ground,
    Utf8,
    Escape,
    Csi,
    IgnoredCsi,
    Osc,
    IgnoredOsc,
    Text,
    IgnoredText,
}

/// What a byte has completed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing yet.
    Nothing,
    /// A character to print.
    Print(char),
    /// A control character.
    Control(u8),
    /// An escape sequence, without its ESC.
    Escape(Vec<u8>),
    /// A control sequence, without its introducer.
    Csi(Vec<u8>),
    /// An operating system command, without introducer and terminator.
    Osc(Vec<u8>),
    /// A byte cut a character short; the byte itself is to be pushed again.
    Broken,
}

/// The parser's state.
#[derive(Debug, Default)]
pub(super) struct Parser {
    state: State,
    unfinished: Vec<u8>,
}

impl Parser {
    /// Whether no sequence and no character is unfinished.
    pub(super) fn at_rest(&self) -> bool {
        self.state == State::Ground
    }

    /// The bytes that lead a new parser to this state; at most [`LONGEST_STRING`] and a few.
    pub(super) fn unfinished(&self) -> &[u8] {
        &self.unfinished
    }

    /// Takes the next byte.
    pub(super) fn push(&mut self, byte: u8) -> Action {
        match (self.state, byte) {
            (State::Ground, _) => self.ground(byte),
            (State::Utf8, _) => self.character(byte),
            (State::Osc, BEL | ESC) => {
                let whole = self.finish(byte);
                Action::Osc(whole[2..].to_vec())
            }
            (State::IgnoredOsc, BEL) => self.cancel(),
            (_, ESC) => self.begin(State::Escape, byte),
            (_, CAN | SUB) => self.cancel(),
            (State::Escape | State::Csi | State::IgnoredCsi, 0..0x20) => Action::Control(byte),
            (State::Escape | State::Csi | State::IgnoredCsi, 0x80..) => {
                self.cancel();
                self.ground(byte)
            }
            (_, 0x7f) if !self.in_text() => Action::Nothing,
            (State::Escape, _) => self.escape(byte),
            (State::Csi, _) => self.csi(byte),
            (State::IgnoredCsi, 0x40..) => self.cancel(),
            (State::Osc | State::Text, 0x20..) => self.text(byte),
            _ => Action::Nothing,
        }
    }

    fn ground(&mut self, byte: u8) -> Action {
        match byte {
            ESC => self.begin(State::Escape, byte),
            0..0x20 => Action::Control(byte),
            0x20..0x7f => Action::Print(char::from(byte)),
            0x7f => Action::Nothing,
            0xc2..=0xf4 => self.begin(State::Utf8, byte),
            _ => Action::Print(char::REPLACEMENT_CHARACTER),
        }
    }

    fn character(&mut self, byte: u8) -> Action {
        self.unfinished.push(byte);
        match std::str::from_utf8(&self.unfinished) {
            Ok(whole) => {
                let whole = whole.chars().next();
                self.cancel();
                whole.map_or(Action::Nothing, Action::Print)
            }
            Err(error) if error.error_len().is_none() => Action::Nothing,
            Err(_) => {
                self.cancel();
                Action::Broken
            }
        }
    }

    fn escape(&mut self, byte: u8) -> Action {
        let first = self.unfinished.len() == 1;
        if self.unfinished.len() < LONGEST_ESC {
            self.unfinished.push(byte);
        }
        match byte {
            0x20..0x30 => Action::Nothing,
            b'[' if first => self.go_on(State::Csi),
            b']' if first => self.go_on(State::Osc),
            b'P' | b'_' if first => self.go_on(State::Text),
            b'X' | b'^' if first => self.replace(State::IgnoredText, IGNORED_STRING),
            _ => {
                let sequence = self.unfinished[1..].to_vec();
                self.cancel();
                Action::Escape(sequence)
            }
        }
    }

    fn csi(&mut self, byte: u8) -> Action {
        let misplaced = (0x3c..0x40).contains(&byte) && self.unfinished.len() > 2;
        if misplaced || self.unfinished.len() >= LONGEST_CSI && byte < 0x40 {
            return self.replace(State::IgnoredCsi, IGNORED_CSI);
        }
        self.unfinished.push(byte);
        if byte < 0x40 {
            return Action::Nothing;
        }
        let sequence = self.unfinished[2..].to_vec();
        self.cancel();
        Action::Csi(sequence)
    }

    fn text(&mut self, byte: u8) -> Action {
        let osc = self.state == State::Osc;
        let unknown = osc && self.unfinished.len() == 2 && !byte.is_ascii_digit();
        if unknown || self.unfinished.len() >= LONGEST_STRING {
            return match osc {
                true => self.replace(State::IgnoredOsc, IGNORED_OSC),
                false => self.replace(State::IgnoredText, IGNORED_STRING),
            };
        }
        self.unfinished.push(byte);
        Action::Nothing
    }

    fn in_text(&self) -> bool {
        matches!(self.state, State::Osc | State::Text)
    }

    fn begin(&mut self, state: State, byte: u8) -> Action {
        self.unfinished.clear();
        self.unfinished.shrink_to(LONGEST_CSI);
        self.unfinished.push(byte);
        self.go_on(state)
    }

    fn go_on(&mut self, state: State) -> Action {
        self.state = state;
        Action::Nothing
    }

    fn replace(&mut self, state: State, unfinished: &[u8]) -> Action {
        self.unfinished = unfinished.to_vec();
        self.go_on(state)
    }

    fn cancel(&mut self) -> Action {
        self.unfinished.clear();
        self.go_on(State::Ground)
    }

    /// Ends a string by BEL, or by the ESC of a terminator that then begins.
    fn finish(&mut self, byte: u8) -> Vec<u8> {
        let whole = std::mem::take(&mut self.unfinished);
        self.state = State::Ground;
        if byte == ESC {
            self.begin(State::Escape, byte);
        }
        whole
    }
}
