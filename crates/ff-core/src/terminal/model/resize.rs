//! What becomes of the screen when its size changes.
//!
//! Lines of the primary screen are wrapped anew, from their begin even where that has left the
//! screen; what then has no room leaves it at the top, and a higher screen gets empty rows at the
//! bottom. The alternate screen is cut. The scroll region becomes the whole screen, new columns
//! have the usual tab stops.

use ff_protocol::terminal::Size;

use super::Model;
use super::cursor::Cursor;

const TAB: usize = 8;

/// Whether a column has a tab stop to begin with.
pub(super) fn tab_stop(col: usize) -> bool {
    col > 0 && col.is_multiple_of(TAB)
}

impl Model {
    /// Changes the size. A size of 0 counts as 1.
    pub fn resize(&mut self, size: Size) {
        let width = usize::from(size.cols.max(1));
        let height = usize::from(size.rows.max(1));
        if (width, height) == (self.width, self.height) {
            return;
        }
        let old_width = self.width;
        (self.width, self.height) = (width, height);
        self.region = (0, height - 1);
        self.last = None;
        self.tabs.truncate(width);
        self.tabs.extend((self.tabs.len()..width).map(tab_stop));
        self.resize_primary(old_width);
        if let Some(alternate) = &mut self.alternate {
            for row in alternate.grid.rows_mut() {
                row.cut(width);
                row.wrapped &= width == old_width;
            }
            alternate.grid.set_height(height);
            clamp(&mut alternate.saved, width, height);
        }
        clamp(&mut self.cursor, width, height);
    }

    fn resize_primary(&mut self, old_width: usize) {
        let (width, height) = (self.width, self.height);
        if width != old_width {
            self.scrollback.close();
            for row in self.primary.grid.rows_mut() {
                row.cut(width);
                row.wrapped = false;
            }
        }
        let saved = &mut self.primary.saved;
        let cursor = match &self.alternate {
            None => &mut self.cursor,
            Some(_) => &mut *saved,
        };
        let over = (cursor.row + 1).saturating_sub(height);
        cursor.row -= over;
        for _ in 0..over {
            if let Some(row) = self.primary.grid.pop_top() {
                self.scrollback.push(&row, width, &self.strings);
            }
        }
        self.primary.grid.set_height(height);
        clamp(&mut self.primary.saved, width, height);
    }
}

fn clamp(cursor: &mut Cursor, width: usize, height: usize) {
    cursor.row = cursor.row.min(height - 1);
    cursor.col = cursor.col.min(width - 1);
    cursor.pending = false;
}
