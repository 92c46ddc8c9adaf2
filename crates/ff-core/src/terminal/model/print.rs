//! Characters onto the screen.

use unicode_width::UnicodeWidthChar;

use super::Model;
use super::cursor::Charset;
use super::grid::{Cell, Glyph};

/// Marks on one character that are kept.
const MOST_MARKS: usize = 8;

impl Model {
    /// Prints a character at the cursor.
    pub(super) fn print(&mut self, char: char) {
        let shift = self.shift.take();
        let charset = match shift {
            Some(set) => self.cursor.charsets.designated[usize::from(set & 3)],
            None => self.cursor.charsets.current(),
        };
        let char = charset.map(char);
        match char.width() {
            Some(0) => self.mark(char),
            Some(width) => self.place(char, width, shift.is_none()),
            None => {}
        }
    }

    /// Prints ASCII without controls.
    pub(super) fn print_ascii(&mut self, text: &[u8]) {
        let plain = self.shift.is_none()
            && !self.modes.insert
            && self.modes.autowrap
            && self.cursor.charsets.current() == Charset::Ascii;
        if !plain {
            text.iter().for_each(|&byte| self.print(char::from(byte)));
            return;
        }
        let mut rest = text;
        while !rest.is_empty() {
            if self.cursor.pending {
                self.wrap();
            }
            let (row, col) = (self.cursor.row, self.cursor.col);
            let count = rest.len().min(self.width - col);
            let (now, later) = rest.split_at(count);
            let style = self.cursor.pen;
            self.grid_mut().row(row).write_ascii(col, now, style);
            self.advance(count);
            rest = later;
        }
        self.last = text.last().map(|&byte| char::from(byte));
    }

    fn place(&mut self, char: char, width: usize, repeatable: bool) {
        let wraps = self.modes.autowrap;
        let last = self.width - 1;
        let fits = self.cursor.col + width <= self.width;
        if !fits && !wraps {
            self.last = None;
            return;
        }
        if self.cursor.pending && wraps {
            self.wrap();
        } else if !fits {
            let row = self.cursor.row;
            self.grid_mut().row(row).overwrite(last, last + 1)[0] = Cell::SKIPPED;
            self.wrap();
        }
        self.cursor.pending = false;
        let (row, col, style) = (self.cursor.row, self.cursor.col, self.cursor.pen);
        let (columns, insert) = (self.width, self.modes.insert);
        let line = self.grid_mut().row(row);
        if insert {
            line.insert(col, width, columns, style);
        }
        let cells = line.overwrite(col, col + width);
        let tail = Cell {
            glyph: Glyph::TAIL,
            style,
        };
        cells.fill(tail);
        cells[0].glyph = Glyph::char(char);
        let advanced = self.advance(width);
        self.last = (advanced && repeatable).then_some(char);
    }

    /// Moves the cursor behind what was printed; false when it cannot.
    fn advance(&mut self, width: usize) -> bool {
        let cursor = &mut self.cursor;
        cursor.col += width;
        if cursor.col < self.width {
            return true;
        }
        cursor.col = self.width - 1;
        cursor.pending = self.modes.autowrap;
        cursor.pending
    }

    /// Goes to the next row in the middle of a line.
    fn wrap(&mut self) {
        self.cursor.col = 0;
        self.line_feed(true);
    }

    /// Puts a mark onto the character before the cursor.
    fn mark(&mut self, mark: char) {
        self.last = None;
        let (row, col, pending) = (self.cursor.row, self.cursor.col, self.cursor.pending);
        let Some(mut col) = (if pending {
            Some(col)
        } else {
            col.checked_sub(1)
        }) else {
            return;
        };
        if self.grid_mut().row(row).get(col).glyph == Glyph::TAIL && col > 0 {
            col -= 1;
        }
        self.grid_mut().row(row).settle();
        let cell = self.grid_mut().row(row).get(col);
        let mut text = match cell.glyph.as_string() {
            Some(number) => self.strings.get(number).to_owned(),
            None => cell.glyph.as_char().into_iter().collect(),
        };
        if text.chars().count() > MOST_MARKS {
            return;
        }
        text.push(mark);
        let number = self.intern(&text);
        if number == 0 {
            return;
        }
        let line = self.grid_mut().row(row);
        if line.cells().len() <= col {
            line.overwrite(col, col + 1);
        }
        line.cells_mut()[col].glyph = Glyph::string(number);
    }
}
