//! Where VMs come from, in the server's own words: nothing above knows Docker.
//!
//! [`docker`] is the provider to be used; [`process`] is for development without an engine,
//! [`sim`] for tests and for scale.

use std::fmt;
use std::time::Duration;

use ff_protocol::limits::{Applied, Limits};
use ff_protocol::{ErrorCode, Problem, VmId};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use crate::agent::AgentToken;

pub mod docker;
pub mod process;
pub mod sim;

/// Port the agent listens on inside its VM.
pub const AGENT_PORT: u16 = 7070;

/// What to do when the provider does not answer.
pub const WHEN_UNAVAILABLE: &str =
    "see that the provider of VMs is there (with Docker: start the engine), then try again";
/// What to do when the provider refused something.
pub const WHEN_FAILED: &str = "look at the server's log and at the provider of VMs (with Docker: `docker info`), then try again";
/// What to do when a VM's agent did not come up.
pub const WHEN_AGENT_FAILED: &str =
    "look at the agent's log (with Docker: `docker logs`), then try again";

/// Most bytes of a log that a provider gives.
pub const LOG_BYTES: usize = 256 << 10;

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

    /// Makes the VM's machine on its home, without starting it; answers its id. One that is there
    /// already, and was left by an attempt that was cut off, is replaced.
    fn create<'a>(&'a self, vm: &'a VmId, spec: Spec<'a>) -> Answer<'a, String>;

    /// Makes ready that the agent of a machine that does not run gets this token at its next start.
    fn write_token<'a>(&'a self, vm: &'a VmId, token: &'a AgentToken) -> Answer<'a, ()>;

    /// Starts the VM's machine.
    fn start<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()>;

    /// Stops the VM's machine: its programs get `grace` to end by themselves.
    fn stop<'a>(&'a self, vm: &'a VmId, grace: Duration) -> Answer<'a, ()>;

    /// Removes the VM's machine; its home stays.
    fn remove<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()>;

    /// Whether [`Provider::freeze`] and [`Provider::thaw`] do something.
    fn can_freeze(&self) -> bool {
        false
    }

    /// Takes the CPU from the VM's machine: memory and connections stay.
    fn freeze<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        let _ = vm;
        Box::pin(async { Err(cannot("freeze a machine")) })
    }

    /// Gives it back; no effect on a machine that runs.
    fn thaw<'a>(&'a self, vm: &'a VmId) -> Answer<'a, ()> {
        let _ = vm;
        Box::pin(async { Err(cannot("thaw a machine")) })
    }

    /// Changes the limits of the VM's machine, and says whether they are in force already or
    /// will be when it is made anew.
    fn set_limits<'a>(&'a self, vm: &'a VmId, limits: Limits) -> Answer<'a, Applied>;

    /// Id of the image with this name, if it is there. Another build under the same name has
    /// another id.
    fn image<'a>(&'a self, name: &'a str) -> Answer<'a, Option<String>>;

    /// Keeps exactly these images (ids), whatever happens to their names, and lets go of those
    /// that were kept before.
    fn keep_images<'a>(&'a self, ids: &'a [String]) -> Answer<'a, ()> {
        let _ = ids;
        Box::pin(async { Ok(()) })
    }

    /// The last lines the VM's machine wrote, also of one that has ended, oldest first; of
    /// [`LOG_BYTES`] at most.
    fn logs<'a>(&'a self, vm: &'a VmId, lines: usize) -> Answer<'a, Vec<String>>;

    /// Tells of each VM whose machine or home changed, until the connection breaks. Nothing
    /// may depend on an event being seen, and it may name a VM that is not this server's.
    fn watch(&self) -> Answer<'_, BoxStream<'static, VmId>> {
        Box::pin(async { Ok(futures_util::stream::pending().boxed()) })
    }

    /// The homes of this server, and the networks that carry its labels.
    fn belongings(&self) -> Answer<'_, Vec<Belonging>>;

    /// How the provider names the VM's home, whether it is there or not.
    fn home_name(&self, vm: &VmId) -> String {
        format!("home of {vm}")
    }

    /// Removes a network; never a home.
    fn remove_network<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        let _ = id;
        Box::pin(async { Ok(()) })
    }

    /// What the host lacks for a server that others rely on.
    fn findings(&self) -> Answer<'_, Vec<Finding>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// The VM's machine, if there is one.
    fn inspect<'a>(&'a self, vm: &'a VmId) -> Answer<'a, Option<Machine>>;

    /// Every machine of this server.
    fn list(&self) -> Answer<'_, Vec<Machine>>;

    /// Ends the machines that must not outlive this server, which comes to its end; most may.
    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// What a machine is made from.
#[derive(Debug, Clone, Copy)]
pub struct Spec<'a> {
    /// Id or name of its image.
    pub image: &'a str,
    /// What it may use.
    pub limits: Limits,
}

/// Something that carries this server's labels and is no machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belonging {
    /// What it is.
    pub kind: BelongingKind,
    /// The provider's name of it.
    pub id: String,
    /// The VM its label names, if it does.
    pub vm_id: Option<VmId>,
}

/// Kinds of [`Belonging`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BelongingKind {
    /// A user's home.
    Home,
    /// A network.
    Network,
}

/// Something the host lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable code, such as `live_restore_off`.
    pub code: &'static str,
    /// Whether the server cannot do its work without it.
    pub fatal: bool,
    /// What is missing, what happens without it, and what to do.
    pub text: String,
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
    /// Base URL of the agent, while it has a start and an address (not in lists).
    pub address: Option<String>,
    /// Id of the image it was made from.
    pub image_id: String,
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
        /// Exit code of its first process, where it ran (not in lists).
        exit_code: Option<i64>,
        /// Whether the provider says that it ran out of memory; it may not know.
        out_of_memory: bool,
    },
}

impl Power {
    /// It has ended, and nobody knows how.
    pub const OFF: Self = Self::Off {
        exit_code: None,
        out_of_memory: false,
    };
}

/// The last lines of a log; of one that was `cut` at its begin the first is not whole.
fn last_lines(log: &[u8], cut: bool, lines: usize) -> Vec<String> {
    let log = match (cut, log.iter().position(|&byte| byte == b'\n')) {
        (true, Some(end)) => &log[end + 1..],
        _ => log,
    };
    let text = String::from_utf8_lossy(log);
    let mut last: Vec<String> = text.lines().rev().take(lines).map(str::to_owned).collect();
    last.reverse();
    last
}

fn cannot(action: &'static str) -> ComputeError {
    ComputeError::Failed {
        provider: "the provider of VMs",
        action,
        message: "it has no such thing".to_owned(),
    }
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
