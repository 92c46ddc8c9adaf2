//! What the server keeps in memory for a relayed socket on which nothing is said but pings.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::Bench;
use super::facts::{Resident, raise_file_limit};
use super::report::{Goal, Row, Unit};
use super::server::{Kind, Server};

/// Fewer than a VM may have.
const OF_EACH: usize = 125;
const VMS: usize = 40;
/// Longer than until the first pings.
const SETTLE: Duration = Duration::from_secs(25);
/// Looks at each, a second apart.
const LOOKS: usize = 5;
const AT_ONCE: usize = 16;

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let vms = if bench.settings.quick { 2 } else { VMS };
    // Both ends of a socket are processes of ours.
    raise_file_limit()?;
    let agent = bench.settings.programs.join("ff-raw-agent");
    let server = Server::start(&bench.settings, Kind::Process { agent: &agent }).await?;
    let address = server.address();
    let mut paths = Vec::new();
    for number in 0..vms {
        let vm = server
            .client(&format!("bench-idle-{number}"))?
            .create_vm(None)
            .await?
            .id;
        paths.push(format!("/api/vms/{vm}/terminals/idle/socket"));
    }
    // One that has come and gone of each VM, and what that leaves behind is not counted.
    for path in &paths {
        drop(connect(address, path).await?);
    }
    let before = look(&server, SETTLE).await?;
    let all = paths
        .iter()
        .flat_map(|path| std::iter::repeat_n(path, OF_EACH));
    let sockets: Vec<_> = stream::iter(all)
        .map(|path| connect(address, path))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut clients = JoinSet::new();
    for mut socket in sockets {
        clients.spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
    }
    let count = clients.len();
    let after = look(&server, SETTLE).await?;
    ensure!(
        clients.try_join_next().is_none(),
        "a socket did not stay open"
    );
    drop(clients);
    server.stop().await?;

    let least = before
        .iter()
        .map(|look| look.rss)
        .min()
        .context("no look")?;
    let each = after
        .iter()
        .map(|look| look.rss.saturating_sub(least) as f64 / 1e3 / count as f64);
    let each = Row::new(
        "server memory, per idle socket",
        Unit::Kilobytes,
        each.collect(),
    );
    let note =
        format!("{count} sockets of {vms} VMs, each pinged and answered on both legs; VmRSS");
    let megabytes = |looks: &[Resident]| looks.iter().map(|look| look.rss as f64 / 1e6).collect();
    let rows = [
        each.map(|row| row.goal(Goal::Most(20.0)).note(note)),
        Row::new(
            format!("  server, {count} sockets"),
            Unit::Megabytes,
            megabytes(&after),
        ),
        Row::new("  server, no socket", Unit::Megabytes, megabytes(&before)),
    ];
    Ok(rows.into_iter().flatten().collect())
}

async fn connect(address: SocketAddr, path: &str) -> Result<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(1 << 10)
        .write_buffer_size(0);
    let url = format!("ws://{address}{path}");
    Ok(client_async_with_config(url, stream, Some(config)).await?.0)
}

async fn look(server: &Server, settle: Duration) -> Result<Vec<Resident>> {
    tokio::time::sleep(settle).await;
    let mut looks = Vec::new();
    for _ in 0..LOOKS {
        tokio::time::sleep(Duration::from_secs(1)).await;
        looks.push(server.resident()?);
    }
    Ok(looks)
}
