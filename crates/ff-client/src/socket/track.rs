//! Where one viewer of a terminal stands: offsets of output and input over any number of
//! connections. Pure.

use std::collections::VecDeque;

use bytes::Bytes;
use ff_protocol::terminal::{
    ClientControl, Exit, HEADER_LEN, ServerControl, Size, decode_frame, encode_frame,
};

/// Input kept until it is acknowledged, in bytes; beyond it, input waits.
const UNACKED: usize = 256 << 10;
/// Largest piece of input in one frame, in bytes.
pub(crate) const PIECE: usize = 16 << 10;

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
    /// A piece of what draws the whole screen anew; no part of the output, some of which may be
    /// missing before it. Whatever the screen was in the middle of, the first piece ends it.
    Redraw(Bytes),
    /// The screen is drawn; output follows.
    Live {
        /// Offset of the next output byte.
        offset: u64,
    },
    /// The size changed.
    Resized(Size),
    /// The shell ended; nothing follows.
    Exited(Exit),
    /// The connection was lost; another attempt follows.
    Reconnecting(String),
    /// The VM went to sleep; the next input wakes it.
    Suspended,
}

/// The server sent what cannot come there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Disorder(pub(crate) &'static str);

/// A frame to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
}

/// What the server is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It has not said where we stand.
    Unattached,
    /// It sends output, if we have a place in it, or is about to draw the screen.
    Live,
    /// It draws the screen.
    Drawing,
}

/// The viewer's state.
#[derive(Debug)]
pub(crate) struct Track {
    incarnation: Option<String>,
    /// Offset of the next output byte; none while the screen is not what the output makes it.
    output: Option<u64>,
    /// Offset of the first byte in `unacked`.
    acked: u64,
    unacked: VecDeque<u8>,
    /// How many of `unacked` were sent on this connection.
    sent: usize,
    phase: Phase,
    size: Size,
    size_sent: bool,
    read_only: bool,
}

impl Track {
    pub(crate) fn new(size: Size, from: Option<(String, u64)>, read_only: bool) -> Self {
        let (incarnation, output) = from.unzip();
        Self {
            incarnation,
            output,
            acked: 0,
            unacked: VecDeque::new(),
            sent: 0,
            phase: Phase::Unattached,
            size,
            size_sent: false,
            read_only,
        }
    }

    /// `INCARNATION:OFFSET` to connect with, where the output has been seen up to somewhere.
    pub(crate) fn from(&self) -> Option<String> {
        let (incarnation, output) = (self.incarnation.as_ref()?, self.output?);
        Some(format!("{incarnation}:{output}"))
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&mut self) {
        self.phase = Phase::Unattached;
        self.size_sent = false;
        self.sent = 0;
    }

    /// Whether more input may be pushed.
    pub(crate) fn has_room(&self) -> bool {
        self.unacked.len() < UNACKED
    }

    /// Whether all input so far has been taken.
    pub(crate) fn is_settled(&self) -> bool {
        self.unacked.is_empty()
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
        if self.phase == Phase::Unattached {
            return None;
        }
        if !self.size_sent && !self.read_only {
            self.size_sent = true;
            let resize = ClientControl::Resize { size: self.size };
            return serde_json::to_string(&resize).ok().map(Outgoing::Text);
        }
        let end = self.unacked.len().min(self.sent + PIECE);
        if self.sent == end {
            return None;
        }
        let piece: Vec<u8> = self.unacked.range(self.sent..end).copied().collect();
        let frame = encode_frame(self.acked.wrapping_add(self.sent as u64), &piece);
        self.sent = end;
        Some(Outgoing::Binary(frame))
    }

    /// A text frame came.
    pub(crate) fn control(
        &mut self,
        control: ServerControl,
    ) -> Result<Option<TerminalEvent>, Disorder> {
        if let ServerControl::Attached {
            incarnation,
            offset,
            input_offset,
            size,
        } = control
        {
            return match self.phase {
                Phase::Unattached => Ok(Some(self.attach(incarnation, offset, input_offset, size))),
                _ => Err(Disorder("it attached twice")),
            };
        }
        if self.phase == Phase::Unattached {
            return Err(Disorder("it did not attach first"));
        }
        match (control, self.phase) {
            // The output before a redraw may end in the middle, so there is no way back to it.
            (ServerControl::Redraw, Phase::Live) => {
                self.output = None;
                self.phase = Phase::Drawing;
                Ok(None)
            }
            (ServerControl::Live { offset }, Phase::Drawing) => {
                self.output = Some(offset);
                self.phase = Phase::Live;
                Ok(Some(TerminalEvent::Live { offset }))
            }
            (ServerControl::Ack { offset }, _) => self.ack(offset).map(|()| None),
            (ServerControl::Size { size }, _) => Ok(Some(TerminalEvent::Resized(size))),
            (ServerControl::Exited(exit), Phase::Live) if self.output.is_some() => {
                Ok(Some(TerminalEvent::Exited(exit)))
            }
            _ => Err(Disorder("a control frame is out of order")),
        }
    }

    /// A binary frame came.
    pub(crate) fn output(&mut self, frame: &Bytes) -> Result<Option<TerminalEvent>, Disorder> {
        let (offset, bytes) = decode_frame(frame).ok_or(Disorder("a frame has no offset"))?;
        match (self.phase, self.output) {
            (Phase::Unattached, _) => Err(Disorder("it did not attach first")),
            (Phase::Drawing, _) => Ok(Some(TerminalEvent::Redraw(frame.slice(HEADER_LEN..)))),
            (Phase::Live, Some(next)) => {
                let end = offset
                    .checked_add(bytes.len() as u64)
                    .filter(|_| offset <= next)
                    .ok_or(Disorder("output is missing"))?;
                if end <= next {
                    return Ok(None);
                }
                let known = usize::try_from(next - offset).unwrap_or(usize::MAX);
                self.output = Some(end);
                Ok(Some(TerminalEvent::Output(
                    frame.slice(HEADER_LEN + known..),
                )))
            }
            (Phase::Live, None) => Err(Disorder("output without a place")),
        }
    }

    fn attach(
        &mut self,
        incarnation: String,
        offset: Option<u64>,
        input_offset: u64,
        size: Size,
    ) -> TerminalEvent {
        let before = self.incarnation.replace(incarnation.clone());
        let same = before.as_ref() == Some(&incarnation);
        let resumed = same && offset.is_some_and(|offset| self.output >= Some(offset));
        if !resumed {
            self.output = offset;
        }
        self.phase = Phase::Live;
        if before.is_some() && !same {
            // Keys pressed for one program must not reach another.
            self.unacked.clear();
        } else if same {
            let taken = input_offset.saturating_sub(self.acked);
            let taken = usize::try_from(taken).unwrap_or(usize::MAX);
            self.unacked.drain(..taken.min(self.unacked.len()));
        }
        self.acked = input_offset;
        self.sent = 0;
        TerminalEvent::Attached {
            incarnation,
            size,
            resumed,
        }
    }

    fn ack(&mut self, offset: u64) -> Result<(), Disorder> {
        // One that was on its way when we attached may be older.
        let taken = usize::try_from(offset.saturating_sub(self.acked)).unwrap_or(usize::MAX);
        if taken > self.sent {
            return Err(Disorder("it took what was not sent"));
        }
        self.unacked.drain(..taken);
        self.sent -= taken;
        self.acked += taken as u64;
        Ok(())
    }
}

#[cfg(test)]
#[path = "track_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "track_fuzz.rs"]
mod fuzz;
