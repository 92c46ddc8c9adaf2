//! The fault suites' program: kills the server at each crash point and breaks what is under it, then
//! kills server, agent and CLI in the turns of sessions, then cuts terminals off their viewers, then
//! moves random working states there and back, then kills, fills disks and cuts streams in moves; prints how often each point, moment and kind came.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum};
use ff_testkit::{chaos, handoff_chaos, handoff_states, sessions_chaos, terminals_chaos};

/// A suite.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// Kills the server at its crash points.
    Server,
    /// Kills server, agent and CLI in the turns of sessions.
    Sessions,
    /// Breaks what is between terminals and their viewers.
    Terminals,
    /// Moves random working states there and back.
    Handoff,
    /// Kills `ff`, server and agent in moves, fills their disks and cuts their streams.
    Moves,
}

/// Kills the server at each of its crash points, and server, agent and CLI in the turns of sessions,
/// and cuts terminals off their viewers, on real Docker. Build it with `make chaos`.
#[derive(Parser)]
struct Args {
    /// Play the schedules of this seed again.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Play so many schedules; each point comes before any comes again.
    #[arg(long, value_name = "N", default_value = "120")]
    schedules: usize,
    /// Kill each victim so often in each moment of a turn.
    #[arg(long, value_name = "N", default_value = "5")]
    rounds: usize,
    /// For terminals, cut links for so many seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        value_delimiter = ',',
        default_value = "5,60,600"
    )]
    cut: Vec<u64>,
    /// Move so many random repositories to agents that are processes.
    #[arg(long, value_name = "N", default_value = "200")]
    repositories: usize,
    /// Move so many more to a container.
    #[arg(long, value_name = "N", default_value = "20")]
    on_docker: usize,
    /// For moves, play so many schedules, in place of each that there is, once; each comes before
    /// any comes again.
    #[arg(long, value_name = "N")]
    moves: Option<usize>,
    /// For moves, agents are plain processes: there are no containers.
    #[arg(long)]
    as_processes: bool,
    /// Only this suite.
    #[arg(long, value_enum)]
    suite: Option<Suite>,
    /// Only this crash point or fault; for sessions and moves, only what has it in its name; for
    /// hand-offs, only the repository of this number.
    #[arg(long, value_name = "POINT", requires = "suite")]
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
    let seed = args.seed.unwrap_or(u64::from(now.subsec_nanos()));
    let server = chaos::Settings {
        programs: programs.clone(),
        image: args.image.clone(),
        seed,
        schedules: Some(args.schedules),
        only: args.only.clone(),
    };
    let seconds = |all: &[u64]| all.iter().map(|&it| Duration::from_secs(it)).collect();
    let terminals = terminals_chaos::Settings {
        programs: programs.clone(),
        image: args.image.clone(),
        cuts: seconds(&args.cut),
        long_cuts: Vec::new(),
        idle: Duration::from_secs(180),
    };
    let handoff = handoff_states::Settings {
        programs: programs.clone(),
        image: args.image.clone(),
        seed,
        repositories: args.repositories,
        on_docker: args.on_docker,
        fewest: 20,
        only: args.only.as_deref().and_then(|only| only.parse().ok()),
    };
    let moves = handoff_chaos::Settings {
        programs: programs.clone(),
        image: (!args.as_processes).then(|| args.image.clone()),
        seed,
        schedules: args.moves,
        full_disks: true,
        only: args.only.clone(),
    };
    let sessions = sessions_chaos::Settings {
        programs,
        image: args.image,
        seed,
        rounds: args.rounds,
        only: args.only,
    };
    let chosen = |suite| args.suite.is_none_or(|only| only == suite);
    let all = async {
        let mut failed = false;
        if chosen(Suite::Server) {
            let report = chaos::run(server, tell).await?;
            show(&report.text());
            failed |= !report.failures.is_empty();
        }
        if chosen(Suite::Sessions) {
            let report = sessions_chaos::run(sessions, tell).await?;
            show(&report.text());
            failed |= !report.failures.is_empty();
        }
        if chosen(Suite::Terminals) {
            let report = terminals_chaos::run(terminals, tell).await?;
            show(&report.text());
            failed |= !report.failures.is_empty();
        }
        if chosen(Suite::Handoff) {
            let report = handoff_states::run(handoff, tell).await?;
            show(&report.text());
            failed |= !report.failures.is_empty();
        }
        if chosen(Suite::Moves) {
            let report = handoff_chaos::run(moves, tell).await?;
            show(&report.text());
            failed |= !report.failures.is_empty();
        }
        anyhow::Ok(failed)
    };
    let failed = tokio::select! {
        failed = all => failed?,
        _ = tokio::signal::ctrl_c() => true,
    };
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Progress is not for standard output; a reader that went away must not keep us from cleaning up.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn show(table: &str) {
    let _ = write!(std::io::stdout(), "\n{table}");
}
