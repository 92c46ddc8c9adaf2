//! The cursor, with all that DECSC saves of it.

use super::style::Style;

/// A set of characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Charset {
    /// ASCII.
    #[default]
    Ascii,
    /// ASCII with a pound sign.
    British,
    /// DEC's special graphics: lines and corners in place of small letters.
    Graphics,
}

impl Charset {
    /// The set of a designating sequence's final byte; unknown ones are ASCII.
    pub(super) fn designated(by: u8) -> Self {
        match by {
            b'0' => Self::Graphics,
            b'A' => Self::British,
            _ => Self::Ascii,
        }
    }

    /// The final byte that designates it.
    pub(super) fn designator(self) -> u8 {
        match self {
            Self::Ascii => b'B',
            Self::British => b'A',
            Self::Graphics => b'0',
        }
    }

    /// The character it has in the place of an ASCII one.
    pub(super) fn map(self, char: char) -> char {
        const GRAPHICS: [char; 32] = [
            ' ', '◆', '▒', '␉', '␌', '␍', '␊', '°', '±', '␤', '␋', '┘', '┐', '┌', '└', '┼', '⎺',
            '⎻', '─', '⎼', '⎽', '├', '┤', '┴', '┬', '│', '≤', '≥', 'π', '≠', '£', '·',
        ];
        match (self, char) {
            (Self::Graphics, '_'..='~') => GRAPHICS[char as usize - '_' as usize],
            (Self::British, '#') => '£',
            _ => char,
        }
    }
}

/// The four designated sets, and which one is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Charsets {
    pub(super) designated: [Charset; 4],
    pub(super) active: u8,
}

impl Charsets {
    /// The set in use.
    pub(super) fn current(&self) -> Charset {
        self.designated[usize::from(self.active & 3)]
    }

    /// Writes what changes a terminal with plain sets to these.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for (slot, charset) in b"()*+".iter().zip(self.designated) {
            if charset != Charset::Ascii {
                out.extend_from_slice(&[0x1b, *slot, charset.designator()]);
            }
        }
        let shift: &[u8] = [&b""[..], b"\x0e", b"\x1bn", b"\x1bo"][usize::from(self.active & 3)];
        out.extend_from_slice(shift);
    }
}

/// Where the next character goes and how it will look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Cursor {
    pub(super) row: usize,
    pub(super) col: usize,
    /// In the last column with a character just written there: the next one wraps first.
    pub(super) pending: bool,
    pub(super) pen: Style,
    pub(super) charsets: Charsets,
    /// DECOM: rows count from the top of the scroll region, which the cursor does not leave.
    pub(super) origin: bool,
}
