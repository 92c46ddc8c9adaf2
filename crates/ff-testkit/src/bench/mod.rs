//! The benchmark: the real server on the real engine, each number beside a reference taken in the
//! same run. `docs/PERFORMANCE.md` says how each is taken.
//!
//! Pairs alternate who goes first. What is prepared and removed is outside the clock. Nothing here
//! looks into the server: it is measured as its users meet it.

mod bare_cli;
mod burst;
mod cat;
mod claim;
mod clock;
mod cold;
mod crowd;
mod crowd_output;
mod docker;
mod echo;
mod facts;
mod first_token;
pub(crate) mod http;
mod idle_session;
mod idle_sockets;
mod journal;
mod memory;
mod moves;
mod nginx;
mod pool;
mod raw_socket;
mod reconcile;
mod relay;
pub mod report;
mod resume;
mod screen;
pub mod server;
mod session;
mod settings;
mod shells;
pub mod stats;
pub(crate) mod user;
mod viewers;
mod workspaces;

use anyhow::Result;
use clap::ValueEnum;

use crate::journey::process::Run;
use clock::timed;
use docker::{Docker, Home, References};
use facts::Facts;
use report::{Failed, Report, Row};
pub use settings::Settings;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Measurement {
    /// A VM claimed from the pool.
    Claim,
    /// Twenty first users at once.
    Burst,
    /// A VM made without a pool.
    Cold,
    /// Waking a frozen VM.
    Frozen,
    /// Waking a stopped VM.
    Stopped,
    /// Reconciling ten thousand rows.
    Reconcile,
    /// The server's memory with a thousand VMs.
    Memory,
    /// The first piece of the model's answer.
    FirstToken,
    /// Redraws of a terminal's screen.
    Screen,
    /// The agent's memory per session at rest.
    IdleSession,
    /// Entries of a workspace's journal.
    Journal,
    /// Lists of a thousand workspaces.
    Workspaces,
    /// A gigabyte of output, beside tmux.
    Cat,
    /// Two hundred terminals with output.
    Terminals,
    /// Viewers that do not read beside those that do.
    Viewers,
    /// Bytes through the relay.
    Relay,
    /// A keystroke's echo.
    Echo,
    /// The server's memory per relayed socket at rest.
    IdleSockets,
    /// A large workspace sent and pulled.
    LargeMove,
    /// A small workspace sent.
    SmallSend,
    /// Memory in a hand-off of two gigabytes.
    MoveMemory,
}

impl Measurement {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Burst => "burst",
            Self::Cold => "cold",
            Self::Frozen => "frozen",
            Self::Stopped => "stopped",
            Self::Reconcile => "reconcile",
            Self::Memory => "memory",
            Self::FirstToken => "first-token",
            Self::Screen => "screen",
            Self::IdleSession => "idle-session",
            Self::Journal => "journal",
            Self::Workspaces => "workspaces",
            Self::Cat => "cat",
            Self::Terminals => "terminals",
            Self::Viewers => "viewers",
            Self::Relay => "relay",
            Self::Echo => "echo",
            Self::IdleSockets => "idle-sockets",
            Self::LargeMove => "large-move",
            Self::SmallSend => "small-send",
            Self::MoveMemory => "move-memory",
        }
    }

    async fn take(self, bench: &Bench) -> Result<Vec<Row>> {
        match self {
            Self::Claim => claim::run(bench).await,
            Self::Burst => burst::run(bench).await,
            Self::Cold => cold::run(bench).await,
            Self::Frozen => resume::frozen(bench).await,
            Self::Stopped => resume::stopped(bench).await,
            Self::Reconcile => reconcile::run(bench).await,
            Self::Memory => memory::run(bench).await,
            Self::FirstToken => first_token::run(bench).await,
            Self::Screen => screen::run(bench).await,
            Self::IdleSession => idle_session::run(bench).await,
            Self::Journal => journal::run(bench).await,
            Self::Workspaces => workspaces::run(bench).await,
            Self::Cat => cat::run(bench).await,
            Self::Terminals => crowd_output::run(bench).await,
            Self::Viewers => viewers::run(bench).await,
            Self::Relay => relay::run(bench).await,
            Self::Echo => echo::run(bench).await,
            Self::IdleSockets => idle_sockets::run(bench).await,
            Self::LargeMove => moves::large(bench).await,
            Self::SmallSend => moves::small(bench).await,
            Self::MoveMemory => moves::memory(bench).await,
        }
    }
}

/// What all measurements share.
struct Bench {
    settings: Settings,
    references: References,
    tell: Box<dyn Fn(&str)>,
}

impl Bench {
    /// Milliseconds that the engine takes to create and start a bare container, which is removed.
    async fn bare(&self, home: Home) -> Result<f64> {
        let (took, id) = timed(self.references.run(home)).await?;
        self.references.remove(&id).await?;
        if home == Home::Volume {
            self.references.remove_homes().await?;
        }
        Ok(took)
    }

    /// Tells how far a measurement has come: after the first samples, and then now and then.
    fn progress(&self, name: &str, done: usize) {
        if done == 1 || done.is_multiple_of(100) {
            (self.tell)(&format!("{name}: {done}"));
        }
    }
}

/// Takes the measurements, one after the other, until `interrupted` resolves. One that cannot be
/// taken does not keep others from being taken. `tell` gets what is under way.
///
/// # Errors
/// The engine or the image is not there, or the run was interrupted. What was started is removed
/// in any case.
pub async fn run(
    settings: Settings,
    measurements: &[Measurement],
    interrupted: impl Future<Output = ()>,
    tell: impl Fn(&str) + 'static,
) -> Result<Report> {
    let references = References::new(Docker::local()?, &settings.image);
    let bench = Bench {
        settings,
        references,
        tell: Box::new(tell),
    };
    tokio::select! {
        report = take_all(&bench, measurements) => report,
        () = interrupted => Err(anyhow::anyhow!("interrupted")),
    }
}

async fn take_all(bench: &Bench, measurements: &[Measurement]) -> Result<Report> {
    let docker = bench.references.docker();
    let (info, image) = (
        docker.info().await?,
        docker.image(&bench.settings.image).await?,
    );
    let version = Run::new(bench.settings.server()).args(["--version"]);
    let build = if cfg!(debug_assertions) {
        "NOT optimised"
    } else {
        "optimised"
    };
    let server = format!("{}, {build}", version.text().await?);
    let quick = bench.settings.quick;
    let mut report = Report {
        machine: Facts::here(&info, (&bench.settings.image, &image), server, quick),
        rows: Vec::new(),
        failures: Vec::new(),
    };
    for measurement in measurements {
        let name = measurement.name();
        (bench.tell)(name);
        match measurement.take(bench).await {
            Ok(rows) => report.rows.extend(rows),
            Err(error) => {
                let why = format!("{error:#}");
                (bench.tell)(&format!("{name}: {why}"));
                report.failures.push(Failed {
                    measurement: name,
                    why,
                });
            }
        }
    }
    Ok(report)
}
