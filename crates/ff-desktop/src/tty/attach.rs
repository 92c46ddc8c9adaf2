//! A person, or a pipe, at a terminal that runs elsewhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use tokio::signal::unix::{SignalKind, signal};

use super::line::{Line, LineEvent, LineInput};
use super::raw::{self, RawMode};
use super::{detach, input};
use crate::context::Context;
use crate::output::{say, write_out};
use crate::stop;

/// Ctrl-D: the end of input, as typed.
const END_OF_INPUT: &[u8] = &[0x04];
/// Silence of the terminal before it is typed, so that the program which will read it is the one
/// that set the terminal's mode. Some do not take it for the end: it is typed until the shell
/// has ended.
const QUIET: Duration = Duration::from_secs(1);

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

    /// Waits until nothing has happened for a while.
    async fn quiet(&self) {
        loop {
            let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            tokio::time::sleep_until(last + QUIET).await;
            if last.elapsed() >= QUIET
                && last == *self.0.lock().unwrap_or_else(PoisonError::into_inner)
            {
                return;
            }
        }
    }
}

/// How the viewing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// The shell ended with this code.
    Exited(i32),
    /// The user detached; the shell goes on.
    Detached,
}

/// A person at the keyboard: raw mode, the size follows the window, Ctrl-] detaches.
///
/// # Errors
/// The terminal is gone for good, or we were told to stop.
pub async fn person(context: &Context, line: Line) -> anyhow::Result<Left> {
    let typing = line.input();
    let sizing = line.input();
    let activity = Activity::new();
    let raw_mode = RawMode::enter()?;
    let left = tokio::select! {
        left = show(line, &activity) => left,
        left = keyboard(typing) => left,
        error = follow_window(sizing) => Err(error),
        () = context.stop().cancelled() => Err(stop::interrupted().into()),
    };
    drop(raw_mode);
    left
}

/// A pipe: what it holds is typed, and at its end the shell is told so until it ends.
///
/// # Errors
/// The terminal is gone for good, or we were told to stop.
pub async fn pipe(context: &Context, line: Line) -> anyhow::Result<Left> {
    let typing = line.input();
    let activity = Activity::new();
    tokio::select! {
        left = show(line, &activity) => left,
        error = type_all(typing, &activity) => Err(error),
        () = context.stop().cancelled() => Err(stop::interrupted().into()),
    }
}

async fn show(mut line: Line, activity: &Activity) -> anyhow::Result<Left> {
    loop {
        let event = line.next().await?;
        activity.note();
        match event {
            LineEvent::Output(bytes) => write_out(&bytes)?,
            LineEvent::Note(note) => say(format!("\r\n[ff: {note}]\r")),
            LineEvent::Exited(code) => return Ok(Left::Exited(code)),
        }
    }
}

async fn keyboard(typing: LineInput) -> anyhow::Result<Left> {
    while let Some(typed) = input::next().await {
        let (bytes, detached) = detach::until_key(&typed);
        if !bytes.is_empty() {
            typing.send(bytes.to_vec()).await?;
        }
        if detached {
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
        activity.quiet().await;
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
