//! A small workspace, sent to a VM that is awake and knows its project, by what `ff` says of its
//! steps; beside a bare `git clone` in the VM.

use anyhow::Result;

use super::desktop::Desktop;
use super::steps::Steps;
use crate::bench::Bench;
use crate::bench::clock::pair;
use crate::bench::report::{Goal, Row, Unit};

pub(in crate::bench) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let mut desktop = Desktop::new(bench).await?;
    let repo = desktop.world.home().join("src/small");
    std::fs::create_dir_all(&repo)?;
    let bare = desktop.bare("small").await?;
    desktop
        .sh_in(
            &repo,
            &format!(
                "git init -q --initial-branch=main
                 for n in $(seq 50); do seq $n 200 > f$n; done
                 git add -A; git commit -qm Begin; git push -q {} main
                 git remote add origin https://github.com/octo/small.git",
                bare.display()
            ),
        )
        .await?;
    // The first one brings the project.
    let (id, _) = desktop.workspace(&repo, "small").await?;
    desktop.world.ff(["send", &id]).ok().await?;

    let (mut ours, mut clones) = (Vec::new(), Vec::new());
    let mut steps = Steps::default();
    for n in 0..bench.settings.samples(100, 5) {
        let (id, dir) = desktop.workspace_in("small").await?;
        let script = "git commit -q --allow-empty -m 'Not pushed'; echo more >> f1; echo new > new";
        desktop.sh_in(&dir, script).await?;
        let own = async || {
            ours.push(steps.of(desktop.ff(bench, ["send", &id])).await?);
            anyhow::Ok(())
        };
        let reference = async || {
            clones.push(desktop.clone_in_vm("small", "reference").await?);
            desktop.in_vm("rm -rf ~/reference").await?;
            anyhow::Ok(())
        };
        pair(n, own, reference).await?;
        bench.progress("small send", n + 1);
    }
    desktop.world.stop_server().await?;
    let send = Row::new("send of a small workspace", Unit::Millis, ours);
    let send = send.map(|row| row.against(&clones).goal(Goal::P50(1000.0)));
    let mut rows: Vec<Row> = send.into_iter().collect();
    rows.extend(steps.rows());
    rows.extend(Row::new("  git clone in the VM", Unit::Millis, clones));
    Ok(rows)
}
