//! From a prompt written until the first piece of the answer: by the workspace's socket through
//! the server and the agent, beside the CLI itself in the same VM. The API takes the same time for
//! both.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::Bench;
use super::bare_cli::BareCli;
use super::clock::{millis, pair};
use super::report::{Goal, Row, Unit};
use super::session::{Socket, Workspace};
use crate::messages::{Reply, Turn};
use ff_protocol::SessionId;

/// How long the API takes before its first byte.
const DELAY: Duration = Duration::from_millis(50);
const PROMPT: &str = "Say something short.";
/// Turns of each before the first that counts.
const WARM: usize = 3;

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let mut workspace = Workspace::new(bench).await?;
    let script = |_: &Turn| Reply::text("Something short.").after(DELAY);
    workspace.world.messages()?.set_script(script);
    let mut socket = workspace.socket().await?;
    let session = workspace.start(Some(PROMPT)).await?.id;
    socket.turn_ended(&session).await?;
    let mut cli = BareCli::start(&workspace.world).await?;
    for _ in 0..WARM {
        turn(&mut socket, &session).await?;
        cli.turn(PROMPT).await?;
    }
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for n in 0..bench.settings.samples(300, 10) {
        let own = async || {
            ours.push(turn(&mut socket, &session).await?);
            anyhow::Ok(())
        };
        let reference = async || {
            bare.push(cli.turn(PROMPT).await?);
            anyhow::Ok(())
        };
        pair(n, own, reference).await?;
        bench.progress("first-token", n + 1);
    }
    let how = format!("the CLI was brought into the VM by {}", cli.way);
    drop(cli);
    workspace.world.stop_server().await?;
    let added = ours.iter().zip(&bare).map(|(ours, bare)| ours - bare);
    let added = Row::new("first token, added by us", Unit::Millis, added.collect());
    let added = added.map(|row| row.goal(Goal::P50(5.0)).note(how));
    let row = Row::new("  at the client", Unit::Millis, ours).map(|row| row.against(&bare));
    let reference = Row::new("  from the bare CLI", Unit::Millis, bare);
    Ok([added, row, reference].into_iter().flatten().collect())
}

async fn turn(socket: &mut Socket, session: &SessionId) -> Result<f64> {
    let begun = Instant::now();
    socket.say(session, PROMPT).await?;
    socket.first_piece().await?;
    let took = millis(begun.elapsed());
    socket.turn_ended(session).await?;
    Ok(took)
}
