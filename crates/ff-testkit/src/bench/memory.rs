//! What the server keeps in memory, empty and with a thousand VMs known.

use std::time::Duration;

use anyhow::Result;

use super::facts::Resident;
use super::report::{Goal, Row, Unit};
use super::server::{Kind, Server};
use super::{Bench, crowd};

const VMS: usize = 1000;
/// What a server needs to come to rest, and more.
const SETTLE: Duration = Duration::from_secs(10);
/// Looks at each, a second apart.
const LOOKS: usize = 5;

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let server = Server::start(&bench.settings, Kind::Sim).await?;
    let empty = look(&server).await?;
    crowd::make(bench, &server, "memory", VMS, false).await?;
    let many = look(&server).await?;
    server.stop().await?;
    let rss = |looks: &[Resident]| looks.iter().map(|look| megabytes(look.rss)).collect();
    let row = |what: &str, looks: &[Resident]| {
        let row = Row::new(what, Unit::Megabytes, rss(looks));
        row.map(|row| row.note(proportional(looks)))
    };
    let (before, after) = (
        row("  server memory, empty", &empty),
        row("server memory, 1000 VMs", &many),
    );
    let after = after.map(|row| row.against(&rss(&empty)).goal(Goal::Most(80.0)));
    Ok(after.into_iter().chain(before).collect())
}

async fn look(server: &Server) -> Result<Vec<Resident>> {
    tokio::time::sleep(SETTLE).await;
    let mut looks = Vec::new();
    for _ in 0..LOOKS {
        tokio::time::sleep(Duration::from_secs(1)).await;
        looks.push(server.resident()?);
    }
    Ok(looks)
}

fn proportional(looks: &[Resident]) -> String {
    let most = looks.iter().filter_map(|look| look.pss).max();
    match most {
        Some(pss) => format!("VmRSS; PSS at most {:.1} MB", megabytes(pss)),
        None => "VmRSS; the kernel tells no PSS".to_owned(),
    }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
