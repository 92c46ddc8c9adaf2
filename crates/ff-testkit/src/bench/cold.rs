//! Cold provision: no pool, from `POST /api/vms` until the first command's output.

use anyhow::Result;

use super::clock::{pair, timed};
use super::docker::Home;
use super::report::{Goal, Row, Unit};
use super::server::{Kind, Server};
use super::{Bench, user};

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let server = Server::start(&bench.settings, Kind::Docker { pool: 0 }).await?;
    let (mut ours, mut answered) = (Vec::new(), Vec::new());
    let (mut bare, mut with_home) = (Vec::new(), Vec::new());
    for n in 0..bench.settings.samples(20, 5) {
        let client = server.client(&format!("bench-cold-{n}"))?;
        let own = async || {
            let (took, used) = timed(user::first_use(&client)).await?;
            client.delete_vm(&used.vm.id).await?;
            ours.push(took);
            answered.push(used.answered);
            anyhow::Ok(())
        };
        let reference = async || {
            bare.push(bench.bare(Home::None).await?);
            with_home.push(bench.bare(Home::Volume).await?);
            anyhow::Ok(())
        };
        pair(n, own, reference).await?;
        bench.progress("cold", n + 1);
    }
    server.stop().await?;
    let row = Row::new("cold provision", Unit::Millis, ours.clone());
    let row = row.map(|row| row.against(&bare).goal(Goal::Ratio(1.25)));
    let answered = Row::new("  of which until POST answered", Unit::Millis, answered);
    let other = Row::new("  the same, by a reference with a home", Unit::Millis, ours);
    let other = other.map(|row| row.against(&with_home));
    let bare = Row::new("  bare create + start", Unit::Millis, bare);
    let with_home = Row::new(
        "  create + start with a home volume",
        Unit::Millis,
        with_home,
    );
    Ok([row, answered, bare, other, with_home]
        .into_iter()
        .flatten()
        .collect())
}
