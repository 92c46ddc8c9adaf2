//! Fifty viewers of one terminal, ten of whom do not read: what the program puts out in a second,
//! and how soon the other forty see a line, beside forty alone.

use std::time::Duration;

use anyhow::{Context, Result};
use ff_client::socket::TerminalSocket;
use futures_util::future::try_join_all;

use super::Bench;
use super::clock::pair;
use super::report::{Goal, Row, Unit};
use super::server::{Kind, Server};
use super::shells::{Shells, Ticks, shows};
use super::stats::Summary;

const READING: usize = 40;
const STALLED: usize = 10;
const LINE: usize = 2000;
const RATE: usize = 20;
const LONGEST: Duration = Duration::from_secs(60);
/// At least 0.95 of the rate of forty alone.
const GOAL: Goal = Goal::Ratio(1.0 / 0.95);

/// What one terminal and its viewers did.
struct Seen {
    /// Milliseconds the program took to write it all.
    flood: f64,
    /// Median delay of a line.
    delay: f64,
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let megabytes = if bench.settings.quick { 20 } else { 100 };
    let server = Server::start(&bench.settings, Kind::Docker { pool: 0 }).await?;
    let shells = Shells::new(&server, "bench-viewers").await?;
    let make =
        format!("yes 'forty viewers and ten that do not read' | head -c {megabytes}M > ~/big");
    shells.look(&make).await?;
    let (mut fifty, mut forty) = (Vec::new(), Vec::new());
    for n in 0..bench.settings.samples(7, 1) {
        let with = async || {
            fifty.push(watched(&shells, STALLED).await?);
            anyhow::Ok(())
        };
        let without = async || {
            forty.push(watched(&shells, 0).await?);
            anyhow::Ok(())
        };
        pair(n, with, without).await?;
        bench.progress("viewers", n + 1);
    }
    server.stop().await?;
    let column = |all: &[Seen], of: fn(&Seen) -> f64| all.iter().map(of).collect::<Vec<_>>();
    let compared = |what: &str, of: fn(&Seen) -> f64| {
        let (with, without) = (column(&fifty, of), column(&forty, of));
        let row = Row::new(what, Unit::Millis, with)?;
        let alone = Row::new("  40 viewers alone", Unit::Millis, without.clone())?;
        Some([row.against(&without).goal(GOAL), alone])
    };
    let flood = compared(
        &format!("{megabytes} MB put out, 40 viewers and 10 stalled"),
        |seen| seen.flood,
    );
    let delay = compared("a line seen, 40 viewers and 10 stalled", |seen| seen.delay);
    Ok([flood, delay].into_iter().flatten().flatten().collect())
}

async fn watched(shells: &Shells, stalled: usize) -> Result<Seen> {
    let (id, mut typist) = shells.open().await?;
    typist.input().send("PS1=; echo rea''dy\n").await?;
    shows(&mut typist, "ready\r\n").await?;
    let mut viewers = vec![typist];
    for _ in 1..READING {
        viewers.push(shells.watch(&id).await?);
    }
    let mut silent = Vec::new();
    for _ in 0..stalled {
        silent.push(shells.watch(&id).await?);
    }
    let input = viewers[0].input();
    let lines = 4 * RATE;
    // The program's own clock: nobody's way to it counts.
    let flood =
        "b=$(date +%s%N); cat ~/big; e=$(date +%s%N); echo $((e - b)) > ~/took; echo o''ver\n";
    let tick = format!("perl ~/ticker {lines} {LINE} {RATE}\n");
    input.send(flood).await?;
    let flooded = viewers.into_iter().map(|mut viewer| async {
        shows(&mut viewer, "over\r\n").await?;
        anyhow::Ok(viewer)
    });
    let viewers: Vec<TerminalSocket> = within(try_join_all(flooded.collect::<Vec<_>>())).await?;
    let took: f64 = shells.look("cat ~/took").await?.trim().parse()?;
    input.send(tick).await?;
    let read = viewers
        .into_iter()
        .map(|mut viewer| tokio::spawn(async move { Ticks::read(&mut viewer, lines).await }));
    let read = within(async { Ok(try_join_all(read.collect::<Vec<_>>()).await?) }).await?;
    let mut delays = Vec::new();
    for ticks in read {
        delays.extend(ticks?.delays);
    }
    let delay = Summary::of(&delays).context("no line was seen")?.p50;
    drop(silent);
    shells.close(&id).await?;
    Ok(Seen {
        flood: took / 1e6,
        delay,
    })
}

async fn within<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(LONGEST, work)
        .await
        .context("it takes too long")?
}
