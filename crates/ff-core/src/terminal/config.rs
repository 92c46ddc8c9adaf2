//! Settings of terminals.

use super::model::Limits;

/// Memory for a line that has left the screen, on average.
const LINE_BYTES: usize = 600;

/// How many terminals there may be, and how much is kept of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalConfig {
    /// Terminals whose shell runs.
    pub open: usize,
    /// Output kept of each to be replayed, in bytes.
    pub ring_bytes: usize,
    /// Lines kept of each that have left its screen.
    pub scrollback_lines: usize,
}

impl Default for TerminalConfig {
    fn default() -> Self {
        Self {
            open: 50,
            ring_bytes: 1 << 20,
            scrollback_lines: 10_000,
        }
    }
}

impl TerminalConfig {
    /// What the model keeps of lines that have left the screen.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            lines: self.scrollback_lines,
            bytes: self.scrollback_lines * LINE_BYTES,
        }
    }
}
