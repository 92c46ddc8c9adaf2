//! The terminal socket: one task owns it, over any number of connections.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ff_protocol::TerminalId;
use ff_protocol::terminal::Size;
use futures_util::StreamExt;
use reqwest::header::HeaderMap;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::attached::{self, apply, lock};
use super::backoff::Backoff;
use super::track::{PIECE, TerminalEvent, Track};
use super::{End, WsStream};
use crate::engine::{EngineClient, TerminalPlace};
use crate::error::{ClientError, Result};
use crate::http::{Http, WAKE};

/// Events waiting for their reader; when it is slow the server is slowed down.
const EVENTS: usize = 64;
/// Longest wait for a connection when there was one before. It may go into the void, so the next
/// is not put off for long; a VM that has to wake does so meanwhile.
const AGAIN: Duration = Duration::from_secs(15);
/// Time between two looks whether input was taken.
const LOOK: Duration = Duration::from_millis(10);
/// Pieces of input waiting for the socket.
const COMMANDS: usize = 64;

/// How to attach to a terminal.
#[derive(Debug, Clone, Default)]
pub struct TerminalOptions {
    /// Size of the viewer's window.
    pub size: Size,
    /// Where to go on: incarnation and offset of the next output byte, from an earlier viewing,
    /// or the terminal's own incarnation and 0 for all that is kept from its beginning. Without
    /// it the screen is drawn first.
    pub from: Option<(String, u64)>,
    /// Only watch: input is refused, and the window's size does not count.
    pub read_only: bool,
    /// After a lost connection the screen is drawn anew, as something else may have been written on
    /// it meanwhile; without it, the output goes on where it was.
    pub redraw: bool,
}

/// A viewer of a terminal. It comes back after a lost connection without losing or repeating
/// a byte; dropping it detaches.
#[derive(Debug)]
pub struct TerminalSocket {
    events: mpsc::Receiver<Result<TerminalEvent>>,
    input: TerminalInput,
    _end: DropGuard,
}

/// The way in to a terminal; clones are cheap.
#[derive(Debug, Clone)]
pub struct TerminalInput {
    commands: mpsc::Sender<Command>,
    track: Arc<Mutex<Track>>,
    read_only: bool,
}

/// What a viewer does.
#[derive(Debug)]
pub(super) enum Command {
    /// Types.
    Input(Bytes),
    /// Has another window size.
    Resize(Size),
}

impl TerminalInput {
    /// Types bytes, however many. Waits while too much is not yet acknowledged.
    ///
    /// # Errors
    /// The terminal is over, or is only watched.
    pub async fn send(&self, bytes: impl Into<Bytes>) -> Result<()> {
        if self.read_only {
            return Err(ClientError::Closed {
                code: ff_protocol::close::POLICY,
                reason: "this viewer only watches".into(),
            });
        }
        let mut bytes = bytes.into();
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            self.command(Command::Input(piece)).await?;
        }
        Ok(())
    }

    /// Waits until all that was typed has been taken, or for so long.
    pub async fn settled(&self, within: Duration) {
        let all_taken = || self.commands.capacity() == COMMANDS && lock(&self.track).is_settled();
        let settling = async {
            while !all_taken() {
                tokio::time::sleep(LOOK).await;
            }
        };
        // What is not taken by then is given up by whoever leaves.
        let _ = tokio::time::timeout(within, settling).await;
    }

    /// Tells the size of the viewer's window.
    ///
    /// # Errors
    /// The terminal is over.
    pub async fn resize(&self, size: Size) -> Result<()> {
        self.command(Command::Resize(size)).await
    }

    async fn command(&self, command: Command) -> Result<()> {
        let sent = self.commands.send(command).await;
        sent.map_err(|_| ClientError::Closed {
            code: ff_protocol::close::DONE,
            reason: "the terminal is over".into(),
        })
    }
}

impl TerminalSocket {
    /// The next event; `None` after [`TerminalEvent::Exited`] or an error.
    pub async fn next(&mut self) -> Option<Result<TerminalEvent>> {
        self.events.recv().await
    }

    /// The way in, to be used beside [`Self::next`].
    pub fn input(&self) -> TerminalInput {
        self.input.clone()
    }
}

