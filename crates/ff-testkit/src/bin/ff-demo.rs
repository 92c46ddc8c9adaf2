//! The demo: the main job from end to end, each step checked from outside.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use ff_testkit::journey::{self, Break, Options};
use tokio::signal::unix::{SignalKind, signal};

/// Shows the main job from end to end on real Docker with the real CLI.
#[derive(Parser)]
struct Args {
    /// Directory with `ff` and `ff-cloud`; without it, where this program is.
    #[arg(long, env = "FF_BIN_DIR")]
    programs: Option<PathBuf>,
    /// Image of the VMs.
    #[arg(long, env = "FF_VM_IMAGE", default_value = "ff-vm:latest")]
    image: String,
    /// Keep everything up until Ctrl-C, and the VM and the directories after it (`1`).
    #[arg(long, env = "KEEP", default_value = "")]
    keep: String,
    /// Cut one link, to see the demo fail at its step.
    #[arg(long)]
    cut: Option<Break>,
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
    let keep = !matches!(args.keep.as_str(), "" | "0");
    let begun = Instant::now();
    let options = Options {
        programs,
        image: args.image,
        keep,
        cut: args.cut,
        settings: Vec::new(),
    };
    // A reader that went away must not keep us from cleaning up.
    let say = |line: String| drop(writeln!(std::io::stdout(), "{line}"));
    let outcome = journey::run(options, interrupted(), |done| {
        let seconds = done.took.as_secs_f64();
        say(format!("{seconds:>6.2} s  {:<18} {}", done.step, done.seen));
    })
    .await;
    match outcome {
        Ok(()) => {
            let seconds = begun.elapsed().as_secs_f64();
            say(format!(
                "{seconds:>6.2} s  in all: every step was done and checked"
            ));
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => {
            say(format!("FAILED at: {}\n{:#}", failure.step, failure.cause));
            Ok(ExitCode::FAILURE)
        }
    }
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
