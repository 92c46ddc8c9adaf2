//! One viewer of a terminal, at its own pace.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ff_protocol::terminal::{Exit, Size};
use ff_protocol::{ErrorCode, TerminalId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::owner::Typed;
use super::picture::Picture;
use super::ring::Piece;
use super::screen::{Screen, State};
use super::sizes;
use crate::error::{Error, Result};

const PIECE_BYTES: usize = 64 * 1024;
const KNOWN: Duration = Duration::from_secs(5);

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
    /// The viewer is to begin anew: what is drawn until [`ViewerEvent::Live`] shows the whole
    /// screen.
    Redraw,
    /// A piece of a redraw.
    Drawn {
        /// The bytes, which are no part of the output.
        bytes: Bytes,
    },
    /// The redraw is over; the output goes on.
    Live {
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
    Exited(Exit),
    /// The same viewer has attached once more; this attachment is over.
    Replaced,
}

/// How a viewer attaches.
#[derive(Debug, Clone, Default)]
pub struct Attach {
    /// The incarnation it knows, and the offset of the next output byte it wants.
    pub from: Option<(String, u64)>,
    /// It only watches: it may not type, and its size does not count.
    pub read_only: bool,
}

/// Where a viewer stands when it attaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// Identity of the PTY; offsets of another one mean nothing.
    pub incarnation: String,
    /// Offset of the first output byte that follows; `None` when a redraw does.
    pub offset: Option<u64>,
    /// Input taken so far from this viewer id.
    pub input_offset: u64,
    /// Size now.
    pub size: Size,
}

/// What a viewer gets next.
#[derive(Debug)]
pub(super) enum Place {
    /// Output from this offset on.
    Live(u64),
    /// A picture, as soon as there may be one.
    Behind,
    /// The rest of a picture.
    Drawing(Picture),
}

/// Output side of a viewer.
#[derive(Debug)]
pub struct ViewerOutput {
    pub(super) screen: Arc<Screen>,
    pub(super) changes: watch::Receiver<()>,
    pub(super) viewer: TerminalId,
    pub(super) attachment: u64,
    pub(super) place: Place,
    pub(super) acked: u64,
    pub(super) size: Size,
    /// Is taken apart into the pieces that are seen, and used again once they are gone.
    pub(super) buffer: BytesMut,
}

/// What a look finds.
enum Found {
    Event(ViewerEvent),
    /// Nothing before this moment.
    Later(Instant),
    Nothing,
}

impl ViewerOutput {
    /// The next thing to see; after [`ViewerEvent::Exited`] the same again. Dropping the future
    /// loses nothing.
    pub async fn next(&mut self) -> ViewerEvent {
        loop {
            self.changes.mark_unchanged();
            match self.look() {
                Found::Event(event) => return event,
                Found::Later(moment) => tokio::time::sleep_until(moment).await,
                Found::Nothing => {
                    if self.changes.changed().await.is_err() {
                        // The screen is ours too, so its bell cannot have gone.
                        std::future::pending::<()>().await;
                    }
                }
            }
        }
    }

    fn look(&mut self) -> Found {
        let screen = Arc::clone(&self.screen);
        let mut state = screen.look();
        if !state.viewers.holds(&self.viewer, self.attachment) {
            return Found::Event(ViewerEvent::Replaced);
        }
        let written = state.inputs.written(&self.viewer);
        if written > self.acked {
            self.acked = written;
            return Found::Event(ViewerEvent::Ack { offset: written });
        }
        if state.sizes.current() != self.size {
            self.size = state.sizes.current();
            return Found::Event(ViewerEvent::Size { size: self.size });
        }
        self.see(&mut state)
    }

