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
    open: Option<OpenLine>,
    bytes: usize,
    limits: Limits,
}

impl Scrollback {
    /// No lines yet.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            lines: VecDeque::new(),
            open: None,
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
        self.open.as_ref()
    }

    /// Takes the row that leaves the screen.
    pub(super) fn push(&mut self, row: &Row, width: usize, strings: &Strings) {
        if self.limits.lines == 0 {
            return;
        }
        let mut line = self.open.take().unwrap_or_default();
        line.append(row, width, strings);
        if row.wrapped {
            self.open = Some(line);
        } else {
            self.add(line);
        }
    }

    /// Ends the line that goes on in the first row of the screen.
    pub(super) fn close(&mut self) {
        if let Some(line) = self.open.take() {
            self.add(line);
        }
    }

    /// Forgets all lines.
    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.open = None;
        self.bytes = 0;
    }

    fn add(&mut self, line: OpenLine) {
        let line = line.finish();
        self.bytes += line.len() + ENTRY;
        self.lines.push_back(line);
        while self.lines.len() > self.limits.lines || self.bytes > self.limits.bytes {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.bytes -= oldest.len() + ENTRY;
        }
    }

    /// Bytes of memory in use.
    pub(super) fn memory(&self) -> usize {
        let spare = self.lines.capacity() - self.lines.len();
        self.bytes + spare * size_of::<Line>() + self.open.as_ref().map_or(0, OpenLine::len)
    }
}
