//! The fault suite's program: kills the server at each crash point, breaks what is under it, and
//! prints how often each point was reached.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use ff_testkit::chaos::{self, Settings};

/// Kills the server at each of its crash points on real Docker. Build it with `make chaos`.
#[derive(Parser)]
struct Args {
    /// Play the schedules of this seed again.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Play so many schedules; each point comes before any comes again.
    #[arg(long, value_name = "N", default_value = "120")]
    schedules: usize,
    /// Only this crash point, or this fault.
    #[arg(long, value_name = "POINT")]
    only: Option<String>,
    /// Directory with `ff-cloud`; without it, where this program is.
    #[arg(long, env = "FF_BIN_DIR")]
    programs: Option<PathBuf>,
    /// Image of the VMs.
    #[arg(long, env = "FF_VM_IMAGE", default_value = "ff-vm:latest")]
    image: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let programs = match args.programs {
        Some(programs) => programs,
        None => std::env::current_exe()?
            .parent()
            .map(PathBuf::from)
            .unwrap_or_default(),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let settings = Settings {
        programs,
        image: args.image,
        seed: args.seed.unwrap_or(u64::from(now.subsec_nanos())),
        schedules: Some(args.schedules),
        only: args.only,
    };
    // The table is for standard output; a reader that went away must not keep us from cleaning up.
    let tell = |line: &str| drop(writeln!(std::io::stderr(), "{line}"));
    let report = tokio::select! {
        report = chaos::run(settings, tell) => report?,
        _ = tokio::signal::ctrl_c() => return Ok(ExitCode::FAILURE),
    };
    let _ = write!(std::io::stdout(), "\n{}", report.text());
    Ok(match report.failures.as_slice() {
        [] => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
