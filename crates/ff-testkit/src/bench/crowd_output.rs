//! Two hundred terminals, each with 40 KB of output in a second: no line is missing at its viewer,
//! and each is there soon.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;

use super::Bench;
use super::report::{Goal, Row, Unit};
use super::server::{Kind, Server};
use super::shells::{Shells, Ticks, shows};

const VMS: usize = 4;
const LINE: usize = 2000;
const RATE: usize = 20;
/// More than the lines take.
const SLACK: Duration = Duration::from_secs(60);
/// The first lines come while terminals are still being started.
const WARM: usize = 2 * RATE;

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let (each, seconds) = if bench.settings.quick {
        (5, 3)
    } else {
        (50, 30)
    };
    let server = Server::start(&bench.settings, Kind::Docker { pool: 0 }).await?;
    let by = &server;
    let vms = (0..VMS).map(|vm| async move {
        let shells = Shells::new(by, &format!("bench-{vm}")).await?;
        let mut sockets = Vec::new();
        for _ in 0..each {
            let (_, mut socket) = shells.open().await?;
            socket
                .input()
                .send("PS1=; echo rea''dy\n".to_owned())
                .await?;
            shows(&mut socket, "ready\r\n").await?;
            sockets.push(socket);
        }
        anyhow::Ok(sockets)
    });
    // They live as long as their VMs.
    let sockets = try_join_all(vms.collect::<Vec<_>>()).await?;
    let lines = WARM + seconds * RATE;
    let readers = sockets.into_iter().flatten().map(|mut socket| {
        tokio::spawn(async move {
            let run = format!("perl ~/ticker {lines} {LINE} {RATE}\n");
            socket.input().send(run).await?;
            Ticks::read(&mut socket, lines).await
        })
    });
    let longest = Duration::from_secs((lines / RATE) as u64) + SLACK;
    let read = tokio::time::timeout(longest, try_join_all(readers.collect::<Vec<_>>()));
    let read = read.await.context("lines do not come")??;
    let mut delays = Vec::new();
    for ticks in read {
        delays.extend_from_slice(&ticks?.delays[WARM..]);
    }
    server.stop().await?;
    let rate = LINE * RATE / 1000;
    let what = format!("{} terminals at {rate} KB/s, delay", VMS * each);
    let row = Row::new(what, Unit::Millis, delays);
    let row = row.map(|row| row.goal(Goal::P99(20.0)).note("no line was missing"));
    Ok(row.into_iter().collect())
}
