//! The model as cells, for whoever wants to look at it.

use super::Model;
use super::grid::{Cell, Glyph, Row};
use super::line::write_glyph;
use super::style::Style;

/// A cell of the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewCell {
    /// Its character with marks; nothing for the right half of a wide one.
    pub text: String,
    /// How it looks.
    pub style: Style,
}

impl Model {
    /// The rows shown, each as wide as the screen.
    pub fn view(&self) -> Vec<Vec<ViewCell>> {
        let screen = self.alternate.as_deref().unwrap_or(&self.primary);
        screen.grid.rows().map(|row| self.view_row(row)).collect()
    }

    /// The rows shown as text, without the blanks at their ends.
    pub fn text(&self) -> Vec<String> {
        let row = |row: Vec<ViewCell>| {
            let text: String = row.into_iter().map(|cell| cell.text).collect();
            text.trim_end().to_owned()
        };
        self.view().into_iter().map(row).collect()
    }

    /// Row and column of the cursor, from 0.
    pub fn cursor(&self) -> (usize, usize) {
        (self.cursor.row, self.cursor.col)
    }

    /// The window's title.
    pub fn title(&self) -> &str {
        self.titles.window.text()
    }

    /// How many lines have left the screen and are kept.
    pub fn scrollback_lines(&self) -> usize {
        self.scrollback.lines().len()
    }

    pub(super) fn view_row(&self, row: &Row) -> Vec<ViewCell> {
        (0..self.width)
            .map(|col| self.view_cell(row.get(col)))
            .collect()
    }

    fn view_cell(&self, cell: Cell) -> ViewCell {
        let mut text = Vec::new();
        match cell.glyph {
            Glyph::TAIL => {}
            Glyph::SKIPPED => text.push(b' '),
            glyph => write_glyph(glyph, &self.strings, &mut text),
        }
        ViewCell {
            text: String::from_utf8_lossy(&text).into_owned(),
            style: cell.style,
        }
    }
}
