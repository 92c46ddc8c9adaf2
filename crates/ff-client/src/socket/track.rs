//! Where one viewer of a terminal stands: offsets of output and input over any number of
//! connections. Pure.

use std::collections::VecDeque;

use bytes::Bytes;
use ff_protocol::terminal::{ClientControl, ServerControl, Size, decode_frame, encode_frame};

/// Input kept until it is acknowledged, in bytes; beyond it, input waits.
const UNACKED: usize = 256 << 10;
/// Largest piece of input in one frame, in bytes.
const PIECE: usize = 16 << 10;

/// What happens at a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminalEvent {
    /// Connected, and where.
    Attached {
        /// Identity of the PTY.
        incarnation: String,
        /// Its size.
        size: Size,
        /// Whether the output goes on where it was; else the screen starts anew.
        resumed: bool,
    },
    /// Output, in order and without repetition.
    Output(Bytes),
    /// Output that is no longer kept is missing here.
    Skipped,
    /// The size changed.
    Resized(Size),
    /// The shell ended; nothing follows.
    Exited(i32),
    /// The connection was lost; another attempt follows.
    Reconnecting(String),
    /// The VM went to sleep; the next input wakes it.
    Suspended,
}

/// A frame to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
}

/// The viewer's state.
#[derive(Debug)]
pub(crate) struct Track {
    incarnation: Option<String>,
    /// Offset of the next output byte.
    output: u64,
    /// Offset of the first byte in `unacked`.
    acked: u64,
    unacked: VecDeque<u8>,
    /// How many of `unacked` were sent on this connection.
    sent: usize,
    attached: bool,
    size: Size,
    size_sent: bool,
}

impl Track {
    pub(crate) fn new(size: Size, from: Option<(String, u64)>) -> Self {
        let (incarnation, output) = match from {
            Some((incarnation, output)) => (Some(incarnation), output),
            None => (None, 0),
        };
        Self {
            incarnation,
            output,
            acked: 0,
            unacked: VecDeque::new(),
            sent: 0,
            attached: false,
            size,
            size_sent: false,
        }
    }

    /// `INCARNATION:OFFSET` to connect with, once there was a connection.
    pub(crate) fn from(&self) -> Option<String> {
        let incarnation = self.incarnation.as_ref()?;
        Some(format!("{incarnation}:{}", self.output))
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&mut self) {
        self.attached = false;
        self.size_sent = false;
        self.sent = 0;
    }

    /// Whether more input may be pushed.
    pub(crate) fn has_room(&self) -> bool {
        self.unacked.len() < UNACKED
    }

    pub(crate) fn push_input(&mut self, bytes: &[u8]) {
        self.unacked.extend(bytes);
    }

    pub(crate) fn resize(&mut self, size: Size) {
        self.size = size;
        self.size_sent = false;
    }

    /// The next frame to send; nothing before the server has said where we stand.
    pub(crate) fn next_frame(&mut self) -> Option<Outgoing> {
        if !self.attached {
            return None;
        }
        if !self.size_sent {
            self.size_sent = true;
            let resize = ClientControl::Resize { size: self.size };
            return serde_json::to_string(&resize).ok().map(Outgoing::Text);
        }
        let end = self.unacked.len().min(self.sent + PIECE);
        if self.sent == end {
            return None;
        }
        let piece: Vec<u8> = self.unacked.range(self.sent..end).copied().collect();
        let frame = encode_frame(self.acked + self.sent as u64, &piece);
        self.sent = end;
        Some(Outgoing::Binary(frame))
    }

    /// A text frame came.
    pub(crate) fn control(&mut self, control: ServerControl) -> Vec<TerminalEvent> {
        match control {
            ServerControl::Attached {
                incarnation,
                offset,
                input_offset,
                size,
            } => self.attach(incarnation, offset, input_offset, size),
            ServerControl::Skipped { offset } => {
                self.output = offset;
                vec![TerminalEvent::Skipped]
            }
            ServerControl::Ack { offset } => {
                self.ack(offset);
                Vec::new()
            }
            ServerControl::Size { size } => vec![TerminalEvent::Resized(size)],
            ServerControl::Exited { code } => vec![TerminalEvent::Exited(code)],
        }
    }

    /// A binary frame came; `None` if it is none of ours.
    pub(crate) fn output(&mut self, frame: &Bytes) -> Option<Vec<TerminalEvent>> {
        let (offset, bytes) = decode_frame(frame)?;
        let mut events = Vec::new();
        if offset > self.output {
            events.push(TerminalEvent::Skipped);
            self.output = offset;
        }
        let known = usize::try_from(self.output - offset).unwrap_or(usize::MAX);
        if known < bytes.len() {
            self.output = offset + bytes.len() as u64;
            events.push(TerminalEvent::Output(frame.slice_ref(&bytes[known..])));
        }
        Some(events)
    }

    fn attach(
        &mut self,
        incarnation: String,
        offset: u64,
        input_offset: u64,
        size: Size,
    ) -> Vec<TerminalEvent> {
        let before = self.incarnation.replace(incarnation.clone());
        let same = before.as_ref() == Some(&incarnation);
        let resumed = same && offset <= self.output;
        if !resumed {
            self.output = offset;
        }
        if before.is_some() && !same {
            // Keys pressed for one program must not reach another.
            self.unacked.clear();
        } else if same && input_offset > self.acked {
            self.ack(input_offset);
        }
        self.acked = input_offset;
        self.sent = 0;
        self.attached = true;
        vec![TerminalEvent::Attached {
            incarnation,
            size,
            resumed,
        }]
    }

    fn ack(&mut self, offset: u64) {
        let taken = usize::try_from(offset.saturating_sub(self.acked)).unwrap_or(usize::MAX);
        let taken = taken.min(self.unacked.len());
        self.unacked.drain(..taken);
        self.sent = self.sent.saturating_sub(taken);
        self.acked += taken as u64;
    }
}

#[cfg(test)]
#[path = "track_tests.rs"]
mod tests;
