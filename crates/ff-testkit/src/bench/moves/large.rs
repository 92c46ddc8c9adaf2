//! A repository of 200 MB with a thousand dirty files: sent and pulled, beside a `git clone` from the
//! same git host and an `rsync` of the dirty files, without ssh. A move writes all through to the disk before
//! it is done; the reference has to as well, or whoever syncs next would pay for it. Nothing is removed in
//! between: ext4 passes over inodes that were given free in the last minutes, one by one, and who comes next
//! would pay for that.

use std::path::Path;

use anyhow::Result;
use tokio::process::Command;

use super::desktop::Desktop;
use super::steps::Steps;
use crate::bench::Bench;
use crate::bench::clock::{pair, timed};
use crate::bench::report::{Goal, Row, Unit};

/// Files of 100 kB that do not get smaller, and small ones.
const CONTENT: &str = "
mkdir large small
for n in $(seq 40); do
    mkdir large/$n small/$n
    head -c 5000000 /dev/urandom | split -b 100000 -a 3 - large/$n/f
    head -c 200000 /dev/urandom | base64 | split -b 5000 -a 3 - small/$n/f
done";
/// A thousand: half of them changed, half of them new.
const DIRTY: &str = "
ls small/*/* | head -500 | while read -r f; do echo 'a line more' >> \"$f\"; done
mkdir -p fresh
head -c 2500000 /dev/urandom | split -b 5000 -a 3 - fresh/f
git status --porcelain -uall | cut -c4- > ../dirty
test $(wc -l < ../dirty) = 1000";

pub(in crate::bench) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let mut desktop = Desktop::new(bench).await?;
    let first = desktop.world.home().join("first");
    std::fs::create_dir(&first)?;
    let bare = desktop.bare("large").await?;
    desktop
        .sh_in(
            &first,
            &format!(
                "git init -q --initial-branch=main; {CONTENT}
                 git add -A; git commit -qm Begin; git push -q {} main",
                bare.display()
            ),
        )
        .await?;
    let size = desktop
        .sh_in(&bare, "du -sb --apparent-size . | cut -f1")
        .await?;
    let size = size.trim().parse::<f64>()? / 1e6;
    let (mut sends, mut pulls) = (vec![], vec![]);
    let (mut clones, mut returns) = (References::default(), References::default());
    let (mut there_by, mut back_by) = (Steps::default(), Steps::default());
    for n in 0..bench.settings.samples(7, 2) {
        let one = One::new(bench, &desktop, &bare, n).await?;
        let send = async || {
            sends.push(there_by.of(one.ff("send")).await?);
            anyhow::Ok(())
        };
        let there = async || {
            clones.add(one.reference_there().await?);
            anyhow::Ok(())
        };
        pair(n, send, there).await?;
        let pull = async || {
            pulls.push(back_by.of(one.ff("pull")).await?);
            anyhow::Ok(())
        };
        let here = async || {
            returns.add(one.reference_here().await?);
            anyhow::Ok(())
        };
        // The VM's copy is what the reference brings, so it comes first in every second pair only.
        pair(n, pull, here).await?;
        bench.progress("large moves", n + 1);
    }
    desktop.world.stop_server().await?;
    let has = format!("the bare repository has {size:.0} MB; the VM has no clone before");
    let had = "the desktop has the commits and its old copy".to_owned();
    let mut rows = Vec::new();
    for (name, own, steps, references, note) in [
        (
            "send, 200 MB, 1,000 dirty files",
            sends,
            there_by,
            clones,
            has,
        ),
        ("pull of the same", pulls, back_by, returns, had),
    ] {
        let cached = Row::new(
            "  beside one that leaves it in the cache",
            Unit::Millis,
            own.clone(),
        );
        let row = Row::new(name, Unit::Millis, own);
        rows.extend(row.map(|row| {
            row.against(&references.written)
                .goal(Goal::Ratio(1.2))
                .note(note)
        }));
        rows.extend(cached.map(|row| row.against(&references.cached)));
        rows.extend(steps.rows());
        rows.extend(references.rows());
    }
    Ok(rows)
}

/// How long the reference takes: until its programs end, and until all of it is on the disk.
#[derive(Default)]
struct References {
    cached: Vec<f64>,
    written: Vec<f64>,
}

impl References {
    fn add(&mut self, (cached, synced): (f64, f64)) {
        self.cached.push(cached);
        self.written.push(cached + synced);
    }

    fn rows(self) -> impl Iterator<Item = Row> {
        let cached = Row::new("  git clone + rsync", Unit::Millis, self.cached);
        let written = Row::new("  git clone + rsync + sync", Unit::Millis, self.written);
        cached.into_iter().chain(written)
    }
}

/// A repository of its own at the git host, with a workspace.
struct One<'a> {
    bench: &'a Bench,
    desktop: &'a Desktop,
    name: String,
    id: String,
    dir: std::path::PathBuf,
    list: std::path::PathBuf,
}

impl<'a> One<'a> {
    async fn new(bench: &'a Bench, desktop: &'a Desktop, bare: &Path, n: usize) -> Result<Self> {
        let name = format!("large-{n}");
        let own = desktop.bare(&name).await?;
        let repo = desktop.world.home().join("src").join(&name);
        let (bare, own, at) = (bare.display(), own.display(), repo.display());
        desktop
            .sh(&format!(
                "rm -rf {own}/objects; cp -al {bare}/objects {own}/objects; cp -r {bare}/refs/. {own}/refs/
                 [ ! -e {bare}/packed-refs ] || cp {bare}/packed-refs {own}/
                 git clone -q {own} {at}; cd {at}; git remote set-url origin https://github.com/octo/{name}.git"
            ))
            .await?;
        let (id, dir) = desktop.workspace(&repo, &name).await?;
        desktop.sh_in(&dir, DIRTY).await?;
        desktop.sh("sync").await?;
        let list = dir.with_file_name("dirty");
        Ok(Self {
            bench,
            desktop,
            name,
            id,
            dir,
            list,
        })
    }

    fn ff(&self, verb: &str) -> Command {
        self.desktop.ff(self.bench, [verb, &self.id])
    }

    /// In the VM: the time of the clone, by the VM's clock, and of the copy; and that of writing it to the disk.
    async fn reference_there(&self) -> Result<(f64, f64)> {
        let to = format!("reference-{}", self.name);
        let cloned = self.desktop.clone_in_vm(&self.name, &to).await?;
        let from = match self.dir.is_dir() {
            true => self.dir.clone(),
            false => self.desktop.checkout_in_vm(&self.id)?,
        };
        let to = self.desktop.home_of_vm().join(to);
        let copied = self.copy(&from, &to).await?;
        Ok((cloned + copied, self.sync(&to).await?))
    }

    async fn reference_here(&self) -> Result<(f64, f64)> {
        let to = format!("reference-{}", self.name);
        let to = self.desktop.world.home().join(to);
        let clone = self.desktop.clone_here(&self.name, &to)?;
        let (cloned, _) = timed(self.desktop.sh(&clone)).await?;
        let copied = self.copy(&self.dir, &to).await?;
        Ok((cloned + copied, self.sync(&to).await?))
    }

    /// Writes the file system of a directory through to the disk.
    async fn sync(&self, dir: &Path) -> Result<f64> {
        let sync = format!("sync --file-system {}", dir.display());
        Ok(timed(self.desktop.sh(&sync)).await?.0)
    }

    async fn copy(&self, from: &Path, to: &Path) -> Result<f64> {
        let (list, from, to) = (self.list.display(), from.display(), to.display());
        let copy = format!("rsync -a --files-from={list} {from}/ {to}/");
        Ok(timed(self.desktop.sh(&copy)).await?.0)
    }
}
