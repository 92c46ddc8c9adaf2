//! What must hold after each schedule: told by git, `find`, `sha256sum` and the databases' files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::plan::Side;
use super::scene::{Scene, other};
use super::vm::Place;
use super::world::World;
use crate::journey::outside::sqlite_texts;
use crate::states::{Here, Shell, Told, differences, look};

/// Names of what is only there while something is made.
const PASSING: &str = r"find . -name '.arriving-*' -prune -print -o -name '*.arriving' -print -o -path '*/.git/*.lock' -print";

/// What there is of a workspace on one side.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// Its working state.
    told: Told,
    /// The rows of its conversation, and the hashes of its transcripts.
    conversation: Vec<String>,
}

/// What the copy on the side that does not own the workspace has to be.
pub(super) enum Copy<'a> {
    /// What left from there, off its branch.
    Of(&'a Known),
    /// Nothing or something, as before.
    AsItWas(Option<Told>),
}

fn data(world: &World, side: Side) -> PathBuf {
    world.home(side).join(match side {
        Side::Desktop => ".local/share/factory-factory",
        Side::Cloud => ".local/share/ff-agent",
    })
}

/// A shell in the workspace's directory on a side, if there is one.
pub(super) fn shell(world: &World, scene: &Scene, side: Side) -> Result<Option<Place>> {
    let home = world.home(side);
    let name = format!("workspace-{}", scene.workspace);
    let projects = std::fs::read_dir(home.join("factory-factory/worktrees"));
    let projects = projects.into_iter().flatten().flatten();
    let mut found: Vec<_> = projects.map(|it| it.path().join(&name)).collect();
    if side == Side::Desktop {
        found.push(scene.here.clone());
    }
    found.retain(|it| it.is_dir());
    found.dedup();
    ensure!(found.len() <= 1, "the workspace is there twice: {found:?}");
    found.pop().map(|dir| world.place(side, dir)).transpose()
}

/// Where the CLI looks for the transcripts of a directory.
pub(super) fn transcripts(home: &Path, dir: &Path) -> PathBuf {
    let encode = |it: char| if it.is_ascii_alphanumeric() { it } else { '-' };
    let name: String = dir.to_string_lossy().chars().map(encode).collect();
    home.join(".claude/projects").join(name)
}

/// What there is of a workspace on a side.
///
/// # Errors
/// It has no directory there, or cannot be looked at.
pub(super) async fn know(world: &World, scene: &Scene, side: Side) -> Result<Known> {
    let shell = scene.at(world, side)?;
    let of = format!("WHERE workspace_id = '{}'", scene.workspace);
    let sql = format!(
        "SELECT 'session ' || json_array(id, name, workflow, model, permissions, provider_session_id, permission_mode, queued, held, created_at) FROM sessions {of}
         UNION ALL SELECT 'entry ' || json_array(seq, session_id, kind, payload, created_at) FROM journal {of}
         UNION ALL SELECT 'message ' || json_array(id, session_id, uuid, seq, state) FROM messages {of}
         ORDER BY 1"
    );
    let mut conversation = sqlite_texts(&data(world, side).join("core.db"), &sql).await?;
    let home = world.home(side);
    let dir = transcripts(&home, &shell.dir);
    let name = format!("{}.jsonl", scene.conversation);
    let hash = Here { dir, home };
    let hash = hash.run(&format!("sha256sum {name}"));
    let hash = hash.context("the transcript is not where the CLI looks for it")?;
    conversation.push(String::from_utf8(hash)?);
    ensure!(
        conversation.len() >= 6,
        "a conversation is missing: {conversation:?}"
    );
    let told = look(&shell)?;
    Ok(Known { told, conversation })
}

/// What lies on a side, if anything does.
///
/// # Errors
/// It cannot be looked at.
pub(super) fn copy(world: &World, scene: &Scene, side: Side) -> Result<Option<Told>> {
    let shell = shell(world, scene, side)?;
    shell.map(|shell| files(&shell)).transpose()
}

/// What a directory holds, whatever it is on.
fn files(shell: &Place) -> Result<Told> {
    let mut told = look(shell)?;
    told.retain(|name, _| ["things", "bytes", "index", "resolved", "broken"].contains(&&**name));
    Ok(told)
}

