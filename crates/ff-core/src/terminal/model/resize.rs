//! What becomes of the screen when its size changes.
//!
//! Lines of the primary screen are wrapped anew; what then has no room leaves it at the top, and a
//! higher screen gets empty rows at the bottom. What has left the screen does not come back, so a
//! line that is partly there ends where the screen begins. The alternate screen is cut. The scroll region becomes the whole screen, new columns
//! have the usual tab stops.

use ff_protocol::terminal::Size;

use super::Model;
use super::cursor::Cursor;
use super::grid::Grid;
use super::reflow::Flow;
use super::screen::Screen;

const TAB: usize = 8;

/// Whether a column has a tab stop to begin with.
pub(super) fn tab_stop(col: usize) -> bool {
    col > 0 && col.is_multiple_of(TAB)
}

impl Model {
    /// Changes the size, within the bounds of [`Model::new`].
    pub fn resize(&mut self, size: Size) {
        let (width, height) = super::dimensions(size);
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
                if width != old_width {
                    row.end();
                }
            }
            alternate.grid.set_height(height);
            clamp(&mut alternate.saved, width, height);
        }
        clamp(&mut self.cursor, width, height);
        self.settle_pending();
    }

    fn resize_primary(&mut self, old_width: usize) {
        let (width, height) = (self.width, self.height);
        let Screen { grid, saved, .. } = &mut self.primary;
        let cursor = match &self.alternate {
            None => &mut self.cursor,
            Some(_) => saved,
        };
        let mut flow = Flow {
            rows: grid.take(),
            row: cursor.row,
            col: cursor.col,
            pending: cursor.pending,
        };
        if width != old_width {
            self.scrollback.close();
            flow = flow.into_width(old_width, width);
        }
        let used = flow.rows.iter().rposition(|row| row.used() > 0);
        let needed = flow.row.max(used.unwrap_or(0)) + 1;
        // The cursor stays on the screen, whatever is below it.
        let over = needed.saturating_sub(height).min(flow.row);
        (cursor.row, cursor.col) = (flow.row - over, flow.col);
        cursor.pending = flow.pending && cursor.row < height;
        for row in &flow.rows[..over] {
            self.scrollback.push(row, width, &self.strings);
        }
        *grid = Grid::of(flow.rows.into_iter().skip(over), height);
        clamp(&mut self.primary.saved, width, height);
    }
}

fn clamp(cursor: &mut Cursor, width: usize, height: usize) {
    cursor.row = cursor.row.min(height - 1);
    if cursor.col >= width {
        cursor.col = width - 1;
    }
    cursor.pending &= cursor.col == width - 1;
}
