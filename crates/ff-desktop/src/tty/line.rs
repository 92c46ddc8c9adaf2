//! A terminal that runs in the cloud or in this process, in the same words.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ff_client::socket::{TerminalEvent, TerminalInput, TerminalSocket};
use ff_core::terminal::{Attach, TerminalHandle, ViewerEvent, ViewerInput, ViewerOutput};
use ff_protocol::TerminalId;
use ff_protocol::terminal::{Exit, Size};

use crate::failure::{self, Failure};

/// What comes from a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineEvent {
    /// Output, in order and without repetition.
    Output(Vec<u8>),
    /// Something to tell the user.
    Note(String),
    /// The shell ended; nothing follows.
    Exited(Exit),
}

/// A viewer of a terminal.
pub enum Line {
    /// In the cloud.
    Cloud(TerminalSocket),
    /// In this process.
    Here(ViewerOutput, Arc<LocalInput>),
}

/// The way in to a terminal.
#[derive(Clone)]
pub enum LineInput {
    /// In the cloud.
    Cloud(TerminalInput),
    /// In this process.
    Here(Arc<LocalInput>),
}

/// The way in to a terminal of this process, with what was typed so far.
pub struct LocalInput {
    viewer: ViewerInput,
    typed: AtomicU64,
}

impl Line {
    /// A viewer of a terminal of this process, which has this size.
    ///
    /// # Errors
    /// The size is beyond reason.
    pub fn here(terminal: &TerminalHandle, size: Size) -> anyhow::Result<Self> {
        let (attached, output, viewer) =
            terminal.attach(TerminalId::generate(), Attach::default())?;
        viewer.resize(size)?;
        let typed = AtomicU64::new(attached.input_offset);
        Ok(Self::Here(output, Arc::new(LocalInput { viewer, typed })))
    }

    /// What comes next.
    ///
    /// # Errors
    /// The terminal is gone for good.
    pub async fn next(&mut self) -> anyhow::Result<LineEvent> {
        match self {
            Self::Cloud(socket) => loop {
                let event = socket.next().await.ok_or_else(gone)??;
                if let Some(event) = of_socket(event) {
                    return Ok(event);
                }
            },
            Self::Here(output, _) => loop {
                if let Some(event) = of_viewer(output.next().await) {
                    return Ok(event);
                }
            },
        }
    }

    /// The way in.
    pub fn input(&self) -> LineInput {
        match self {
            Self::Cloud(socket) => LineInput::Cloud(socket.input()),
            Self::Here(_, input) => LineInput::Here(Arc::clone(input)),
        }
    }
}

impl LineInput {
    /// Types bytes; one typist at a time.
    ///
    /// # Errors
    /// The terminal is over.
    pub async fn send(&self, bytes: Vec<u8>) -> anyhow::Result<()> {
        match self {
            Self::Cloud(input) => Ok(input.send(bytes).await?),
            Self::Here(input) => {
                let offset = input.typed.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Ok(input.viewer.send(offset, bytes).await?)
            }
        }
    }

    /// Waits until all that was typed has been taken, or for so long.
    pub async fn settled(&self, within: Duration) {
        if let Self::Cloud(input) = self {
            input.settled(within).await;
        }
    }

    /// Tells the size of the viewer's window.
    ///
    /// # Errors
    /// The terminal is over.
    pub async fn resize(&self, size: Size) -> anyhow::Result<()> {
        match self {
            Self::Cloud(input) => Ok(input.resize(size).await?),
            Self::Here(input) => Ok(input.viewer.resize(size)?),
        }
    }
}

fn of_socket(event: TerminalEvent) -> Option<LineEvent> {
    match event {
        TerminalEvent::Output(bytes) | TerminalEvent::Redraw(bytes) => {
            Some(LineEvent::Output(bytes.to_vec()))
        }
        TerminalEvent::Exited(exit) => Some(LineEvent::Exited(exit)),
        TerminalEvent::Reconnecting(why) => Some(LineEvent::Note(format!(
            "connection lost, trying again: {why}"
        ))),
        TerminalEvent::Suspended => Some(LineEvent::Note(
            "the VM went to sleep, and its programs ended; leave and open the terminal again to wake it".into(),
        )),
        TerminalEvent::Attached { .. } | TerminalEvent::Live { .. } | TerminalEvent::Resized(_) => None,
    }
}

fn of_viewer(event: ViewerEvent) -> Option<LineEvent> {
    match event {
        ViewerEvent::Output { bytes, .. } | ViewerEvent::Drawn { bytes } => {
            Some(LineEvent::Output(bytes.to_vec()))
        }
        ViewerEvent::Exited(exit) => Some(LineEvent::Exited(exit)),
        ViewerEvent::Redraw
        | ViewerEvent::Live { .. }
        | ViewerEvent::Ack { .. }
        | ViewerEvent::Size { .. }
        // Nobody else attaches under an id that was made up here.
        | ViewerEvent::Replaced => None,
    }
}

fn gone() -> Failure {
    Failure::new(failure::Exit::Failed, "the terminal is gone").next("ff terminal --vm")
}
