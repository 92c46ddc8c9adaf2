//! What a client says, and what of it is kept while its VM sleeps. Pure.

use std::collections::VecDeque;

use super::frame::Frame;

/// Most messages kept for a VM that nobody has asked to wake.
const MOST: usize = 256;
/// Most bytes of them.
const MOST_BYTES: usize = 64 << 10;

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A workspace's events; all that a client says there is meant.
    Workspace,
    /// A terminal; binary messages are input, text is about the connection.
    Terminal,
}

impl Kind {
    /// Whether a client's message wakes the VM: something is to be done, not only shown.
    pub fn is_intent(self, frame: &Frame) -> bool {
        matches!(
            (self, frame),
            (Self::Workspace, Frame::Text(_)) | (Self::Terminal, Frame::Binary(_))
        )
    }
}

/// Messages kept, in order. After one that wakes the VM no more are taken, so that the client
/// is slowed down; nor beyond a size, where the last one counts as one that wakes it: somebody is
/// at work there.
#[derive(Debug, Default)]
pub struct Held {
    frames: VecDeque<(Frame, bool)>,
    bytes: usize,
    wakes: bool,
}

impl Held {
    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether the VM has to wake for what is kept.
    pub fn wakes(&self) -> bool {
        self.wakes
    }

    /// Keeps a message.
    pub fn push(&mut self, frame: Frame, intent: bool) {
        self.bytes += match &frame {
            Frame::Text(bytes) | Frame::Binary(bytes) => bytes.len(),
            _ => 0,
        };
        self.frames.push_back((frame, intent));
        self.wakes |= intent || self.frames.len() >= MOST || self.bytes >= MOST_BYTES;
    }

    /// The oldest one, and whether it is an intent; it is not kept any more.
    pub fn pop(&mut self) -> Option<(Frame, bool)> {
        let oldest = self.frames.pop_front();
        if self.frames.is_empty() {
            *self = Self::default();
        }
        oldest
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn text(size: usize) -> Frame {
        Frame::Text(Bytes::from(vec![b'x'; size]))
    }

    fn binary() -> Frame {
        Frame::Binary(Bytes::from_static(b"ls\r"))
    }

    #[test]
    fn input_wakes_and_what_is_about_the_connection_does_not() {
        for (kind, frame, intent) in [
            (Kind::Terminal, binary(), true),
            (Kind::Terminal, text(1), false),
            (Kind::Workspace, text(1), true),
            (Kind::Workspace, binary(), false),
            (Kind::Workspace, Frame::Ping, false),
            (Kind::Terminal, Frame::Alive, false),
        ] {
            assert_eq!(kind.is_intent(&frame), intent, "{kind:?} {frame:?}");
        }
    }

    #[test]
    fn messages_are_kept_in_order_and_the_first_intent_wakes() {
        let mut held = Held::default();
        held.push(text(1), false);
        held.push(text(2), false);
        assert!(!held.wakes());
        held.push(binary(), true);
        assert!(held.wakes());
        let frames: Vec<_> = std::iter::from_fn(|| held.pop()).collect();
        assert_eq!(
            frames,
            [(text(1), false), (text(2), false), (binary(), true)]
        );
        assert!(held.is_empty() && !held.wakes());
    }

    #[test]
    fn more_than_is_kept_wakes() {
        let mut held = Held::default();
        for _ in 1..MOST {
            held.push(text(1), false);
        }
        assert!(!held.wakes());
        held.push(text(1), false);
        assert!(held.wakes());
        let mut large = Held::default();
        large.push(text(MOST_BYTES), false);
        assert!(large.wakes());
    }
}
