//! Twenty first users at once, with a pool of twenty: from the first request until each, and the
//! last, had the output of a first command.

use anyhow::Result;
use futures_util::future::{join_all, try_join_all};

use super::clock::{millis, pair, timed};
use super::docker::Home;
use super::report::{Goal, Row, Unit};
use super::server::{Kind, Server};
use super::settings::POOL;
use super::{Bench, pool, user};

const USERS: usize = POOL as usize;

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let server = Server::start(&bench.settings, Kind::Docker { pool: POOL }).await?;
    let http = server.http().speaking_as("bench");
    pool::full(&http).await?;
    let before = pool::look(&http).await?;
    let (mut each, mut last, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    let rounds = bench.settings.samples(1000, 2 * USERS).div_ceil(USERS);
    for round in 0..rounds {
        let own = async || {
            pool::full(&http).await?;
            let users = users(&server, round).await?;
            last.push(users.iter().copied().fold(0.0, f64::max));
            each.extend(users);
            anyhow::Ok(())
        };
        let reference = async || {
            pool::full(&http).await?;
            bare.push(twenty_bare(bench).await?);
            anyhow::Ok(())
        };
        pair(round, own, reference).await?;
        bench.progress("burst", round + 1);
    }
    let said = pool::between(&before, &pool::look(&http).await?);
    server.stop().await?;
    let each = Row::new("20 users at once: each", Unit::Millis, each);
    let each = each.map(|row| row.goal(Goal::P99(300.0)).note(said));
    let last = Row::new("20 users at once: last of a round", Unit::Millis, last);
    let last = last.map(|row| row.against(&bare));
    let bare = Row::new("  20 bare create + start: last", Unit::Millis, bare);
    Ok([each, last, bare].into_iter().flatten().collect())
}

/// Milliseconds from the first request until each user's first output.
async fn users(server: &Server, round: usize) -> Result<Vec<f64>> {
    let clients = (0..USERS).map(|n| server.client(&format!("bench-burst-{round}-{n}")));
    let clients = clients.collect::<Result<Vec<_>>>()?;
    let begun = std::time::Instant::now();
    let uses = clients.iter().map(async |client| {
        let vm = user::first_use(client).await;
        (millis(begun.elapsed()), vm)
    });
    let mut took = Vec::new();
    for (client, (each, vm)) in clients.iter().zip(join_all(uses).await) {
        client.delete_vm(&vm?.id).await?;
        took.push(each);
    }
    Ok(took)
}

/// Milliseconds until the last of twenty bare containers, asked for at once, has started.
async fn twenty_bare(bench: &Bench) -> Result<f64> {
    let runs = (0..USERS).map(|_| bench.references.run(Home::None));
    let (took, made) = timed(try_join_all(runs)).await?;
    for id in made {
        bench.references.remove(&id).await?;
    }
    Ok(took)
}
