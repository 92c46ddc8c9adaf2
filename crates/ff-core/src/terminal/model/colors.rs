//! Colours that a program has changed in the viewer's terminal.

use std::collections::BTreeMap;

const LONGEST: usize = 64;
/// Numbers of OSC that set a colour apart from the palette: 10 foreground to 19 selection.
const OTHERS: std::ops::RangeInclusive<u16> = 10..=19;

/// Changed colours as they were given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Colors {
    palette: BTreeMap<u8, String>,
    others: BTreeMap<u16, String>,
}

impl Colors {
    /// Handles an OSC of this number.
    pub(super) fn change(&mut self, number: u16, text: &str) {
        match number {
            4 => {
                let mut parts = text.split(';');
                while let (Some(index), Some(color)) = (parts.next(), parts.next()) {
                    if let Ok(index) = index.parse()
                        && acceptable(color)
                    {
                        self.palette.insert(index, color.to_owned());
                    }
                }
            }
            104 if text.is_empty() => self.palette.clear(),
            104 => text.split(';').for_each(|index| {
                if let Ok(index) = index.parse::<u8>() {
                    self.palette.remove(&index);
                }
            }),
            110..=119 => drop(self.others.remove(&(number - 100))),
            // Several colours set this one and those that follow it.
            _ => {
                for (number, color) in (number..=*OTHERS.end()).zip(text.split(';')) {
                    if OTHERS.contains(&number) && acceptable(color) {
                        self.others.insert(number, color.to_owned());
                    }
                }
            }
        }
    }

    /// Writes what changes a terminal with its own colours to these.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for (index, color) in &self.palette {
            out.extend_from_slice(format!("\x1b]4;{index};{color}\x1b\\").as_bytes());
        }
        for (number, color) in &self.others {
            out.extend_from_slice(format!("\x1b]{number};{color}\x1b\\").as_bytes());
        }
    }
}

/// Whether it can be a colour, and no question.
fn acceptable(color: &str) -> bool {
    !color.is_empty() && color.len() <= LONGEST && color != "?"
}
