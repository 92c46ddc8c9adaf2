//! Who watches a terminal. A viewer that comes back takes its own place: its old connection may
//! be dead without anyone having noticed.

use std::collections::HashMap;

use ff_protocol::{ErrorCode, TerminalId};

use crate::error::{Error, Result};

/// Most viewers of one terminal.
pub(super) const MOST: usize = 200;

/// The viewers that are attached.
#[derive(Debug, Default)]
pub(super) struct Viewers {
    attached: HashMap<TerminalId, u64>,
    last: u64,
}

impl Viewers {
    /// Attaches a viewer; gives the number of this attachment, and of the one it replaces.
    ///
    /// # Errors
    /// `limit_reached` when too many others are.
    pub(super) fn enter(&mut self, viewer: &TerminalId) -> Result<(u64, Option<u64>)> {
        if self.attached.len() >= MOST && !self.attached.contains_key(viewer) {
            let detail = format!("{MOST} viewers watch this terminal");
            return Err(Error::refused(ErrorCode::LimitReached, detail).hint("close one of them"));
        }
        self.last += 1;
        let replaced = self.attached.insert(viewer.clone(), self.last);
        Ok((self.last, replaced))
    }

    /// Whether this is the viewer's attachment that counts.
    pub(super) fn holds(&self, viewer: &TerminalId, attachment: u64) -> bool {
        self.attached.get(viewer) == Some(&attachment)
    }

    /// Ends an attachment, unless the viewer has another by now.
    pub(super) fn leave(&mut self, viewer: &TerminalId, attachment: u64) {
        if self.holds(viewer, attachment) {
            self.attached.remove(viewer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_attachment_of_a_viewer_counts() {
        let (mut viewers, id) = (Viewers::default(), TerminalId::generate());
        let (old, none) = viewers.enter(&id).unwrap();
        let (new, replaced) = viewers.enter(&id).unwrap();
        assert_eq!((none, replaced), (None, Some(old)));
        assert!(viewers.holds(&id, new) && !viewers.holds(&id, old));
        viewers.leave(&id, old);
        assert!(viewers.holds(&id, new));
        viewers.leave(&id, new);
        assert!(!viewers.holds(&id, new));
    }

    #[test]
    fn there_is_a_limit_that_nobody_who_comes_back_meets() {
        let mut viewers = Viewers::default();
        let first = TerminalId::generate();
        viewers.enter(&first).unwrap();
        for _ in 1..MOST {
            viewers.enter(&TerminalId::generate()).unwrap();
        }
        let full = viewers.enter(&TerminalId::generate()).unwrap_err();
        assert_eq!(full.code(), ErrorCode::LimitReached);
        viewers.enter(&first).unwrap();
    }
}
