//! The lines that have left the screen at its top.
//!
//! A line is what was written between two line breaks, however many rows it took, and is kept as
//! the bytes that write it. So it costs little more than its text, goes into a redraw as it is,
//! and does not depend on the width it once had.

use std::collections::VecDeque;

use super::Limits;
use super::grid::Row;
use super::line::{Line, OpenLine};
use super::strings::Strings;

const ENTRY: usize = size_of::<Line>() + 16;

/// The lines, oldest first.
#[derive(Debug)]
pub(super) struct Scrollback {
    lines: VecDeque<Line>,
    /// The line that rows are added to, and whether there are any.
    line: OpenLine,
    open: bool,
    bytes: usize,
    limits: Limits,
}

impl Scrollback {
    /// No lines yet.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            lines: VecDeque::new(),
            line: OpenLine::default(),
            open: false,
            bytes: 0,
            limits,
        }
    }

    /// The lines that are complete.
    pub(super) fn lines(&self) -> impl ExactSizeIterator<Item = &Line> {
        self.lines.iter()
    }

    /// The line that goes on in the first row of the screen.
    pub(super) fn open(&self) -> Option<&OpenLine> {
        self.open.then_some(&self.line)
    }

    /// Takes the row that leaves the screen.
    pub(super) fn push(&mut self, row: &Row, width: usize, strings: &Strings) {
        if self.limits.lines == 0 {
            return;
        }
        self.line.append(row, width, strings);
        self.open = true;
        if !row.wrapped {
            self.close();
        }
    }

    /// Ends the line that goes on in the first row of the screen.
    pub(super) fn close(&mut self) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        let line = self.line.finish();
        self.bytes += line.len() + ENTRY;
        self.lines.push_back(line);
        while self.lines.len() > self.limits.lines || self.bytes > self.limits.bytes {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.bytes -= oldest.len() + ENTRY;
        }
    }

    /// Forgets all lines.
    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.line = OpenLine::default();
        self.open = false;
        self.bytes = 0;
    }

    /// Bytes of memory in use.
    pub(super) fn memory(&self) -> usize {
        let spare = self.lines.capacity() - self.lines.len();
        self.bytes + spare * size_of::<Line>() + self.line.len()
    }
}
