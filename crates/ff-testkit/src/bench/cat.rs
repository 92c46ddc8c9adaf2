//! `cat` of a gigabyte in a VM: from the command typed until its end shows at the client, through
//! agent and server; beside the same under tmux with a client, in the same VM.

use std::time::Duration;

use anyhow::{Context, Result};

use super::Bench;
use super::clock::{pair, timed};
use super::report::{Goal, Row, Unit};
use super::server::{Kind, Server};
use super::shells::{SIZE, Shells, shows};
use crate::journey::process::Run;

const LONGEST: Duration = Duration::from_secs(110);
/// Lines of 40 to 119 bytes, as many as make so many bytes.
const MAKE: &str = "perl -e '$n = shift; while ($n > 0) { $l = sprintf(\"%09d \", $n) . (\"lorem ipsum \" x 9); \
    $l = substr($l, 0, 39 + $i++ % 80) . \"\\n\"; print $l; $n -= length $l }'";

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let megabytes = if bench.settings.quick { 50 } else { 1000 };
    let server = Server::start(&bench.settings, Kind::Docker { pool: 0 }).await?;
    let shells = Shells::new(&server, "bench-cat").await?;
    shells
        .look(&format!(
            "{MAKE} {megabytes}000000 > ~/big; sync ~/big; cat ~/big > /dev/null"
        ))
        .await?;
    let (_, mut socket) = shells.open().await?;
    socket.input().send("PS1=; echo rea''dy\n").await?;
    shows(&mut socket, "ready\r\n").await?;
    let (mut ours, mut tmux) = (Vec::new(), Vec::new());
    for n in 0..bench.settings.samples(5, 1) {
        let own = async || {
            let end = format!("over-{n}-of-it");
            let command = format!("cat ~/big; echo over-{n}-''of-it\n");
            let work = async {
                socket.input().send(command).await?;
                shows(&mut socket, &end).await
            };
            let (took, ()) = timed(within(work)).await?;
            ours.push(took);
            anyhow::Ok(())
        };
        let reference = async || {
            let (took, ()) = timed(within(under_tmux(&shells))).await?;
            tmux.push(took);
            anyhow::Ok(())
        };
        pair(n, own, reference).await?;
        bench.progress("cat", n + 1);
    }
    server.stop().await?;
    let rate = |millis: f64| format!("{:.0} MB/s", f64::from(megabytes) / millis * 1000.0);
    let row = Row::new(format!("cat of {megabytes} MB"), Unit::Millis, ours);
    let row = row.map(|row| {
        let note = rate(row.summary.p50);
        row.against(&tmux).goal(Goal::Ratio(1.0)).note(note)
    });
    let reference = Row::new("  under tmux", Unit::Millis, tmux);
    let reference = reference.map(|row| {
        let note = rate(row.summary.p50);
        row.note(note)
    });
    Ok([row, reference].into_iter().flatten().collect())
}

async fn within<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(LONGEST, work)
        .await
        .context("it takes too long")?
}

/// The client's own terminal is a PTY of `script`, whose output comes here as ours does.
async fn under_tmux(shells: &Shells) -> Result<()> {
    let (cols, rows) = (SIZE.cols, SIZE.rows);
    let session = format!(
        "stty cols {cols} rows {rows}; tmux -f /dev/null -L bench new-session \"cat ~/big; echo over\""
    );
    let script = ["script", "--quiet", "--command", &session, "/dev/null"];
    let exec = ["exec", "--env", "TERM=xterm-256color", shells.container()];
    let run = Run::new("docker").args(exec).args(script);
    run.ok().await.map(drop)
}
