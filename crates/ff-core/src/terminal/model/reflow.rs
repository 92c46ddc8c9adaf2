//! Rows wrapped anew for another width.

use super::grid::{Cell, Glyph, Row};

/// Rows, with the place of a cursor among them.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) rows: Vec<Row>,
    pub(super) row: usize,
    pub(super) col: usize,
    pub(super) pending: bool,
}

impl Flow {
    /// The same lines in rows of another width. Blank rows at the end are left out, unless the
    /// cursor is there.
    pub(super) fn into_width(self, old: usize, new: usize) -> Self {
        let mut flow = Self {
            rows: Vec::new(),
            row: 0,
            col: 0,
            pending: false,
        };
        let used = self.rows.iter().rposition(|row| row.used() > 0);
        let count = self.row.max(used.unwrap_or(0)) + 1;
        let mut line = Vec::new();
        let mut mark = None;
        let mut edge = false;
        for (index, row) in self.rows.iter().take(count).enumerate() {
            if edge && row.get(1).glyph != Glyph::TAIL {
                line.push(Cell::BLANK);
            }
            if index == self.row {
                let col = self.col + usize::from(self.pending);
                mark = Some(line.len() + col);
            }
            line.extend_from_slice(&row.cells()[..row.used()]);
            edge = row.wrapped && row.get(old - 1) == Cell::SKIPPED;
            if row.wrapped {
                line.resize(line.len() + old - row.used(), Cell::BLANK);
                if edge {
                    line.pop();
                }
                continue;
            }
            flow.wrap(&line, mark.take(), new);
            line.clear();
        }
        flow
    }

    /// Adds a line; the cursor is before the cell of number `mark`.
    fn wrap(&mut self, line: &[Cell], mark: Option<usize>, width: usize) {
        let mut cells = Vec::new();
        let mut index = 0;
        while index < line.len() {
            let wide = line
                .get(index + 1)
                .is_some_and(|cell| cell.glyph == Glyph::TAIL);
            let next = index + 1 + usize::from(wide);
            if cells.len() + (next - index) > width {
                if cells.len() < width {
                    cells.push(Cell::SKIPPED);
                }
                self.rows.push(Row::new(std::mem::take(&mut cells), true));
            }
            if let Some(mark) = mark.filter(|mark| (index..next).contains(mark)) {
                self.mark(cells.len() + mark - index, false, width);
            }
            cells.extend_from_slice(&line[index..next]);
            index = next;
        }
        if let Some(beyond) = mark.and_then(|mark| mark.checked_sub(line.len())) {
            let full = beyond == 0 && cells.len() == width;
            self.mark(cells.len() + beyond, full, width);
        }
        self.rows.push(Row::new(cells, false));
    }

    fn mark(&mut self, col: usize, pending: bool, width: usize) {
        self.row = self.rows.len();
        self.col = col.min(width - 1);
        self.pending = pending;
    }
}
