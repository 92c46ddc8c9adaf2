//! The task that owns a terminal: reads its PTY without ever waiting for a viewer, writes what
//! viewers type, and ends it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ff_protocol::TerminalId;
use ff_protocol::terminal::Size;
use pty_process::{OwnedReadPty, OwnedWritePty, Pty};
use rustix::process::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::screen::Screen;
use super::shell;
use crate::clock;
use crate::error::Result;

const READ_BYTES: usize = 16 * 1024;
const UNWRITTEN_BYTES: usize = 64 * 1024;
const LAST_WORDS: Duration = Duration::from_millis(500);
const REAP: Duration = Duration::from_secs(5);

/// Bytes a viewer typed.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) viewer: TerminalId,
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) reply: oneshot::Sender<Result<()>>,
}

/// A terminal's PTY with all that hangs on it.
pub(super) struct Owner {
    screen: Arc<Screen>,
    reader: OwnedReadPty,
    writer: OwnedWritePty,
    child: Child,
    typed: mpsc::Receiver<Typed>,
    unwritten: VecDeque<(TerminalId, Vec<u8>)>,
    size: Size,
    close: CancellationToken,
    _slot: OwnedSemaphorePermit,
}

impl Owner {
    /// The owner of a shell just started.
    pub(super) fn new(
        screen: Arc<Screen>,
        pty: Pty,
        child: Child,
        typed: mpsc::Receiver<Typed>,
        close: CancellationToken,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        let (reader, writer) = pty.into_split();
        let size = screen.look().sizes.current();
        Self {
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
        let code = self.serve(&mut changes).await;
        let screen = Arc::clone(&self.screen);
        // Its place is free before anyone hears of the end.
        drop(self);
        screen.change(|state| state.exited = Some((code, clock::now())));
    }

    async fn serve(&mut self, changes: &mut watch::Receiver<()>) -> i32 {
        let mut buffer = vec![0; READ_BYTES];
        let mut readable = true;
        loop {
            // Before any input: what is typed after a resize finds the new size.
            self.apply_size();
            let room = self
                .unwritten
                .iter()
                .map(|(_, bytes)| bytes.len())
                .sum::<usize>()
                < UNWRITTEN_BYTES;
            tokio::select! {
                read = self.reader.read(&mut buffer), if readable => match read {
                    Ok(count @ 1..) => self.screen.change(|state| state.ring.push(&buffer[..count])),
                    // EIO: no process holds the terminal any more.
                    _ => readable = false,
                },
                typed = self.typed.recv(), if room => match typed {
                    Some(typed) => self.take(typed),
                    None => return self.end().await,
                },
                written = write_first(&mut self.writer, &self.unwritten), if !self.unwritten.is_empty() => {
                    self.wrote(written);
                }
                _ = changes.changed() => {}
                status = self.child.wait() => {
                    self.last_words(&mut buffer).await;
                    return status.map_or(-1, shell::exit_code);
                }
                () = self.close.cancelled() => return self.end().await,
            }
        }
    }

    fn take(&mut self, typed: Typed) {
        let Typed {
            viewer,
            offset,
            bytes,
            reply,
        } = typed;
        let fresh = self.screen.change(|state| {
            state
                .inputs
                .take(&viewer, offset, &bytes)
                .map(<[u8]>::to_vec)
        });
        let answer = fresh.map(|fresh| {
            if !fresh.is_empty() {
                self.unwritten.push_back((viewer, fresh));
            }
        });
        // The viewer may have gone; its input counts.
        let _ = reply.send(answer);
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
        bytes.drain(..count);
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
        if let Err(error) = self.writer.resize(shell::pty_size(wanted)) {
            tracing::warn!(%error, "a terminal's size cannot be set");
        }
    }

    /// What was written before the shell ended. Programs left behind may hold the terminal open
    /// and go on writing, so this has an end.
    async fn last_words(&mut self, buffer: &mut [u8]) {
        let deadline = Instant::now() + LAST_WORDS;
        while let Ok(Ok(count @ 1..)) =
            tokio::time::timeout_at(deadline, self.reader.read(buffer)).await
        {
            self.screen
                .change(|state| state.ring.push(&buffer[..count]));
        }
    }

    async fn end(&mut self) -> i32 {
        if let Some(leader) = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
        {
            shell::end_session(leader).await;
        }
        match tokio::time::timeout(REAP, self.child.wait()).await {
            Ok(Ok(status)) => shell::exit_code(status),
            _ => {
                tracing::error!("a terminal's shell does not end after SIGKILL");
                -1
            }
        }
    }
}

async fn write_first(
    writer: &mut OwnedWritePty,
    unwritten: &VecDeque<(TerminalId, Vec<u8>)>,
) -> io::Result<usize> {
    match unwritten.front() {
        Some((_, bytes)) => writer.write(bytes).await,
        None => std::future::pending().await,
    }
}
