//! What control functions do to cursor and cells.

use super::Model;
use super::cursor::{Charsets, Cursor};
use super::grid::{Cell, Glyph};
use super::style::Style;

impl Model {
    /// Rows the cursor may be in: the scroll region in origin mode, else all.
    fn bounds(&self) -> (usize, usize) {
        if self.cursor.origin {
            self.region
        } else {
            (0, self.height - 1)
        }
    }

    /// Moves the cursor to a row and column of the screen, or as near as it may go.
    pub(super) fn move_to(&mut self, row: usize, col: usize) {
        let (top, bottom) = self.bounds();
        self.cursor.row = row.clamp(top, bottom);
        self.cursor.col = col.min(self.width - 1);
        self.cursor.pending = false;
    }

    /// Moves the cursor to a row and column counted from 0 at the origin.
    pub(super) fn address(&mut self, row: usize, col: usize) {
        self.move_to(self.bounds().0 + row, col);
    }

    /// Moves the cursor up, not across the top of the scroll region.
    pub(super) fn up(&mut self, count: usize) {
        let (row, top) = (self.cursor.row, self.region.0);
        let top = if row >= top { top } else { 0 };
        self.move_to(row.saturating_sub(count).max(top), self.cursor.col);
    }

    /// Moves the cursor down, not across the bottom of the scroll region.
    pub(super) fn down(&mut self, count: usize) {
        let (row, bottom) = (self.cursor.row, self.region.1);
        let bottom = if row <= bottom {
            bottom
        } else {
            self.height - 1
        };
        self.move_to((row + count).min(bottom), self.cursor.col);
    }

    /// Moves the cursor to a column.
    pub(super) fn move_to_col(&mut self, col: usize) {
        self.move_to(self.cursor.row, col);
    }

    /// The next tab stops to the right.
    pub(super) fn tab(&mut self, count: usize) {
        if self.cursor.pending {
            return;
        }
        let mut stops = (self.cursor.col + 1..self.width).filter(|&col| self.tabs[col]);
        let stop = stops.nth(count - 1).unwrap_or(self.width - 1);
        self.move_to_col(stop);
    }

    /// The next tab stops to the left.
    pub(super) fn back_tab(&mut self, count: usize) {
        let mut stops = (0..self.cursor.col).rev().filter(|&col| self.tabs[col]);
        let stop = stops.nth(count - 1).unwrap_or(0);
        self.move_to_col(stop);
    }

    /// Goes one row down, and scrolls at the bottom of the scroll region. `wraps` tells that the
    /// row's text goes on there.
    pub(super) fn line_feed(&mut self, wraps: bool) {
        self.cursor.pending = false;
        let row = self.cursor.row;
        if row == self.region.1 {
            self.scroll_up(1, wraps);
        } else if row + 1 < self.height {
            self.grid_mut().row(row).wrapped |= wraps;
            self.cursor.row += 1;
        } else {
            self.grid_mut().row(row).end();
        }
    }

    /// Goes one row up, and scrolls at the top of the scroll region.
    pub(super) fn reverse_line_feed(&mut self) {
        self.cursor.pending = false;
        if self.cursor.row == self.region.0 {
            self.scroll_down(self.region, 1);
        } else {
            self.cursor.row = self.cursor.row.saturating_sub(1);
        }
    }

    /// Scrolls the region up. What leaves the primary screen at its top is kept. `wraps` tells that
    /// the last row's text goes on in the new one.
    pub(super) fn scroll_up(&mut self, count: usize, wraps: bool) {
        let (region, width, style) = (self.region, self.width, self.cursor.pen);
        let kept = region.0 == 0 && self.alternate.is_none();
        self.part(region.0);
        let last = self.grid_mut().row(region.1);
        last.wrapped = wraps;
        if !wraps {
            last.end();
        }
        for _ in 0..count.min(region.1 - region.0 + 1) {
            let Self {
                primary,
                alternate,
                scrollback,
                strings,
                ..
            } = self;
            let screen = alternate.as_deref_mut().unwrap_or(primary);
            screen.grid.scroll_up(region, width, style, |row| {
                if kept {
                    scrollback.push(row, width, strings);
                }
            });
        }
    }

    /// Moves rows of a range down; the last ones are lost.
    pub(super) fn scroll_down(&mut self, range: (usize, usize), count: usize) {
        let (width, style) = (self.width, self.cursor.pen);
        self.part(range.0);
        if range.0 == 0 && self.alternate.is_none() {
            self.scrollback.close();
        }
        for _ in 0..count.min(range.1 - range.0 + 1) {
            self.grid_mut().scroll_down(range, width, style);
        }
    }

