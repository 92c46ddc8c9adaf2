//! Claim from the pool: `POST /api/vms` sent, until the first command typed in a terminal through
//! the server returned its output. The pool is refilled all the while.

use anyhow::Result;

use super::clock::{pair, timed};
use super::docker::Home;
use super::report::{Goal, Row, Unit};
use super::server::{Kind, Server};
use super::settings::POOL;
use super::{Bench, pool, user};

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let server = Server::start(&bench.settings, Kind::Docker { pool: POOL }).await?;
    let http = server.http().speaking_as("bench");
    pool::full(&http).await?;
    let before = pool::look(&http).await?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for n in 0..bench.settings.samples(1000, 20) {
        let client = server.client(&format!("bench-claim-{n}"))?;
        let own = async || {
            // So that a miss is the pool's own doing.
            pool::ready(&http).await?;
            let (took, vm) = timed(user::first_use(&client)).await?;
            client.delete_vm(&vm.id).await?;
            ours.push(took);
            anyhow::Ok(())
        };
        let reference = async || {
            // The reference has the machine for itself.
            pool::full(&http).await?;
            bare.push(bench.bare(Home::None).await?);
            anyhow::Ok(())
        };
        pair(n, own, reference).await?;
        bench.progress("claim", n + 1);
    }
    let said = pool::between(&before, &pool::look(&http).await?);
    server.stop().await?;
    let goal = Goal::Percentiles {
        p50: 30.0,
        p99: 60.0,
    };
    let row = Row::new("claim from the pool", Unit::Millis, ours);
    let row = row.map(|row| row.against(&bare).goal(goal).note(said));
    let reference = Row::new("  bare create + start", Unit::Millis, bare);
    Ok(row.into_iter().chain(reference).collect())
}
