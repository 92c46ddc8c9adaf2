//! The one place that runs `gh`: what GitHub knows of users, pull requests and issues.
//!
//! At most [`AT_ONCE`] processes run at a time, identical reads share one, and after GitHub's "too
//! many requests" nobody asks for a minute. `gh` keeps the login; no token passes through here.
//! What comes from GitHub is data that anybody may have written.

mod backoff;
mod failure;
mod flights;
mod issues;
mod names;
mod pulls;
mod reviews;
mod run;
mod user;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use self::backoff::Backoff;
pub use self::failure::Cause;
use self::failure::{classify, told};
use self::flights::{Answer, Flights};
pub use self::issues::Issue;
pub use self::names::{Numbered, RepoName, issue_ref, pull_request_ref, pull_request_url};
pub(crate) use self::pulls::address;
pub use self::pulls::{Author, PullDetails, PullSummary};
pub use self::reviews::ReviewThread;
use self::run::Runner;
pub use self::user::Account;
use self::user::UserCache;
pub(crate) use self::user::files;
use crate::activity::Awake;
use crate::clock;
use crate::config::{CoreConfig, Side};
use crate::error::{Error, Result};

/// Most processes of `gh` at a time.
const AT_ONCE: usize = 5;
/// A read that has to wait longer for its turn is given up.
const QUEUE: Duration = Duration::from_secs(60);

/// How long things take at most. The defaults are those of the original application.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// A read.
    pub(crate) read: Duration,
    /// A read of the user.
    pub(crate) user: Duration,
    /// How long the user's login name is remembered.
    pub(crate) user_kept: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            read: Duration::from_secs(30),
            user: Duration::from_secs(10),
            user_kept: Duration::from_secs(300),
        }
    }
}

/// GitHub, asked with the login that `gh` has. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GitHub {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    runner: Runner,
    awake: Awake,
    side: Side,
    limits: Limits,
    turns: Semaphore,
    flights: Flights,
    backoff: Backoff,
    user: UserCache,
}

impl GitHub {
    /// GitHub as the user of this core sees it.
    pub(crate) fn new(config: &CoreConfig, awake: Awake) -> Self {
        Self::with_limits(config, awake, Limits::default())
    }

    pub(crate) fn with_limits(config: &CoreConfig, awake: Awake, limits: Limits) -> Self {
        Self {
            inner: Arc::new(Inner {
                runner: Runner::new(&config.gh, &config.home, awake.clone()),
                awake,
                side: config.side,
                turns: Semaphore::new(AT_ONCE),
                flights: Flights::default(),
                backoff: Backoff::new(config.github_pause),
                user: UserCache::default(),
                limits,
            }),
        }
    }

    /// Numbers of the processes of `gh` that run; each leads a process group.
    pub fn processes(&self) -> Vec<u32> {
        self.inner.runner.pids()
    }

    /// When GitHub is asked again, while it takes no more requests.
    pub fn paused_until(&self) -> Option<ff_protocol::Timestamp> {
        self.inner.backoff.paused()
    }

    /// Reads what `gh` prints as JSON.
    async fn json<T: DeserializeOwned>(&self, what: &str, args: Vec<String>) -> Result<Read<T>> {
        let answer = self.read(args, self.inner.limits.read).await;
        let answer = answer.map_err(|cause| self.told(cause, what))?;
        let value = serde_json::from_slice(&answer.stdout).map_err(|error| {
            tracing::warn!(%error, what, "gh printed something else than was expected");
            let other = Cause::Other("it printed something else than was expected".to_owned());
            self.told(other, what)
        })?;
        Ok(Read {
            value,
            asked_at: answer.asked_at,
        })
    }

    /// One read, shared with whoever asks the same at the same time.
    async fn read(&self, args: Vec<String>, limit: Duration) -> Result<Arc<Answer>, Cause> {
        let inner = self.inner.clone();
        let flight = self.inner.flights.join(&args, || {
            let args = args.clone();
            async move { inner.asked(&args, limit).await.map(Arc::new) }.boxed()
        });
        flight.await
    }

    fn told(&self, cause: Cause, what: &str) -> Error {
        told(cause, what, self.inner.side)
    }
}

/// What was read, and when it was asked for.
#[derive(Debug, Clone)]
pub struct Read<T> {
    /// What GitHub says.
    pub value: T,
    /// When it was asked: what it says may be as old as this.
    pub asked_at: ff_protocol::Timestamp,
}

impl Inner {
    async fn asked(&self, args: &[String], limit: Duration) -> Result<Answer, Cause> {
        self.not_paused()?;
        let turn = self.awake.timeout(QUEUE, self.turns.acquire()).await;
        // It is never closed; both mean that there is no turn to be had.
        let Some(Ok(_turn)) = turn else {
            return Err(Cause::TooLate(QUEUE));
        };
        // Whoever had the turn before may have been told to wait.
        self.not_paused()?;
        let asked_at = clock::now();
        let ran = self.runner.run(args, limit).await?;
        if ran.code == Some(0) {
            return Ok(Answer {
                stdout: ran.stdout,
                asked_at,
            });
        }
        match classify(ran.code, &ran.stderr, asked_at) {
            Cause::RateLimited(_) => {
                let until = self.backoff.pause();
                tracing::warn!(%until, "GitHub takes no more requests until then");
                Err(Cause::RateLimited(until))
            }
            other => Err(other),
        }
    }

    fn not_paused(&self) -> Result<(), Cause> {
        match self.backoff.paused() {
            Some(until) => Err(Cause::RateLimited(until)),
            None => Ok(()),
        }
    }
}

/// Arguments of a run.
fn args<const N: usize>(args: [&str; N]) -> Vec<String> {
    args.map(str::to_owned).to_vec()
}

#[cfg(test)]
pub(crate) mod tests;