    /// Inserts or deletes rows at the cursor, inside the scroll region.
    pub(super) fn move_rows(&mut self, count: usize, down: bool) {
        let (row, (top, bottom)) = (self.cursor.row, self.region);
        if !(top..=bottom).contains(&row) {
            return;
        }
        self.move_to_col(0);
        if down {
            self.scroll_down((row, bottom), count);
            return;
        }
        let (width, style) = (self.width, self.cursor.pen);
        self.part(row);
        if row == 0 && self.alternate.is_none() {
            self.scrollback.close();
        }
        for _ in 0..count.min(bottom - row + 1) {
            self.grid_mut()
                .scroll_up((row, bottom), width, style, |_| ());
        }
        self.part(bottom + 1);
    }

    /// Where a wrap is pending no place is left free for a wide character.
    pub(super) fn settle_pending(&mut self) {
        if self.cursor.pending {
            let row = self.cursor.row;
            self.grid_mut().row(row).settle();
        }
    }

    /// The row above no longer goes on in this one.
    fn part(&mut self, row: usize) {
        if let Some(above) = row.checked_sub(1) {
            self.grid_mut().row(above).end();
        }
    }

    /// ED. With a wrap pending the cursor is behind its row.
    pub(super) fn erase_display(&mut self, which: u16) {
        let (row, width, style) = (self.cursor.row, self.width, self.cursor.pen);
        let rows = match which {
            0 => row + 1..self.height,
            1 => 0..row,
            2 => 0..self.height,
            _ => 0..0,
        };
        let from_begin = which != 0 || (row, self.cursor.col) == (0, 0);
        if which < 3 && from_begin && self.alternate.is_none() {
            self.scrollback.close();
        }
        if which < 2 {
            self.erase_line(which);
        }
        for row in rows {
            self.grid_mut().row(row).clear(width, style);
        }
        if which == 3 {
            self.scrollback.clear();
        }
    }

    /// EL. With a wrap pending the cursor is behind its row.
    pub(super) fn erase_line(&mut self, which: u16) {
        let (row, col, width) = (self.cursor.row, self.cursor.col, self.width);
        let style = self.cursor.pen;
        let (from, to) = match which {
            0 if self.cursor.pending => return,
            0 => (col, width),
            1 => (0, col + 1),
            2 => (0, width),
            _ => return,
        };
        self.grid_mut().row(row).erase(from, to, width, style);
    }

    /// ECH, ICH and DCH act on the cursor's cell and those to its right.
    pub(super) fn edit_cells(&mut self, function: u8, count: usize) {
        self.cursor.pending = false;
        let (row, col, width) = (self.cursor.row, self.cursor.col, self.width);
        let style = self.cursor.pen;
        let line = self.grid_mut().row(row);
        match function {
            b'X' => line.erase(col, (col + count).min(width), width, style),
            b'@' => line.insert(col, count, width, style),
            _ => line.delete(col, count, width, style),
        }
    }

    /// DECSTBM, rows counted from 0.
    pub(super) fn set_region(&mut self, top: usize, bottom: usize) {
        let bottom = bottom.min(self.height - 1);
        if top < bottom || self.height == 1 {
            self.region = (top.min(bottom), bottom);
            self.address(0, 0);
        }
    }

    /// DECSC.
    pub(super) fn save_cursor(&mut self) {
        self.screen_mut().saved = self.cursor;
    }

    /// DECRC. In origin mode the cursor stays inside the region.
    pub(super) fn restore_cursor(&mut self) {
        let saved = self.screen_mut().saved;
        self.cursor = saved;
        self.move_to(saved.row, saved.col);
        self.cursor.pending = saved.pending && self.cursor.row == saved.row;
    }

    /// DECALN: fills the screen with E.
    pub(super) fn align(&mut self) {
        self.region = (0, self.height - 1);
        self.cursor.origin = false;
        self.move_to(0, 0);
        let (width, style) = (self.width, Style::PLAIN);
        for row in self.grid_mut().rows_mut() {
            row.clear(width, style);
            let glyph = Glyph::char('E');
            row.overwrite(0, width).fill(Cell { glyph, style });
        }
    }

    /// DECSTR.
    pub(super) fn soft_reset(&mut self) {
        self.modes.soft_reset();
        self.region = (0, self.height - 1);
        self.cursor.origin = false;
        self.cursor.pen = Style::PLAIN;
        self.cursor.charsets = Charsets::default();
        self.shift = None;
        self.screen_mut().saved = Cursor::default();
    }
}
