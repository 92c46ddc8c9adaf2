//! The keyboard protocol's flags (<https://sw.kovidgoyal.net/kitty/keyboard-protocol/>).

use super::params::Sequence;

const DEEPEST: usize = 16;
const KNOWN: u16 = 0b1_1111;

/// Flags pushed, over those the screen began with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Keyboard {
    base: u8,
    pushed: Vec<u8>,
}

impl Keyboard {
    /// Handles `CSI … u` with a private mark.
    pub(super) fn change(&mut self, sequence: &Sequence) {
        let flags = (sequence.get(0) & KNOWN) as u8;
        match sequence.private {
            b'>' => {
                if self.pushed.len() >= DEEPEST {
                    self.pushed.remove(0);
                }
                self.pushed.push(flags);
            }
            b'<' => {
                let left = self.pushed.len().saturating_sub(sequence.count(0));
                self.pushed.truncate(left);
            }
            b'=' => {
                let current = self.pushed.last_mut().unwrap_or(&mut self.base);
                match sequence.get(1) {
                    0 | 1 => *current = flags,
                    2 => *current |= flags,
                    3 => *current &= !flags,
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Writes what changes a screen without flags to these.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if self.base != 0 {
            out.extend_from_slice(format!("\x1b[={}u", self.base).as_bytes());
        }
        for flags in &self.pushed {
            out.extend_from_slice(format!("\x1b[>{flags}u").as_bytes());
        }
    }
}