    fn see(&mut self, state: &mut State) -> Found {
        if let Place::Live(offset) = self.place {
            match state.ring.read(offset, PIECE_BYTES) {
                Piece::Bytes(first, second) => {
                    self.buffer.extend_from_slice(first);
                    self.buffer.extend_from_slice(second);
                    let bytes = self.buffer.split().freeze();
                    self.place = Place::Live(offset + bytes.len() as u64);
                    return Found::Event(ViewerEvent::Output { offset, bytes });
                }
                Piece::Nothing => {
                    return match state.exited {
                        Some((exit, _)) => Found::Event(ViewerEvent::Exited(exit)),
                        None => Found::Nothing,
                    };
                }
                Piece::Gone => self.place = Place::Behind,
            }
        }
        match &mut self.place {
            Place::Drawing(picture) if picture.bytes.is_empty() => {
                let offset = picture.offset;
                self.place = Place::Live(offset);
                Found::Event(ViewerEvent::Live { offset })
            }
            Place::Drawing(picture) => {
                let most = picture.bytes.len().min(PIECE_BYTES);
                let bytes = picture.bytes.split_to(most);
                Found::Event(ViewerEvent::Drawn { bytes })
            }
            _ => match state.picture() {
                Ok(picture) => {
                    // The owner lets go of it later.
                    self.screen.ring();
                    self.place = Place::Drawing(picture);
                    Found::Event(ViewerEvent::Redraw)
                }
                Err(moment) => Found::Later(moment),
            },
        }
    }
}

/// Input side of a viewer. While it exists the viewer is attached, and its size counts.
#[derive(Debug)]
pub struct ViewerInput {
    pub(super) screen: Arc<Screen>,
    pub(super) typed: mpsc::Sender<Typed>,
    pub(super) viewer: TerminalId,
    pub(super) attachment: u64,
    pub(super) read_only: bool,
    pub(super) note: super::InputNote,
}

impl ViewerInput {
    /// Types bytes at an input offset; what was taken before is not typed again. Waits while
    /// the program does not read.
    ///
    /// # Errors
    /// `invalid` when bytes before the offset are missing, `gone` when the shell has ended,
    /// `conflict` for a viewer that only watches or has attached once more.
    pub async fn send(&self, offset: u64, bytes: impl Into<Bytes>) -> Result<()> {
        if self.read_only {
            let detail = "this viewer only watches";
            return Err(Error::refused(ErrorCode::Conflict, detail));
        }
        self.note.note();
        let (reply, answer) = oneshot::channel();
        let typed = Typed {
            viewer: self.viewer.clone(),
            attachment: self.attachment,
            offset,
            bytes: bytes.into(),
            reply,
        };
        if self.typed.send(typed).await.is_err() {
            return Err(self.over().await);
        }
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(self.over().await),
        }
    }

    /// The owner is gone; how the shell ended is known a moment later.
    async fn over(&self) -> Error {
        let mut changes = self.screen.changes();
        let known = changes.wait_for(|()| self.screen.look().exited.is_some());
        let detail = match tokio::time::timeout(KNOWN, known).await {
            Ok(_) => self.screen.look().exited.map(|(exit, _)| exit),
            Err(_) => None,
        };
        let detail = detail.map_or_else(
            || "the terminal's shell has ended".to_owned(),
            |exit| format!("the terminal's shell has ended with {exit}"),
        );
        Error::refused(ErrorCode::Gone, detail)
    }

    /// Sets the size of this viewer's window; that of a viewer that only watches does not count.
    ///
    /// # Errors
    /// `invalid` for a size without room or beyond reason.
    pub fn resize(&self, size: Size) -> Result<()> {
        let size = sizes::check(size)?;
        if !self.read_only {
            self.screen.change(|state| {
                if state.viewers.holds(&self.viewer, self.attachment) {
                    state.sizes.set(self.attachment, size);
                }
            });
        }
        Ok(())
    }
}

impl Drop for ViewerInput {
    fn drop(&mut self) {
        self.screen.change(|state| {
            state.viewers.leave(&self.viewer, self.attachment);
            state.sizes.remove(self.attachment);
        });
    }
}
