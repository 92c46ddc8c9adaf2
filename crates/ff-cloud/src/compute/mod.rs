//! Where VMs come from, in the server's own words: nothing above knows Docker.
//!
//! [`docker`] is the provider to be used; [`process`] is for development without an engine,
//! [`sim`] for tests and for scale.

use std::fmt;
use std::time::Duration;

use ff_protocol::{ErrorCode, Problem, VmId};
use futures_util::future::BoxFuture;

use crate::agent::AgentToken;

pub mod docker;
pub mod process;
pub mod sim;

/// Port the agent listens on inside its VM.
pub const AGENT_PORT: u16 = 7070;

/// Where the agent finds its token, once, at its start.
pub const TOKEN_FILE: &str = "/var/lib/ff-agent/token";

/// What to do when the provider does not answer.
pub const WHEN_UNAVAILABLE: &str =
    "see that the provider of VMs is there (with Docker: start the engine), then try again";
/// What to do when the provider refused something.
pub const WHEN_FAILED: &str = "look at the server's log and at the provider of VMs (with Docker: `docker info`), then try again";
/// What to do when a VM's agent did not come up.
pub const WHEN_AGENT_FAILED: &str =
    "look at the agent's log (with Docker: `docker logs`), then try again";

/// Answer of a provider.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, ComputeError>>;

/// A provider of machines. Each call is idempotent, has its own deadline, and can be repeated
/// after any failure.
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// Whether the provider answers at all.
    fn ping(&self) -> Answer<'_, ()>;

    /// Makes the VM's home unless it is there; says whether it was made now.
    fn ensure_home<'a>(&'a self, vm: &'a VmId) -> Answer<'a, bool>;

    /// Whether the VM's home is there.
    fn home_exists<'a>(&'a self, vm: &'a VmId) -> Answer<'a, bool>;

    /// Removes the VM's home for good.
    fn remove_home<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()>;

    /// Makes the VM's machine on its home, without starting it; answers its id.
    fn create<'a>(&'a self, vm: &'a VmId, image: &'a str) -> Answer<'a, String>;

    /// Lays the agent's token into a machine that does not run.
    fn write_token<'a>(&'a self, vm: &'a VmId, token: &'a AgentToken) -> Answer<'a, ()>;

    /// Starts the VM's machine.
    fn start<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()>;

    /// Stops the VM's machine: its programs get `grace` to end by themselves.
    fn stop<'a>(&'a self, vm: &'a VmId, grace: Duration) -> Answer<'a, ()>;

    /// Removes the VM's machine; its home stays.
    fn remove<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()>;

    /// The VM's machine, if there is one.
    fn inspect<'a>(&'a self, vm: &'a VmId) -> Answer<'a, Option<Machine>>;

    /// Every machine of this server.
    fn list(&self) -> Answer<'_, Vec<Machine>>;

    /// Ends the machines that must not outlive this server, which comes to its end; most may.
    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// A machine as its provider knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The VM it belongs to, as its label says.
    pub vm_id: VmId,
    /// The provider's id of it.
    pub id: String,
    /// What it does.
    pub power: Power,
    /// Identity of its current start: another start has another one.
    pub start: String,
    /// Base URL of the agent, while it runs and where it has an address (not in lists).
    pub address: Option<String>,
}

/// What a machine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It runs.
    On,
    /// It has memory but gets no CPU.
    Frozen,
    /// It has ended, or was never started.
    Off {
        /// Exit code of its first process, where it ran.
        exit_code: Option<i64>,
    },
}

/// What can go wrong with a provider.
#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    /// It does not answer; the text names it and says why.
    #[error("{0}")]
    Unavailable(String),
    /// The image of the VMs is not there.
    #[error("the image `{0}` is not there")]
    ImageMissing(String),
    /// The machine is not there.
    #[error("the machine of VM {0} is not there")]
    MachineMissing(VmId),
    /// It answered with an error.
    #[error("{provider} failed to {action}: {message}")]
    Failed {
        /// Who was asked.
        provider: &'static str,
        /// What it was asked to do, as a verb.
        action: &'static str,
        /// What it said.
        message: String,
    },
    /// A setting of the operator cannot be used.
    #[error("{0}")]
    Setting(String),
}

impl ComputeError {
    /// What the caller is told.
    pub fn problem(&self) -> Problem {
        let problem = Problem::new(ErrorCode::ComputeUnavailable, self.to_string());
        match self {
            Self::Unavailable(_) => problem.with_hint(WHEN_UNAVAILABLE),
            Self::ImageMissing(_) => problem.with_hint("build it with `make image`"),
            Self::MachineMissing(_) | Self::Failed { .. } => problem.with_hint(WHEN_FAILED),
            Self::Setting(_) => problem.with_hint("correct the server's settings"),
        }
    }
}
