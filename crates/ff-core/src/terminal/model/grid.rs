//! Rows of cells.

use std::collections::VecDeque;

use super::style::Style;

/// What a cell shows: a character, the right half of a wide one, or a character with marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Glyph(u32);

const FIRST_STRING: u32 = 0x11_0000;

impl Glyph {
    /// An empty place.
    pub(super) const SPACE: Self = Self(b' ' as u32);
    /// The right half of a wide character.
    pub(super) const TAIL: Self = Self(0);
    /// The last place of a row, left free as the wide character that follows did not fit.
    pub(super) const SKIPPED: Self = Self(1);

    /// A character.
    pub(super) fn char(char: char) -> Self {
        Self(u32::from(char))
    }

    /// The character with marks of this number in the model's strings.
    pub(super) fn string(number: u32) -> Self {
        Self(FIRST_STRING.saturating_add(number))
    }

    /// Its character, unless it has marks.
    pub(super) fn as_char(self) -> Option<char> {
        char::from_u32(self.0)
    }

    /// Its character, if that is ASCII and no control.
    pub(super) fn as_ascii(self) -> Option<u8> {
        (0x20..0x7f).contains(&self.0).then_some(self.0 as u8)
    }

    /// Its number in the model's strings, if it has marks.
    pub(super) fn as_string(self) -> Option<u32> {
        self.0.checked_sub(FIRST_STRING)
    }
}

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) glyph: Glyph,
    pub(super) style: Style,
}

impl Cell {
    /// An empty cell without attributes.
    pub(super) const BLANK: Self = Self {
        glyph: Glyph::SPACE,
        style: Style::PLAIN,
    };

    /// The place that a wide character left free.
    pub(super) const SKIPPED: Self = Self {
        glyph: Glyph::SKIPPED,
        style: Style::PLAIN,
    };

    /// An empty cell with a background.
    pub(super) fn erased(style: Style) -> Self {
        Self {
            glyph: Glyph::SPACE,
            style: style.erased(),
        }
    }
}

/// A row. Cells beyond those held are blank.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    cells: Vec<Cell>,
    /// Whether its text goes on in the next row.
    pub(super) wrapped: bool,
}

impl Row {
    /// A row of these cells.
    pub(super) fn new(cells: Vec<Cell>, wrapped: bool) -> Self {
        Self { cells, wrapped }
    }

    /// How many cells there are up to the last one that is not blank.
    pub(super) fn used(&self) -> usize {
        let last = self.cells.iter().rposition(|cell| *cell != Cell::BLANK);
        last.map_or(0, |last| last + 1)
    }

    /// The cells up to the last one that was ever used.
    pub(super) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The cells, for changing them one by one.
    pub(super) fn cells_mut(&mut self) -> &mut [Cell] {
        &mut self.cells
    }

    /// A cell.
    pub(super) fn get(&self, col: usize) -> Cell {
        self.cells.get(col).copied().unwrap_or(Cell::BLANK)
    }

    /// The cells of a range, to be overwritten. Halves of wide characters that would be left
    /// over become blank.
    pub(super) fn overwrite(&mut self, from: usize, to: usize) -> &mut [Cell] {
        if self.cells.len() < to {
            self.cells.resize(to, Cell::BLANK);
        }
        self.split(from);
        self.split(to);
        &mut self.cells[from..to]
    }

    /// Writes ASCII.
    pub(super) fn write_ascii(&mut self, col: usize, text: &[u8], style: Style) {
        let made = text.iter().map(|&byte| Cell {
            glyph: Glyph(u32::from(byte)),
            style,
        });
        if self.cells.len() <= col {
            self.cells.resize(col, Cell::BLANK);
            self.cells.extend(made);
        } else {
            let cells = self.overwrite(col, col + text.len());
            cells
                .iter_mut()
                .zip(made)
                .for_each(|(cell, made)| *cell = made);
        }
    }

    /// Erases a range; `width` is the row's.
    pub(super) fn erase(&mut self, from: usize, to: usize, width: usize, style: Style) {
        let blank = Cell::erased(style);
        if to >= width {
            self.wrapped = false;
        }
        if to >= width && blank == Cell::BLANK {
            self.split(from);
            self.cells.truncate(from);
        } else {
            self.overwrite(from, to).fill(blank);
        }
    }

    /// The text does not go on in the next row.
    pub(super) fn end(&mut self) {
        self.wrapped = false;
        self.settle();
    }

