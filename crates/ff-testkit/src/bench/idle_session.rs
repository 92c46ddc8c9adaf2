//! What the agent keeps in memory for a session at rest: a thousand messages, read once by a
//! client, its CLI ended.

use std::time::Duration;

use anyhow::{Result, ensure};
use ff_protocol::SessionId;

use super::Bench;
use super::facts::Resident;
use super::report::{Goal, Row, Unit};
use super::session::{Socket, Workspace};
use crate::journey::outside::look_inside;
use crate::messages::PromptPlan;

const MESSAGES: usize = 1000;
const TURNS: usize = 4;
/// CLIs that run at once while the sessions are made.
const AT_ONCE: usize = 5;
/// What an agent needs to come to rest, and more.
const SETTLE: Duration = Duration::from_secs(10);
/// Looks at each, a second apart.
const LOOKS: usize = 5;

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let sessions = bench.settings.samples(40, 5);
    let mut workspace = Workspace::new(bench).await?;
    workspace.world.messages()?.set_script(PromptPlan);
    let none = look(&workspace).await?;
    let mut made = Vec::new();
    while made.len() < sessions {
        let some = AT_ONCE.min(sessions - made.len());
        made.extend(make(&workspace, some).await?);
        bench.progress("idle-session", made.len());
    }
    let mut fewest = usize::MAX;
    for session in &made {
        fewest = fewest.min(workspace.load(session).await?);
    }
    ensure!(fewest >= MESSAGES, "a session has {fewest} messages only");
    let many = look(&workspace).await?;
    workspace.world.stop_server().await?;

    let megabytes = |looks: &[Resident]| -> Vec<f64> {
        looks.iter().map(|look| look.rss as f64 / 1e6).collect()
    };
    let (before, after) = (megabytes(&none), megabytes(&many));
    let least = before.iter().copied().fold(f64::INFINITY, f64::min);
    let each = after.iter().map(|all| (all - least) / sessions as f64);
    let each = Row::new(
        "agent memory, per idle session",
        Unit::Megabytes,
        each.collect(),
    );
    let note = format!("{sessions} sessions of at least {fewest} messages, each read once; VmRSS");
    let each = each.map(|row| row.goal(Goal::Most(1.0)).note(note));
    let after = Row::new(
        format!("  agent, {sessions} sessions"),
        Unit::Megabytes,
        after,
    );
    let before = Row::new("  agent, no session", Unit::Megabytes, before);
    Ok([each, after, before].into_iter().flatten().collect())
}

/// Makes sessions side by side and ends their CLIs.
async fn make(workspace: &Workspace, count: usize) -> Result<Vec<SessionId>> {
    let mut made = Vec::new();
    for _ in 0..count {
        made.push(workspace.start(None).await?.id);
    }
    let turns = made.iter().map(|session| async {
        let mut socket = workspace.socket().await?;
        talk(&mut socket, session).await
    });
    futures_util::future::try_join_all(turns).await?;
    for session in &made {
        workspace.stop(session).await?;
    }
    Ok(made)
}

/// Each line of the prompt becomes a message of the model.
async fn talk(socket: &mut Socket, session: &SessionId) -> Result<()> {
    let words = "as long as a sentence of a model is when it tells what it does ".repeat(3);
    let prompt: String = (0..MESSAGES / TURNS)
        .map(|n| format!("SAY {n} {words}\n"))
        .collect();
    for _ in 0..TURNS {
        socket.say(session, &prompt).await?;
        socket.turn_ended(session).await?;
    }
    Ok(())
}

async fn look(workspace: &Workspace) -> Result<Vec<Resident>> {
    tokio::time::sleep(SETTLE).await;
    let container = workspace.world.container()?;
    let mut looks = Vec::new();
    for _ in 0..LOOKS {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let proc = "/proc/$(pgrep -x ff-agent)";
        let status = look_inside(container, &format!("cat {proc}/status")).await?;
        let rollup = look_inside(container, &format!("cat {proc}/smaps_rollup || true")).await?;
        looks.push(Resident::read(&status, &rollup)?);
    }
    Ok(looks)
}
