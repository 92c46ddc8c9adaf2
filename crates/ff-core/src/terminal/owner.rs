//! The task that owns a terminal: reads its PTY without ever waiting for a viewer, writes what
//! viewers type, and ends it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes};
use ff_protocol::terminal::{Exit, Size};
use ff_protocol::{ErrorCode, TerminalId};
use pty_process::{OwnedReadPty, OwnedWritePty, Pty};
use rustix::process::Pid;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::process::Child;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::screen::Screen;
use super::{shell, tree};
use crate::clock;
use crate::error::{Error, Result};

/// The kernel gives some 4 KiB at a time; what it has of them is taken together.
const READ_BYTES: usize = 64 * 1024;
const UNWRITTEN_BYTES: usize = 64 * 1024;
const LAST_WORDS: Duration = Duration::from_millis(500);
const REAP: Duration = Duration::from_secs(5);
/// Of a shell whose end could not be seen.
const LOST: Exit = Exit {
    code: -1,
    signal: None,
};

/// Bytes a viewer typed.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) viewer: TerminalId,
    pub(super) attachment: u64,
    pub(super) offset: u64,
    pub(super) bytes: Bytes,
    pub(super) reply: oneshot::Sender<Result<()>>,
}

/// A terminal's PTY with all that hangs on it.
pub(super) struct Owner {
    id: TerminalId,
    screen: Arc<Screen>,
    reader: OwnedReadPty,
    writer: OwnedWritePty,
    child: Child,
    typed: mpsc::Receiver<Typed>,
    unwritten: VecDeque<(TerminalId, Bytes)>,
    size: Size,
    close: CancellationToken,
    _slot: OwnedSemaphorePermit,
}

impl Owner {
    /// The owner of a shell just started.
    pub(super) fn new(
        id: TerminalId,
        screen: Arc<Screen>,
        (pty, child): (Pty, Child),
        typed: mpsc::Receiver<Typed>,
        close: CancellationToken,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        let (reader, writer) = pty.into_split();
        let size = screen.look().sizes.current();
        Self {
            id,
            screen,
            reader,
            writer,
            child,
            typed,
            unwritten: VecDeque::new(),
            size,
            close,
            _slot: slot,
        }
    }

    /// Serves the terminal until its shell has ended or it is closed.
    pub(super) async fn run(mut self) {
        let mut changes = self.screen.changes();
        let exit = self.serve(&mut changes).await;
        let screen = Arc::clone(&self.screen);
        // Its place is free before anyone hears of the end.
        drop(self);
        screen.change(|state| state.end(exit, clock::now()));
    }

    async fn serve(&mut self, changes: &mut watch::Receiver<()>) -> Exit {
        let mut buffer = vec![0; READ_BYTES];
        let mut readable = true;
        loop {
            // Before any input: what is typed after a resize finds the new size.
            self.apply_size();
            let tidy = self.screen.look().tidy();
            let waiting: usize = self.unwritten.iter().map(|(_, bytes)| bytes.len()).sum();
            tokio::select! {
                read = read_all(&mut self.reader, &mut buffer), if readable => match read {
                    Ok(count @ 1..) => self.screen.change(|state| state.output(&buffer[..count])),
                    // EIO: no process holds the terminal any more.
                    _ => readable = false,
                },
                typed = self.typed.recv(), if waiting < UNWRITTEN_BYTES => match typed {
                    Some(typed) => self.take(typed),
                    None => return self.end().await,
                },
                written = write_first(&mut self.writer, &self.unwritten), if waiting > 0 => {
                    self.wrote(written);
                }
                _ = changes.changed() => {}
                () = at(tidy), if tidy.is_some() => {}
                status = self.child.wait() => {
                    self.last_words(&mut buffer).await;
                    return status.map_or(LOST, shell::exit);
                }
                () = self.close.cancelled() => return self.end().await,
            }
        }
    }

    fn take(&mut self, typed: Typed) {
        let fresh = self.screen.change(|state| {
            if !state.viewers.holds(&typed.viewer, typed.attachment) {
                let detail = "this viewer has attached once more";
                return Err(Error::refused(ErrorCode::Conflict, detail));
            }
            state.inputs.take(&typed.viewer, typed.offset, typed.bytes)
        });
        let answer = fresh.map(|fresh| {
            if !fresh.is_empty() {
                self.unwritten.push_back((typed.viewer, fresh));
            }
        });
        // The viewer may have gone; its input counts.
        let _ = typed.reply.send(answer);
    }

    fn wrote(&mut self, written: io::Result<usize>) {
        let Some((viewer, bytes)) = self.unwritten.front_mut() else {
            return;
        };
        let count = match written {
            Ok(count) => count,
            Err(error) => {
                tracing::debug!(%error, "a terminal takes no input any more");
                bytes.len()
            }
        };
        self.screen
            .change(|state| state.inputs.wrote(viewer, count));
        bytes.advance(count);
        if bytes.is_empty() {
            self.unwritten.pop_front();
        }
    }

    fn apply_size(&mut self) {
        let wanted = self.screen.look().sizes.current();
        if wanted == self.size {
            return;
        }
        self.size = wanted;
        self.screen.change(|state| state.resized(wanted));
        if let Err(error) = self.writer.resize(shell::pty_size(wanted)) {
            tracing::warn!(%error, "a terminal's size cannot be set");
        }
    }

    /// What was written before the shell ended. Programs left behind may hold the terminal open
    /// and go on writing, so this has an end.
    async fn last_words(&mut self, buffer: &mut [u8]) {
        let deadline = Instant::now() + LAST_WORDS;
        while let Ok(Ok(count @ 1..)) =
            tokio::time::timeout_at(deadline, read_all(&mut self.reader, buffer)).await
        {
            self.screen.change(|state| state.output(&buffer[..count]));
        }
    }

    async fn end(&mut self) -> Exit {
        if let Some(shell) = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
        {
            tree::end(&self.id, shell).await;
        }
        match tokio::time::timeout(REAP, self.child.wait()).await {
            Ok(Ok(status)) => shell::exit(status),
            _ => {
                tracing::error!("a terminal's shell does not end after SIGKILL");
                LOST
            }
        }
    }
}

/// Reads what there is, as much as fits: at least a byte, or nothing at the end. Dropping the
/// future loses nothing.
async fn read_all(reader: &mut OwnedReadPty, buffer: &mut [u8]) -> io::Result<usize> {
    let mut buffer = ReadBuf::new(buffer);
    poll_fn(|context| {
        loop {
            let before = buffer.filled().len();
            match Pin::new(&mut *reader).poll_read(context, &mut buffer) {
                Poll::Pending if before == 0 => return Poll::Pending,
                // An error comes again at the next read.
                Poll::Ready(Err(error)) if before == 0 => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) if buffer.filled().len() > before && buffer.remaining() > 0 => {
                }
                _ => return Poll::Ready(Ok(buffer.filled().len())),
            }
        }
    })
    .await
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn write_first(
    writer: &mut OwnedWritePty,
    unwritten: &VecDeque<(TerminalId, Bytes)>,
) -> io::Result<usize> {
    match unwritten.front() {
        Some((_, bytes)) => writer.write(bytes).await,
        None => std::future::pending().await,
    }
}
