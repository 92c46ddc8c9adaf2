//! One viewer of a terminal, at its own pace.

use std::sync::Arc;

use bytes::Bytes;
use ff_protocol::ErrorCode;
use ff_protocol::TerminalId;
use ff_protocol::terminal::Size;
use tokio::sync::{mpsc, oneshot, watch};

use super::owner::Typed;
use super::ring::Piece;
use super::screen::Screen;
use super::sizes;
use crate::error::{Error, Result};

const PIECE_BYTES: usize = 32 * 1024;

/// What a viewer sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewerEvent {
    /// Output at an offset.
    Output {
        /// Offset of the first byte.
        offset: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// Output before this offset is no longer kept.
    Skipped {
        /// Offset of the next output byte.
        offset: u64,
    },
    /// The viewer's input up to this offset was written.
    Ack {
        /// Offset after the last byte written.
        offset: u64,
    },
    /// The size changed.
    Size {
        /// Size now.
        size: Size,
    },
    /// The shell ended, and all output was seen.
    Exited {
        /// Exit code; 128 + signal when a signal ended it.
        code: i32,
    },
}

/// Where a viewer stands when it attaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// Identity of the PTY; offsets of another one mean nothing.
    pub incarnation: String,
    /// Offset of the first output byte that follows.
    pub offset: u64,
    /// Input taken so far from this viewer id.
    pub input_offset: u64,
    /// Size now.
    pub size: Size,
}

/// Output side of a viewer.
#[derive(Debug)]
pub struct ViewerOutput {
    pub(super) screen: Arc<Screen>,
    pub(super) changes: watch::Receiver<()>,
    pub(super) viewer: TerminalId,
    pub(super) offset: u64,
    pub(super) acked: u64,
    pub(super) size: Size,
}

impl ViewerOutput {
    /// The next thing to see; after [`ViewerEvent::Exited`] the same again. Dropping the future
    /// loses nothing.
    pub async fn next(&mut self) -> ViewerEvent {
        loop {
            self.changes.mark_unchanged();
            if let Some(event) = self.look() {
                return event;
            }
            if self.changes.changed().await.is_err() {
                // The screen is ours too, so its bell cannot have gone.
                std::future::pending::<()>().await;
            }
        }
    }

    fn look(&mut self) -> Option<ViewerEvent> {
        let state = self.screen.look();
        let written = state.inputs.written(&self.viewer);
        if written > self.acked {
            self.acked = written;
            return Some(ViewerEvent::Ack { offset: written });
        }
        if state.sizes.current() != self.size {
            self.size = state.sizes.current();
            return Some(ViewerEvent::Size { size: self.size });
        }
        match state.ring.read(self.offset, PIECE_BYTES) {
            Piece::Bytes(bytes) => {
                let offset = self.offset;
                self.offset += bytes.len() as u64;
                Some(ViewerEvent::Output {
                    offset,
                    bytes: bytes.into(),
                })
            }
            Piece::Gone(start) => {
                self.offset = start;
                Some(ViewerEvent::Skipped { offset: start })
            }
            Piece::Nothing => state.exited.map(|(code, _)| ViewerEvent::Exited { code }),
        }
    }
}

/// Input side of a viewer. While it exists its size counts.
#[derive(Debug)]
pub struct ViewerInput {
    pub(super) screen: Arc<Screen>,
    pub(super) typed: mpsc::Sender<Typed>,
    pub(super) viewer: TerminalId,
    pub(super) attachment: u64,
    pub(super) note: super::InputNote,
}

impl ViewerInput {
    /// Types bytes at an input offset; what was taken before is not typed again. Waits while
    /// the program does not read.
    ///
    /// # Errors
    /// `invalid` when bytes before the offset are missing, `gone` when the shell has ended.
    pub async fn send(&self, offset: u64, bytes: Vec<u8>) -> Result<()> {
        self.note.note();
        let over = || Error::refused(ErrorCode::Gone, "the terminal's shell has ended");
        let (reply, answer) = oneshot::channel();
        let typed = Typed {
            viewer: self.viewer.clone(),
            offset,
            bytes,
            reply,
        };
        self.typed.send(typed).await.map_err(|_| over())?;
        answer.await.map_err(|_| over())?
    }

    /// Sets the size of this viewer's window.
    ///
    /// # Errors
    /// `invalid` for a size without room or beyond reason.
    pub fn resize(&self, size: Size) -> Result<()> {
        let size = sizes::check(size)?;
        self.screen
            .change(|state| state.sizes.set(self.attachment, size));
        Ok(())
    }
}

impl Drop for ViewerInput {
    fn drop(&mut self) {
        self.screen
            .change(|state| state.sizes.remove(self.attachment));
    }
}
