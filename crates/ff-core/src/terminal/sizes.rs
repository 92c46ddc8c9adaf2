//! The size of a terminal: as large as its smallest viewer.

use std::collections::BTreeMap;

use ff_protocol::ErrorCode;
use ff_protocol::terminal::Size;

use crate::error::{Error, Result};

/// Beyond any screen; the cells of a larger one would take too much memory.
const LARGEST: Size = Size {
    cols: 1_000,
    rows: 500,
};

/// Sizes of the viewers that are attached.
#[derive(Debug)]
pub(super) struct Sizes {
    viewers: BTreeMap<u64, Size>,
    current: Size,
}

impl Sizes {
    /// The size before anyone watches.
    pub(super) fn new(current: Size) -> Self {
        Self {
            viewers: BTreeMap::new(),
            current,
        }
    }

    /// The size that holds now; without viewers, the last one.
    pub(super) fn current(&self) -> Size {
        self.current
    }

    /// A viewer has this size.
    pub(super) fn set(&mut self, attachment: u64, size: Size) {
        self.viewers.insert(attachment, size);
        self.settle();
    }

    /// A viewer is gone.
    pub(super) fn remove(&mut self, attachment: u64) {
        self.viewers.remove(&attachment);
        self.settle();
    }

    fn settle(&mut self) {
        let cols = self.viewers.values().map(|size| size.cols).min();
        let rows = self.viewers.values().map(|size| size.rows).min();
        if let (Some(cols), Some(rows)) = (cols, rows) {
            self.current = Size { cols, rows };
        }
    }
}

/// Checks a size that came from outside.
///
/// # Errors
/// `invalid` when it has no room or is beyond all reason.
pub(super) fn check(size: Size) -> Result<Size> {
    let Size { cols, rows } = LARGEST;
    if (1..=cols).contains(&size.cols) && (1..=rows).contains(&size.rows) {
        return Ok(size);
    }
    let detail = format!("a terminal has 1 to {cols} columns and 1 to {rows} rows");
    Err(Error::refused(ErrorCode::Invalid, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(cols: u16, rows: u16) -> Size {
        Size { cols, rows }
    }

    #[test]
    fn the_smallest_viewer_wins_and_the_last_size_stays() {
        let mut sizes = Sizes::new(size(80, 24));
        sizes.set(1, size(200, 50));
        assert_eq!(sizes.current(), size(200, 50));
        sizes.set(2, size(100, 60));
        assert_eq!(sizes.current(), size(100, 50));
        sizes.remove(2);
        assert_eq!(sizes.current(), size(200, 50));
        sizes.remove(1);
        assert_eq!(sizes.current(), size(200, 50));
    }

    #[test]
    fn sizes_beyond_reason_are_refused() {
        for (cols, rows) in [(0, 24), (80, 0), (1_001, 24), (80, 501), (80, u16::MAX)] {
            assert_eq!(
                check(size(cols, rows)).unwrap_err().code(),
                ErrorCode::Invalid
            );
        }
        assert_eq!(check(size(1, 1)).unwrap(), size(1, 1));
        assert_eq!(check(LARGEST).unwrap(), LARGEST);
    }
}
