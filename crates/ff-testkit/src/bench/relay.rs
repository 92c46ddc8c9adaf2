//! Bytes through the relay, beside nginx before the same source, and the source itself. No PTY: the
//! agent is [`crate::raw_agent`], and the client does nothing but follow frames.

use std::net::SocketAddr;

use anyhow::Result;
use ff_protocol::VmId;

use super::Bench;
use super::facts::cpu_seconds;
use super::nginx::Nginx;
use super::raw_socket::sink;
use super::report::{Goal, Row, Unit};
use super::server::{Kind, Server};
use crate::raw_agent::{self, SOURCE};

/// Payload of a frame, and how much of it is sent at once.
const SENT: [(usize, u64, &str); 2] = [(64 << 10, 2 << 30, "64 KiB"), (1 << 10, 1 << 30, "1 KiB")];
const WARM: u64 = 64 << 20;

/// A way from the source to the sink.
struct Way {
    address: SocketAddr,
    /// What it runs on, besides source and sink.
    pids: Vec<u32>,
    rates: Vec<f64>,
    costs: Vec<f64>,
}

impl Way {
    fn new(address: SocketAddr, pids: Vec<u32>) -> Self {
        Self {
            address,
            pids,
            rates: Vec::new(),
            costs: Vec::new(),
        }
    }

    async fn take(&mut self, vm: &VmId, frame: usize, total: u64) -> Result<()> {
        let path = format!("/api/vms/{vm}/terminals/{SOURCE}-{frame}-{total}/socket");
        let before = cpu_seconds(&self.pids)?;
        let took = sink(self.address, path, total).await?;
        let gigabytes = total as f64 / 1e9;
        self.rates.push(gigabytes / took.as_secs_f64());
        self.costs
            .push((cpu_seconds(&self.pids)? - before) / gigabytes);
        Ok(())
    }
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let agent = bench.settings.programs.join("ff-raw-agent");
    let server = Server::start(&bench.settings, Kind::Process { agent: &agent }).await?;
    let vm = server.client("bench-relay")?.create_vm(None).await?.id;
    let source = raw_agent::address(&server.home(&vm))?;
    let nginx = Nginx::before(source).await?;
    let mut rows = Vec::new();
    for (frame, total, name) in SENT {
        let mut ways = [
            Way::new(server.address(), vec![server.pid()?]),
            Way::new(nginx.address, nginx.workers()?),
            Way::new(source, Vec::new()),
        ];
        for way in &mut ways {
            way.take(&vm, frame, WARM).await?;
            (way.rates, way.costs) = (Vec::new(), Vec::new());
        }
        for round in 0..bench.settings.samples(9, 2) {
            // Each is first, second and last in turn.
            for turn in 0..ways.len() {
                ways[(round + turn) % 3].take(&vm, frame, total).await?;
            }
            bench.progress(&format!("relay, {name}"), round + 1);
        }
        rows.extend(table(name, &ways, &nginx.version));
    }
    nginx.stop().await?;
    server.stop().await?;
    Ok(rows)
}

fn table(name: &str, [relay, nginx, direct]: &[Way; 3], version: &str) -> Vec<Row> {
    let rate =
        |what: String, way: &Way| Row::new(what, Unit::GigabytesPerSecond, way.rates.clone());
    let cost = |what: &str, way: &Way| Row::new(what, Unit::SecondsPerGigabyte, way.costs.clone());
    let against_nginx = rate(format!("relay, frames of {name}, against nginx"), relay).map(|row| {
        row.against(&nginx.rates)
            .goal(Goal::RatioAtLeast(1.0))
            .note(version)
    });
    let against_direct = rate("  against the source itself".to_owned(), relay)
        .map(|row| row.against(&direct.rates).goal(Goal::RatioAtLeast(0.9)));
    let cpu = cost("  CPU of the server, against nginx", relay)
        .map(|row| row.against(&nginx.costs).goal(Goal::Ratio(1.0)));
    let rows = [
        against_nginx,
        against_direct,
        cpu,
        rate("  nginx".to_owned(), nginx),
        cost("  CPU of nginx", nginx),
        rate("  the source itself".to_owned(), direct),
    ];
    rows.into_iter().flatten().collect()
}