impl EngineClient {
    /// Attaches to a terminal. Returns once connected; the first event is
    /// [`TerminalEvent::Attached`]. On a cloud server this wakes the VM.
    ///
    /// # Errors
    /// The first connection fails. Later ones are tried again for some minutes.
    pub async fn attach(
        &self,
        place: &TerminalPlace,
        terminal: &TerminalId,
        options: TerminalOptions,
    ) -> Result<TerminalSocket> {
        // Any id that nobody else uses names this viewer.
        let viewer = TerminalId::generate();
        let (events, events_out) = mpsc::channel(EVENTS);
        let (commands_in, commands) = mpsc::channel(COMMANDS);
        let stop = CancellationToken::new();
        let read_only = options.read_only;
        let watching = if read_only { "&readonly=true" } else { "" };
        let mut owner = Owner {
            http: self.http.clone(),
            path: format!(
                "{}/{terminal}/socket?viewer={viewer}{watching}",
                place.path()
            ),
            track: Arc::new(Mutex::new(Track::new(
                options.size,
                options.from,
                read_only,
            ))),
            redraw: options.redraw,
            events,
            commands,
        };
        let from = lock(&owner.track).from();
        let first = owner.dial(from, WAKE).await?;
        let track = Arc::clone(&owner.track);
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = owner.run(first) => {}
                () = stopped.cancelled() => {}
            }
        });
        Ok(TerminalSocket {
            events: events_out,
            input: TerminalInput {
                commands: commands_in,
                track,
                read_only,
            },
            _end: stop.drop_guard(),
        })
    }
}

struct Owner {
    http: Http,
    path: String,
    track: Arc<Mutex<Track>>,
    redraw: bool,
    events: mpsc::Sender<Result<TerminalEvent>>,
    commands: mpsc::Receiver<Command>,
}

impl Owner {
    async fn dial_again(&self) -> Result<WsStream> {
        let from = lock(&self.track).from();
        self.dial(from.filter(|_| !self.redraw), AGAIN).await
    }

    async fn dial(&self, from: Option<String>, deadline: Duration) -> Result<WsStream> {
        let path = match from {
            Some(from) => format!("{}&from={from}", self.path),
            None => self.path.clone(),
        };
        self.http.dial(&path, HeaderMap::new(), deadline).await
    }

    async fn run(&mut self, first: WsStream) {
        let mut backoff = Backoff::default();
        let mut socket = Some(first);
        loop {
            let end = match socket.take() {
                Some(socket) => backoff.watch(self.connection(socket)).await,
                None => match self.dial_again().await {
                    Ok(fresh) => {
                        socket = Some(fresh);
                        continue;
                    }
                    Err(error) if error.is_transient() => End::Lost(error.to_string()),
                    Err(error) => End::Failed(error),
                },
            };
            lock(&self.track).disconnected();
            let event = match end {
                End::Done => return,
                End::Failed(error) => Err(error),
                End::Lost(reason) => Ok(TerminalEvent::Reconnecting(reason)),
                End::Suspended => Ok(TerminalEvent::Suspended),
            };
            let (over, asleep) = (
                event.is_err(),
                matches!(event, Ok(TerminalEvent::Suspended)),
            );
            if self.events.send(event).await.is_err() || over {
                return;
            }
            if asleep {
                if !self.awaited_input().await {
                    return;
                }
                continue;
            }
            match backoff.next() {
                Some(delay) => tokio::time::sleep(delay).await,
                None => {
                    let error = self.http.timeout(Backoff::GIVE_UP);
                    let _ = self.events.send(Err(error)).await;
                    return;
                }
            }
        }
    }

    /// Waits for something to say to a sleeping VM.
    async fn awaited_input(&mut self) -> bool {
        while let Some(command) = self.commands.recv().await {
            let typed = matches!(command, Command::Input(_));
            apply(&self.track, command);
            if typed {
                return true;
            }
        }
        false
    }

    async fn connection(&mut self, socket: WsStream) -> End {
        let (sink, stream) = socket.split();
        let moved = Notify::new();
        let reading = attached::read(stream, &self.http, &self.track, &self.events, &moved);
        let writing = attached::write(sink, &self.track, &mut self.commands, &moved);
        tokio::select! {
            end = reading => end,
            end = writing => end,
        }
    }
}
