//! Waking: from the request to open a terminal in a sleeping VM until the terminal's first byte.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ff_client::CloudClient;
use ff_protocol::agent::SuspendTier;
use ff_protocol::vm::{Vm, VmState};
use hyper::{Method, StatusCode};
use serde_json::json;

use super::clock::{self, pair, timed};
use super::docker::Home;
use super::http::Http;
use super::report::{Goal, Row, Unit};
use super::server::{Kind, Server};
use super::{Bench, user};

const ASLEEP: Duration = Duration::from_secs(90);

pub(super) async fn frozen(bench: &Bench) -> Result<Vec<Row>> {
    let goal = Goal::P99(50.0);
    let (ours, bare) = measure(bench, SuspendTier::Frozen, (1000, 20)).await?;
    Ok(rows(
        "resume from frozen",
        "  bare unpause",
        goal,
        ours,
        bare,
    ))
}

pub(super) async fn stopped(bench: &Bench) -> Result<Vec<Row>> {
    let goal = Goal::Ratio(1.25);
    let (ours, bare) = measure(bench, SuspendTier::Stopped, (20, 5)).await?;
    Ok(rows(
        "resume from stopped",
        "  bare start",
        goal,
        ours,
        bare,
    ))
}

fn rows(what: &str, reference: &str, goal: Goal, ours: Vec<f64>, bare: Vec<f64>) -> Vec<Row> {
    let row = Row::new(what, Unit::Millis, ours).map(|row| row.against(&bare).goal(goal));
    let reference = Row::new(reference, Unit::Millis, bare);
    row.into_iter().chain(reference).collect()
}

async fn measure(
    bench: &Bench,
    tier: SuspendTier,
    (full, quick): (usize, usize),
) -> Result<(Vec<f64>, Vec<f64>)> {
    let name = match tier {
        SuspendTier::Frozen => "frozen",
        SuspendTier::Stopped => "stopped",
    };
    let server = Server::start(&bench.settings, Kind::Docker { pool: 0 }).await?;
    let who = format!("bench-{name}");
    let (client, http) = (server.client(&who)?, server.http().of_user(&who));
    let vm = user::first_use(&client).await?.vm;
    for terminal in client
        .engine()
        .terminals(&ff_client::TerminalPlace::Vm(vm.id.clone()))
        .await?
    {
        user::close_terminal(&client, &vm, &terminal.id).await?;
    }
    let container = bench.references.run(Home::Volume).await?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for n in 0..bench.settings.samples(full, quick) {
        let own = async || {
            put_to_sleep(bench, &client, &http, &vm, tier).await?;
            let (took, terminal) = timed(user::open_terminal(&client, &vm)).await?;
            user::close_terminal(&client, &vm, &terminal).await?;
            ours.push(took);
            anyhow::Ok(())
        };
        let reference = async || {
            bare.push(wake_bare(bench, &container, tier).await?);
            anyhow::Ok(())
        };
        pair(n, own, reference).await?;
        bench.progress(name, n + 1);
    }
    bench.references.remove(&container).await?;
    bench.references.remove_homes().await?;
    client.delete_vm(&vm.id).await?;
    server.stop().await?;
    Ok((ours, bare))
}

/// Suspends the VM, and sees in Docker that it sleeps as deep as asked.
async fn put_to_sleep(
    bench: &Bench,
    client: &CloudClient,
    http: &Http,
    vm: &Vm,
    tier: SuspendTier,
) -> Result<()> {
    let path = format!("/api/vms/{}/suspend", vm.id);
    let body = json!({ "tier": tier });
    clock::until("the VM may sleep", ASLEEP, async || {
        let answer = http.call(Method::POST, &path, Some(&body)).await?;
        ensure!(
            answer.status != StatusCode::NOT_FOUND,
            "this ff-cloud has no POST /api/vms/{{id}}/suspend: nothing can be put to sleep"
        );
        // The shell of the terminal closed just now may still be ending.
        if answer.status == StatusCode::CONFLICT {
            return Ok(false);
        }
        answer.ok("suspend the VM").map(|_| true)
    })
    .await?;
    let (state, status) = match tier {
        SuspendTier::Frozen => (VmState::Frozen, "paused"),
        SuspendTier::Stopped => (VmState::Stopped, "exited"),
    };
    clock::until("the VM sleeps", ASLEEP, async || {
        Ok(client.vm(&vm.id).await?.state == state)
    })
    .await?;
    let container = vm
        .container_id
        .as_deref()
        .context("the VM has no container")?;
    let found = bench.references.docker().status(container).await?;
    ensure!(
        found == status,
        "the VM's container is {found}, not {status}"
    );
    Ok(())
}

/// Milliseconds that the engine takes to wake a bare container.
async fn wake_bare(bench: &Bench, container: &str, tier: SuspendTier) -> Result<f64> {
    let references = &bench.references;
    let wake = match tier {
        SuspendTier::Frozen => {
            // An engine that hears late of a pause takes a running container for a paused one.
            if references.act(container, "pause").await.is_err() {
                let _ = references.act(container, "unpause").await;
                references.act(container, "pause").await?;
            }
            "unpause"
        }
        SuspendTier::Stopped => {
            references.end(container).await?;
            "start"
        }
    };
    let (took, ()) = timed(references.act(container, wake)).await?;
    Ok(took)
}
