//! What the user has still to do before workspaces can run here.
//!
//! Who waits for a change looks at the stamps of the few files in which logins and identity are;
//! the tools are asked only when one of them is another. Nobody who waits, nobody who looks.

mod identity;
mod look;
mod next;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ff_protocol::ErrorCode;
use ff_protocol::onboarding::{Onboarding, Tools};
use ff_protocol::vm::LoginRequired;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::look::{Stamps, look, stamps};
use crate::core::Core;
use crate::error::{Error, Result};

/// Who may wait for changes at a time.
const WAITING: usize = 16;
/// Time between two looks at the stamps.
const TICK: Duration = Duration::from_millis(200);
/// Time between two rounds of questions to the tools.
const APART: Duration = Duration::from_millis(800);
/// The tools are asked again after so long though no file has changed: a token may be revoked.
const STALE: Duration = Duration::from_secs(60);

/// The last look, and who may take the next one.
pub(crate) struct Watch {
    turn: Semaphore,
    waiting: Semaphore,
    seen: Mutex<Option<Seen>>,
}

#[derive(Clone)]
struct Seen {
    onboarding: Onboarding,
    stamps: Stamps,
    required: Option<LoginRequired>,
    at: Instant,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            turn: Semaphore::new(1),
            waiting: Semaphore::new(WAITING),
            seen: Mutex::new(None),
        }
    }
}

impl Core {
    /// Asks `gh`, the CLI and git who is logged in, and the tools for their versions. Reads no
    /// credential.
    ///
    /// # Errors
    /// The system cannot start programs now.
    pub async fn onboarding(&self) -> Result<Onboarding> {
        let _turn = self.turn().await?;
        self.look_now(None).await
    }

    /// As [`Core::onboarding`], once its version is another than this, or else after so long.
    ///
    /// # Errors
    /// As there; `limit_reached` when 16 wait, `shutting_down`.
    pub async fn onboarding_after(&self, version: &str, wait: Duration) -> Result<Onboarding> {
        let Ok(_place) = self.watch().waiting.try_acquire() else {
            let detail = format!("{WAITING} wait for changes already");
            return Err(Error::refused(ErrorCode::LimitReached, detail));
        };
        let until = Instant::now() + wait;
        loop {
            let seen = self.look_if_changed().await?;
            if seen.version != version || Instant::now() >= until {
                return Ok(seen);
            }
            tokio::select! {
                () = tokio::time::sleep_until(until.min(Instant::now() + TICK)) => {}
                () = self.sessions().stopping() => return Err(stopping()),
            }
        }
    }

    async fn look_if_changed(&self) -> Result<Onboarding> {
        if let Some(seen) = self.still_true() {
            return Ok(seen);
        }
        let _turn = self.turn().await?;
        match self.still_true() {
            Some(seen) => Ok(seen),
            None => {
                let seen = self.seen().clone();
                let fresh = seen.filter(|seen| seen.at.elapsed() < STALE);
                self.look_now(fresh.map(|seen| seen.onboarding.tools)).await
            }
        }
    }

    /// What was seen last, if that is how it is.
    fn still_true(&self) -> Option<Onboarding> {
        let seen = self.seen().clone()?;
        let age = seen.at.elapsed();
        let same = || {
            age < STALE
                && seen.required == self.sessions().account().required()
                && seen.stamps == stamps(self)
        };
        (age < APART || same()).then_some(seen.onboarding)
    }

    async fn look_now(&self, tools: Option<Tools>) -> Result<Onboarding> {
        // Before the look: what changes meanwhile is looked at again.
        let stamps = stamps(self);
        let required = self.sessions().account().required();
        let onboarding = look(self, tools).await?;
        *self.seen() = Some(Seen {
            onboarding: onboarding.clone(),
            stamps,
            required,
            at: Instant::now(),
        });
        Ok(onboarding)
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>> {
        self.watch().turn.acquire().await.map_err(|_| stopping())
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Option<Seen>> {
        let seen = self.watch().seen.lock();
        seen.unwrap_or_else(PoisonError::into_inner)
    }
}

fn stopping() -> Error {
    Error::refused(ErrorCode::ShuttingDown, "the engine is stopping")
}
