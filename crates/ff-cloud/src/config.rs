//! Command line and environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::vm::{AgentSettings, ExtraHost, VmSettings};
use crate::db::{Address, DatabaseUrl};
use crate::services::vm::{Idle, PoolSettings, Settings};
use crate::{Error, Result};

mod vm;

/// The program's command line.
#[derive(Debug, Parser)]
#[command(
    name = "ff-cloud",
    version,
    about = "Factory Factory Cloud: the server"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server.
    Serve(Box<Config>),
    /// Look at what differs between the database and the container engine, and what the host
    /// lacks: exit code 0 for nothing, 1 for something, 2 if it could not be seen.
    Doctor(Box<DoctorArgs>),
}

/// Settings of `doctor`, and those of the server it looks at.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Repair what differs; a running server does so by itself, and is waited for.
    #[arg(long)]
    pub fix: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Of the server.
    #[command(flatten)]
    pub config: Config,
}

/// Settings of a server. Each has an environment variable `FF_CLOUD_…`.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Development: no keys, loopback only; the request names its user.
    #[arg(long, env = "FF_CLOUD_DEV")]
    pub dev: bool,
    /// Where the database and the master key lie [default: ff-cloud in the XDG data directory].
    #[arg(long, env = "FF_CLOUD_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// PostgreSQL database, postgres://USER:PASSWORD@HOST:PORT/NAME, instead of SQLite in the data
    /// directory; also from DATABASE_URL. Others see a command line: give a password by a variable.
    #[arg(
        long,
        env = "FF_CLOUD_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub database_url: Option<DatabaseUrl>,
    /// Address to listen on.
    #[arg(
        long,
        env = "FF_CLOUD_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:3000"
    )]
    pub listen: SocketAddr,
    /// When VMs sleep.
    #[command(flatten)]
    pub idle: IdleSettings,
    /// VMs made ahead of need.
    #[command(flatten)]
    pub pool: PoolArgs,
    /// Longest time a request waits for a VM to be made or woken.
    #[arg(long, env = "FF_CLOUD_WAIT", value_name = "SECONDS", default_value = "110", value_parser = seconds)]
    pub wait: Duration,
    /// How long a machine that belongs to no known VM is kept aside, stopped, before it is removed.
    #[arg(long, env = "FF_CLOUD_STRANGER_GRACE", value_name = "SECONDS", default_value = "86400", value_parser = seconds)]
    pub stranger_grace: Duration,
    /// Image of the VMs.
    #[arg(
        long,
        env = "FF_CLOUD_IMAGE",
        value_name = "IMAGE",
        default_value = "ff-vm:latest"
    )]
    pub image: String,
    /// Limits and extras of each VM.
    #[command(flatten)]
    pub vm: VmSettings,
    /// Where VMs come from.
    #[arg(long, env = "FF_CLOUD_PROVIDER", value_enum, default_value_t)]
    pub provider: ProviderKind,
    /// Agent that `--provider process` runs [default: ff-agent beside this program].
    #[arg(long, env = "FF_CLOUD_AGENT_BINARY", value_name = "PATH")]
    pub agent_binary: Option<PathBuf>,
    /// Shape of the log.
    #[arg(long, env = "FF_CLOUD_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// When VMs sleep, as the operator set it.
#[derive(Debug, Clone, Args)]
pub struct IdleSettings {
    /// The first tier of sleep; `stopped` skips freezing.
    #[arg(long, env = "FF_CLOUD_IDLE_TIER", value_enum, default_value_t)]
    pub idle_tier: IdleTier,
    /// Freeze a VM in which nothing has worked for this long, or `off`.
    #[arg(long, env = "FF_CLOUD_IDLE_FREEZE", value_name = "SECONDS", default_value = "600", value_parser = seconds_or_off)]
    pub idle_freeze: Off<Duration>,
    /// Stop a VM in which nothing has worked for this long, or `off`.
    #[arg(long, env = "FF_CLOUD_IDLE_STOP", value_name = "SECONDS", default_value = "7200", value_parser = seconds_or_off)]
    pub idle_stop: Off<Duration>,
    /// The same while a program, a question or an idle CLI would be ended by it, or `off`.
    #[arg(long, env = "FF_CLOUD_HOLDING_LIMIT", value_name = "SECONDS", default_value = "43200", value_parser = seconds_or_off)]
    pub holding_limit: Off<Duration>,
    /// Longest lease; longer ones are cut to this.
    #[arg(long, env = "FF_CLOUD_LEASE_LIMIT", value_name = "SECONDS", default_value = "43200", value_parser = seconds)]
    pub lease_limit: Duration,
    /// How often a VM may wake by itself within an hour.
    #[arg(long, env = "FF_CLOUD_WAKES_PER_HOUR", value_name = "N", default_value = "40", value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub wakes_per_hour: u32,
}

/// VMs made ahead of need, as the operator set it.
#[derive(Debug, Clone, Args)]
pub struct PoolArgs {
    /// VMs held ready for users who have none.
    #[arg(long, env = "FF_CLOUD_POOL_SIZE", value_name = "N", default_value = "0", value_parser = clap::value_parser!(u32).range(0..=500))]
    pub pool_size: u32,
    /// A VM that has waited in the pool for longer is replaced.
    #[arg(long, env = "FF_CLOUD_POOL_MAX_AGE", value_name = "SECONDS", default_value = "86400", value_parser = seconds)]
    pub pool_max_age: Duration,
    /// Most VMs that are being made for the pool at a time.
    #[arg(long, env = "FF_CLOUD_POOL_CREATES", value_name = "N", default_value = "2", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub pool_creates: u32,
}

