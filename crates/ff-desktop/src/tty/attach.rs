//! A person, or a pipe, at a terminal that runs elsewhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ff_protocol::terminal::Exit;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::detach::{Key, Watch};
use super::input;
use super::line::{Line, LineEvent, LineInput};
use super::notice::over_the_screen;
use super::raw::{self, RawMode};
use crate::context::Context;
use crate::output::{say, write_out};
use crate::stop;

/// Ctrl-D: the end of input, as typed.
const END_OF_INPUT: &[u8] = &[0x04];
/// Silence of the terminal before it is typed, so that the program which will read it is the one
/// that set the terminal's mode. Some do not take it for the end: it is typed until the shell
/// has ended.
const QUIET: Duration = Duration::from_secs(1);
/// Silence after which a shell that was just opened shows its prompt.
const PROMPT: Duration = Duration::from_millis(300);
/// Then it is typed to, prompt or not.
const LONGEST_PROMPT: Duration = Duration::from_secs(5);
/// What was typed before the key that detaches gets this long to arrive.
const LAST_KEYS: Duration = Duration::from_secs(2);

/// When something last came or went.
#[derive(Debug, Clone)]
struct Activity(Arc<Mutex<Instant>>);

impl Activity {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits until nothing has happened for so long.
    async fn quiet(&self, long: Duration) {
        loop {
            let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            tokio::time::sleep_until(last + long).await;
            if last == *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
                return;
            }
        }
    }
}

/// How the viewing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// The shell ended so.
    Exited(Exit),
    /// The user detached; the shell goes on.
    Detached,
    /// What was waited for has come; the shell goes on.
    Over,
}

/// How a person looks at a terminal.
#[derive(Debug, Default)]
pub struct View {
    /// The key that detaches.
    pub key: Key,
    /// Nothing is typed.
    pub read_only: bool,
    /// Typed for the user as soon as the shell shows its prompt.
    pub first: Option<Vec<u8>>,
}

/// A person at the keyboard: raw mode, the size follows the window, a key detaches. Ends also when
/// `until` does.
///
/// # Errors
/// The terminal is gone for good, or we were told to stop.
pub async fn person(
    context: &Context,
    line: &mut Line,
    view: View,
    until: impl Future<Output = ()>,
) -> anyhow::Result<Left> {
    let (typing, sizing) = (line.input(), line.input());
    let activity = Activity::new();
    let raw_mode = RawMode::enter()?;
    let left = tokio::select! {
        left = show(line, &raw_mode, &activity) => left,
        left = keyboard(typing, view, &activity) => left,
        error = follow_window(sizing) => Err(error),
        () = until => Ok(Left::Over),
        () = context.stop().cancelled() => Err(stop::interrupted().into()),
    };
    drop(raw_mode);
    left
}

/// A pipe: what it holds is typed, and at its end the shell is told so until it ends.
///
/// # Errors
/// The terminal is gone for good, or we were told to stop.
pub async fn pipe(context: &Context, line: &mut Line, read_only: bool) -> anyhow::Result<Left> {
    let typing = line.input();
    let activity = Activity::new();
    let types = async {
        if read_only {
            return std::future::pending().await;
        }
        type_all(typing, &activity).await
    };
    tokio::select! {
        left = pass(line, &activity) => left,
        error = types => Err(error),
        () = context.stop().cancelled() => Err(stop::interrupted().into()),
    }
}

async fn show(line: &mut Line, screen: &RawMode, activity: &Activity) -> anyhow::Result<Left> {
    loop {
        let event = line.next().await?;
        activity.note();
        match event {
            LineEvent::Output(bytes) => screen.show(&bytes)?,
            LineEvent::Note(note) => {
                screen.show(&over_the_screen(&format!("[ff: {note}]"), raw::size()))?;
            }
            LineEvent::Exited(exit) => return Ok(Left::Exited(exit)),
        }
    }
}

async fn pass(line: &mut Line, activity: &Activity) -> anyhow::Result<Left> {
    loop {
        let event = line.next().await?;
        activity.note();
        match event {
            LineEvent::Output(bytes) => write_out(&bytes)?,
            LineEvent::Note(note) => say(format!("[ff: {note}]")),
            LineEvent::Exited(exit) => return Ok(Left::Exited(exit)),
        }
    }
}

async fn keyboard(typing: LineInput, view: View, activity: &Activity) -> anyhow::Result<Left> {
    if let Some(first) = view.first {
        // A shell that shows none within this time reads what was typed all the same.
        let _ = tokio::time::timeout(LONGEST_PROMPT, activity.quiet(PROMPT)).await;
        typing.send(first).await?;
    }
    let mut watch = Watch::new(view.key);
    while let Some(typed) = input::next().await {
        let (bytes, detached) = watch.take(&typed);
        if !bytes.is_empty() && !view.read_only {
            typing.send(bytes.to_vec()).await?;
        }
        if detached {
            typing.settled(LAST_KEYS).await;
            return Ok(Left::Detached);
        }
    }
    Ok(Left::Detached)
}

async fn type_all(typing: LineInput, activity: &Activity) -> anyhow::Error {
    while let Some(typed) = input::next().await {
        activity.note();
        if let Err(error) = typing.send(typed).await {
            return over(error).await;
        }
    }
    loop {
        activity.quiet(QUIET).await;
        if let Err(error) = typing.send(END_OF_INPUT.to_vec()).await {
            return over(error).await;
        }
        activity.note();
    }
}

/// Typing fails when the shell has ended: then the output still has to tell its exit code.
async fn over(error: anyhow::Error) -> anyhow::Error {
    const LONGEST: Duration = Duration::from_secs(10);
    tokio::time::sleep(LONGEST).await;
    error
}

async fn follow_window(sizing: LineInput) -> anyhow::Error {
    let mut changes = match signal(SignalKind::window_change()) {
        Ok(changes) => changes,
        Err(error) => return error.into(),
    };
    while changes.recv().await.is_some() {
        if let Err(error) = sizing.resize(raw::size()).await {
            return over(error).await;
        }
    }
    std::future::pending().await
}
