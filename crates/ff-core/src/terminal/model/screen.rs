//! What the primary and the alternate screen have each of its own.

use super::cursor::Cursor;
use super::grid::{Glyph, Grid};
use super::keyboard::Keyboard;
use super::strings::Strings;

/// One of the two screens.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) grid: Grid,
    /// What DECSC saved.
    pub(super) saved: Cursor,
    pub(super) keyboard: Keyboard,
}

impl Screen {
    /// An empty screen.
    pub(super) fn new(height: usize) -> Self {
        Self {
            grid: Grid::new(height),
            saved: Cursor::default(),
            keyboard: Keyboard::default(),
        }
    }

    /// Moves the strings in use into `kept`.
    pub(super) fn keep_strings(&mut self, strings: &Strings, kept: &mut Strings) {
        self.saved.pen.link = strings.keep(self.saved.pen.link, kept);
        let rows = self.grid.rows_mut();
        for cell in rows.flat_map(|row| row.cells_mut()) {
            if cell.style.link != 0 {
                cell.style.link = strings.keep(cell.style.link, kept);
            }
            if let Some(number) = cell.glyph.as_string() {
                cell.glyph = Glyph::string(strings.keep(number, kept));
            }
        }
    }

    /// Bytes of memory in use.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.grid.memory()
    }
}