/// The first tier of sleep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum IdleTier {
    /// Frozen in memory, stopped later.
    #[default]
    Frozen,
    /// Stopped at once.
    Stopped,
}

/// A value that can be switched off. (An `Option` would be an argument that may be absent.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Off<T> {
    /// Off.
    Off,
    /// On, with this value.
    On(T),
}

impl<T> Off<T> {
    /// The value, if it is on.
    pub fn on(self) -> Option<T> {
        match self {
            Self::Off => None,
            Self::On(value) => Some(value),
        }
    }
}

/// Providers of VMs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ProviderKind {
    /// Containers of a Docker engine (`DOCKER_HOST`, else the local socket).
    #[default]
    Docker,
    /// Agents as plain processes of the server's user, without isolation or limits; needs --dev.
    Process,
    /// Machines in memory in which nothing runs, for tests and scale; needs --dev.
    Sim,
}

/// Shapes of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Ten years: more is a slip.
const MOST_SECONDS: u64 = 315_360_000;

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(seconds @ 1..=MOST_SECONDS) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("give whole seconds, 1 to {MOST_SECONDS}")),
    }
}

fn seconds_or_off(text: &str) -> Result<Off<Duration>, String> {
    match text {
        "off" => Ok(Off::Off),
        _ => seconds(text)
            .map(Off::On)
            .map_err(|error| format!("{error}, or `off`")),
    }
}

impl Config {
    /// What the VM service is to do.
    pub fn vm_settings(&self) -> Settings {
        let IdleSettings {
            idle_freeze,
            idle_stop,
            holding_limit,
            ..
        } = self.idle;
        let frozen = self.idle.idle_tier == IdleTier::Frozen;
        Settings {
            image: self.image.clone(),
            limits: self.vm.limits(),
            idle: Idle {
                freeze_after: idle_freeze.on().filter(|_| frozen),
                stop_after: idle_stop.on(),
                stop_holding_after: holding_limit.on(),
            },
            wait: self.wait,
            pool: PoolSettings {
                size: self.pool.pool_size,
                longest_age: self.pool.pool_max_age,
                at_once: self.pool.pool_creates,
            },
            longest_lease: self.idle.lease_limit,
            wakes_per_hour: self.idle.wakes_per_hour,
            stranger_grace: self.stranger_grace,
        }
    }

    /// The data directory, whether it exists or not.
    ///
    /// # Errors
    /// None is set, and there is no home directory to put one in.
    pub fn data_dir(&self) -> Result<PathBuf> {
        if let Some(dir) = &self.data_dir {
            return Ok(dir.clone());
        }
        let absolute = |name| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        absolute("XDG_DATA_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
            .map(|data| data.join("ff-cloud"))
            .ok_or_else(|| {
                Error::refused(
                    ff_protocol::ErrorCode::Invalid,
                    "there is no home directory to keep data in",
                )
                .hint("name a directory with --data-dir")
            })
    }

    /// Where the database is.
    ///
    /// # Errors
    /// As [`Self::data_dir`].
    pub fn database(&self) -> Result<Address> {
        Ok(match &self.database_url {
            Some(url) if !url.is_empty() => Address::Postgres(url.clone()),
            _ => Address::Sqlite(self.data_dir()?.join("cloud.db")),
        })
    }

    /// Takes the database from the variable `DATABASE_URL` that many hosts set, unless another
    /// was given.
    pub fn or_database(mut self, variable: Option<String>) -> Self {
        let given = self.database_url.take().filter(|url| !url.is_empty());
        let other = variable.and_then(|url| url.parse().ok());
        self.database_url = given.or(other);
        self
    }

    /// Checks what the settings say together.
    ///
    /// # Errors
    /// A sentence that says which settings do not go together.
    pub fn check(&self) -> Result<()> {
        let refuse = |detail: &str, hint: &str| {
            Err(Error::refused(ff_protocol::ErrorCode::Invalid, detail).hint(hint))
        };
        match self.provider {
            ProviderKind::Process if !self.dev => {
                return refuse(
                    "--provider process isolates nobody from anybody, so it is for development only",
                    "add --dev, or use --provider docker",
                );
            }
            ProviderKind::Sim if !self.dev => {
                return refuse(
                    "--provider sim only plays VMs, so it is for development only",
                    "add --dev, or use --provider docker",
                );
            }
            _ => {}
        }
        let extras = !self.vm.extra_ca.is_empty() || !self.vm.extra_host.is_empty();
        if extras && self.provider != ProviderKind::Docker {
            return refuse(
                "--vm-extra-ca and --vm-extra-host have an effect with Docker only",
                "leave them out, or use --provider docker",
            );
        }
        if self.agent_binary.is_some() && self.provider != ProviderKind::Process {
            return refuse(
                "--agent-binary has an effect with --provider process only",
                "leave it out, or add --provider process",
            );
        }
        if !self.dev {
            return refuse(
                "API keys are not there yet, so the server runs for development only",
                "start it with `ff-cloud serve --dev`",
            );
        }
        if !self.listen.ip().is_loopback() {
            return refuse(
                "with --dev anyone who reaches the server may use it, so it listens on loopback only",
                "use --listen 127.0.0.1:PORT",
            );
        }
        match self.database()? {
            Address::Postgres(url) => url.check(),
            Address::Sqlite(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
