//! The most memory that our own programs take in a hand-off of two gigabytes, one of them in
//! commits; and what git takes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};

use super::desktop::{Desktop, listened};
use crate::bench::Bench;
use crate::bench::report::{Goal, Row, Unit};

/// Between two looks at the processes.
const EVERY: Duration = Duration::from_millis(20);
const OURS: [&str; 3] = ["ff", "ff-cloud", "ff-agent"];

pub(in crate::bench) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let mut desktop = Desktop::new(bench).await?;
    let repo = desktop.world.home().join("src/huge");
    std::fs::create_dir_all(&repo)?;
    let bare = desktop.bare("huge").await?;
    let begin = format!(
        "git init -q --initial-branch=main; echo begin > begin
         git add -A; git commit -qm Begin; git push -q {} main
         git remote add origin https://github.com/octo/huge.git",
        bare.display()
    );
    desktop.sh_in(&repo, &begin).await?;
    let mut most: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for n in 0..bench.settings.samples(3, 1) {
        let (id, dir) = match n {
            0 => desktop.workspace(&repo, "huge").await?,
            _ => desktop.workspace_in("huge").await?,
        };
        let fill = "mkdir committed loose
            for n in $(seq 20); do head -c 50000000 /dev/urandom > committed/$n; done
            git add -A; git -c core.compression=0 commit -qm 'A gigabyte'
            for n in $(seq 20); do head -c 50000000 /dev/urandom > loose/$n; done";
        desktop.sh_in(&dir, fill).await?;
        for verb in ["send", "pull"] {
            let command = desktop.ff(bench, [verb, &id]);
            for (name, bytes) in watched(listened(command, |_| ())).await? {
                let name = match name.as_str() {
                    "ff" => format!("ff {verb}"),
                    other => other.to_owned(),
                };
                most.entry(name).or_default().push(bytes as f64 / 1e6);
            }
        }
        desktop
            .world
            .ff(["workspace", "delete", "--yes", &id])
            .ok()
            .await?;
        bench.progress("memory of moves", n + 1);
    }
    desktop.world.stop_server().await?;
    let rows = most.into_iter().filter_map(|(name, peaks)| {
        let ours = OURS.iter().any(|it| name.split(' ').next() == Some(it));
        let row = Row::new(
            format!("2 GB hand-off, peak of {name}"),
            Unit::Megabytes,
            peaks,
        )?;
        Some(match ours {
            true => row.goal(Goal::Most(64.0)).note("VmHWM"),
            false => row.note("VmHWM of the largest of its processes; mapped packs count"),
        })
    });
    Ok(rows.collect())
}

/// The most that each program took while something was done.
async fn watched(work: impl Future<Output = Result<()>>) -> Result<BTreeMap<String, u64>> {
    for (_, dir) in processes()? {
        // So that the peak is one of now (proc(5), "clear_refs").
        let _ = std::fs::write(dir.join("clear_refs"), "5");
    }
    let mut most = BTreeMap::new();
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done.map(|()| most),
            () = tokio::time::sleep(EVERY) => look(&mut most)?,
        }
    }
}

fn look(most: &mut BTreeMap<String, u64>) -> Result<()> {
    for (name, dir) in processes()? {
        // It may have ended since.
        let Ok(status) = std::fs::read_to_string(dir.join("status")) else {
            continue;
        };
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let Some(peak) = peak else { continue };
        let kilobytes = peak.trim().trim_end_matches(" kB").trim();
        let bytes = kilobytes.parse::<u64>().context("VmHWM is no number")? * 1024;
        let seen = most.entry(name).or_default();
        *seen = bytes.max(*seen);
    }
    Ok(())
}

/// Programs of ours that run on this machine, also in containers, and git.
fn processes() -> Result<Vec<(String, std::path::PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let comm = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let name = comm.trim();
        if OURS.contains(&name) || name == "git" {
            found.push((name.to_owned(), entry.path()));
        }
    }
    Ok(found)
}