/// One owner; all there is of the workspace is with it; the other copy is whole; nothing is left
/// behind.
///
/// # Errors
/// What does not hold.
pub(super) async fn check(
    world: &World,
    scene: &Scene,
    owner: Side,
    known: &Known,
    other_copy: &Copy<'_>,
) -> Result<()> {
    let left = left(world, scene).await?;
    ensure!(left.is_empty(), "left behind: {}", left.join("; "));
    let owners = owners(world, scene).await?;
    let is_owner = |it: &String| it.starts_with("cloud ") == (owner == Side::Cloud);
    ensure!(
        owners.len() == 1 && is_owner(&owners[0]),
        "{owner:?} is to own it: {owners:?}"
    );
    let now = know(world, scene, owner).await?;
    let lost = differences(&known.told, &now.told);
    ensure!(lost.is_empty(), "with its owner: {}", lost.join("\n"));
    ensure!(
        now.conversation == known.conversation,
        "the conversation was {:#?} and is {:#?}",
        known.conversation,
        now.conversation
    );
    let retained = format!("refs/ff/retained/{}", scene.workspace);
    let hidden = refs(&scene.at(world, owner)?, &retained)?;
    ensure!(hidden.is_empty(), "its owner has {hidden}");
    let loser = other(owner);
    match (shell(world, scene, loser)?, other_copy) {
        (None, Copy::AsItWas(None)) => Ok(()),
        (None, _) => Err(anyhow::anyhow!("the copy that stayed is gone")),
        (Some(shell), Copy::AsItWas(was)) => {
            let was = was.as_ref().context("a copy is there that was not")?;
            same(was, &files(&shell)?)
        }
        (Some(shell), Copy::Of(known)) => {
            let mut was = known.told.clone();
            let now = files(&shell)?;
            was.retain(|name, _| now.contains_key(name));
            same(&was, &now)?;
            let on = shell.run("git symbolic-ref -q HEAD || echo none")?;
            let on = String::from_utf8_lossy(&on).trim().to_owned();
            ensure!(on == "none", "the copy that stayed is on {on}");
            let kept = refs(&shell, &retained)?;
            let head = known
                .told
                .get("head")
                .map(String::as_str)
                .unwrap_or_default();
            let kept = kept.split(' ').next().unwrap_or_default();
            ensure!(
                !kept.is_empty() && head.contains(kept),
                "{retained} keeps {kept}, and what left was {head}"
            );
            Ok(())
        }
    }
}

fn same(was: &Told, now: &Told) -> Result<()> {
    let lost = differences(was, now);
    ensure!(
        lost.is_empty(),
        "in the copy that stayed: {}",
        lost.join("\n")
    );
    Ok(())
}

fn refs(shell: &dyn Shell, pattern: &str) -> Result<String> {
    let asked = format!("git for-each-ref --format='%(objectname) %(refname)' {pattern}");
    Ok(String::from_utf8(shell.run(&asked)?)?.trim().to_owned())
}

/// What each of the three says of owner, epoch and hand-off, each once.
async fn owners(world: &World, scene: &Scene) -> Result<Vec<String>> {
    let query = format!(
        "SELECT owner || ' ' || epoch || ' ' || COALESCE(handoff_id, '-') FROM workspaces WHERE id = '{}'",
        scene.workspace
    );
    let mut owners: Vec<String> = Vec::new();
    for (database, name) in databases(world).iter().zip(["server", "desktop", "agent"]) {
        for said in sqlite_texts(database, &query).await? {
            if !owners.iter().any(|it| it.starts_with(&said)) {
                owners.push(format!("{said} says the {name}"));
            }
        }
    }
    Ok(owners)
}

fn databases(world: &World) -> [PathBuf; 3] {
    let core = |side| data(world, side).join("core.db");
    [world.database(), core(Side::Desktop), core(Side::Cloud)]
}

/// What has still to be settled.
///
/// # Errors
/// It cannot be looked at.
pub(super) async fn left(world: &World, scene: &Scene) -> Result<Vec<String>> {
    let mut left = Vec::new();
    let owners = owners(world, scene).await?;
    if owners.len() != 1 || !owners[0].contains(" - says") {
        left.push(format!("owners {owners:?}"));
    }
    let [server, desktop, vm] = databases(world);
    let open =
        "SELECT id || ' ' || state FROM handoffs WHERE state NOT IN ('FINALIZED', 'ABORTED')";
    let open = sqlite_texts(&server, open).await?;
    left.extend(open.iter().map(|it| format!("the server's hand-off {it}")));
    for database in [desktop, vm] {
        let open = "SELECT role || ' ' || id FROM handoffs WHERE committed IS NULL";
        let open = sqlite_texts(&database, open).await?;
        left.extend(open.iter().map(|it| format!("hand-off as {it}")));
    }
    for side in [Side::Desktop, Side::Cloud] {
        let data = data(world, side);
        for dir in [data.join("spool"), data.join("moves")] {
            let files = std::fs::read_dir(&dir).into_iter().flatten().flatten();
            left.extend(files.map(|it| it.path().display().to_string()));
        }
        let home = world.home(side);
        let here = Here {
            dir: home.clone(),
            home,
        };
        let passing = String::from_utf8(here.run(PASSING)?)?;
        left.extend(passing.lines().map(str::to_owned));
    }
    left.extend(hidden(world, scene)?);
    Ok(left)
}

/// Refs of hand-offs under way, in both repositories.
fn hidden(world: &World, scene: &Scene) -> Result<Vec<String>> {
    let mut all = Vec::new();
    let here = Place::here(world.desktop(), scene.repo.clone());
    let there = shell(world, scene, Side::Cloud)?;
    for shell in [Some(here), there].into_iter().flatten() {
        let found = refs(&shell, "refs/ff/incoming")?;
        all.extend(found.lines().map(str::to_owned));
    }
    Ok(all)
}
