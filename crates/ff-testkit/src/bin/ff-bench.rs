//! The benchmark's program: takes the measurements and prints the table.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use ff_testkit::bench::{self, Measurement, Settings};
use tokio::signal::unix::{SignalKind, signal};

/// Measures the server on real Docker, beside bare containers. Build it with `make bench`.
#[derive(Parser)]
struct Args {
    /// Take only this measurement; may be repeated.
    #[arg(long, value_name = "NAME")]
    only: Vec<Measurement>,
    /// Take few samples: a look at whether all works, not a measurement.
    #[arg(long)]
    quick: bool,
    /// Take so many samples of each, in place of its own number.
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// Write all samples, the table and the machine's facts to this file, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Directory with `ff`, `ff-cloud` and the examples; without it, where this program is.
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
    let settings = Settings {
        programs,
        image: args.image,
        quick: args.quick,
        samples: args.samples,
    };
    let chosen = match args.only.as_slice() {
        [] => Measurement::value_variants(),
        only => only,
    };
    // The table is for standard output; a reader that went away must not keep us from cleaning up.
    let tell = |line: &str| drop(writeln!(std::io::stderr(), "{line}"));
    let report = bench::run(settings, chosen, interrupted(), tell).await?;
    let _ = write!(std::io::stdout(), "\n{}", report.text());
    if let Some(file) = args.json {
        let json = serde_json::to_vec_pretty(&report)?;
        std::fs::write(&file, json).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(match report.failures.as_slice() {
        [] => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Resolves when the user or the system asks to stop.
async fn interrupted() {
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    );
    let (Ok(mut terminate), Ok(mut hangup)) = signals else {
        return;
    };
    tokio::select! {
        _ = hangup.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