    /// A place left free for a wide character is blank from now on.
    pub(super) fn settle(&mut self) {
        if let Some(last) = self.cells.last_mut().filter(|last| **last == Cell::SKIPPED) {
            *last = Cell::BLANK;
        }
    }

    /// Makes the row empty.
    pub(super) fn clear(&mut self, width: usize, style: Style) {
        self.cells.clear();
        self.wrapped = false;
        let blank = Cell::erased(style);
        if blank != Cell::BLANK {
            self.cells.resize(width, blank);
        }
    }

    /// Moves cells to the right from a column on, and erases those that become free.
    pub(super) fn insert(&mut self, col: usize, count: usize, width: usize, style: Style) {
        let count = count.min(width - col);
        self.settle();
        self.overwrite(col, col);
        let place = col..col;
        let blanks = std::iter::repeat_n(Cell::erased(style), count);
        self.cells.splice(place, blanks);
        self.cut(width);
    }

    /// Removes cells; those to the right move in, and erased ones follow.
    pub(super) fn delete(&mut self, col: usize, count: usize, width: usize, style: Style) {
        let count = count.min(width - col);
        self.settle();
        self.overwrite(col, col + count);
        self.cells.drain(col..col + count);
        let blank = Cell::erased(style);
        if blank != Cell::BLANK {
            self.cells.resize(width - count, Cell::BLANK);
            self.cells.resize(width, blank);
        }
    }

    /// Forgets what is beyond a width.
    pub(super) fn cut(&mut self, width: usize) {
        if self.cells.len() > width {
            self.split(width);
            self.cells.truncate(width);
        }
    }

    /// Makes both halves of a wide character blank that lies across the left edge of a column.
    fn split(&mut self, col: usize) {
        if col > 0 && self.get(col).glyph == Glyph::TAIL {
            self.cells[col - 1..=col].fill(Cell::BLANK);
        }
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.cells.capacity() * size_of::<Cell>()
    }
}

/// The rows of a screen.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    rows: VecDeque<Row>,
}

impl Grid {
    /// Empty rows.
    pub(super) fn new(rows: usize) -> Self {
        Self {
            rows: std::iter::repeat_with(Row::default).take(rows).collect(),
        }
    }

    /// The rows from the top.
    pub(super) fn rows(&self) -> impl ExactSizeIterator<Item = &Row> {
        self.rows.iter()
    }

    /// The rows, for changing them.
    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = &mut Row> {
        self.rows.iter_mut()
    }

    /// A row. There is one at every place of a cursor.
    pub(super) fn row(&mut self, row: usize) -> &mut Row {
        &mut self.rows[row]
    }

    /// Moves rows `top..=bottom` up by one, and gives the one that leaves to `leaves`.
    pub(super) fn scroll_up(
        &mut self,
        (top, bottom): (usize, usize),
        width: usize,
        style: Style,
        leaves: impl FnOnce(&Row),
    ) {
        let Some(mut row) = self.rows.remove(top) else {
            return;
        };
        leaves(&row);
        row.clear(width, style);
        self.rows.insert(bottom, row);
    }

    /// Moves rows `top..=bottom` down by one; the last one is lost.
    pub(super) fn scroll_down(
        &mut self,
        (top, bottom): (usize, usize),
        width: usize,
        style: Style,
    ) {
        let Some(mut row) = self.rows.remove(bottom) else {
            return;
        };
        row.clear(width, style);
        self.rows.insert(top, row);
        self.rows[bottom].end();
    }

    /// A grid of these rows, cut or filled up to a height.
    pub(super) fn of(rows: impl Iterator<Item = Row>, height: usize) -> Self {
        let mut grid = Self {
            rows: rows.collect(),
        };
        grid.set_height(height);
        grid
    }

    /// Takes all rows.
    pub(super) fn take(&mut self) -> Vec<Row> {
        std::mem::take(&mut self.rows).into()
    }

    /// Has this many rows; they are cut or added at the bottom.
    pub(super) fn set_height(&mut self, rows: usize) {
        self.rows.resize_with(rows, Row::default);
        if let Some(last) = self.rows.back_mut() {
            last.end();
        }
    }

    /// Bytes of memory in use.
    pub(super) fn memory(&self) -> usize {
        self.rows.iter().map(Row::memory).sum()
    }
}
