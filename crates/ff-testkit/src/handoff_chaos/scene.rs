//! One workspace: it is made, worked in, moved while something goes wrong, and moved once more.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::plan::{Harm, Operation, Point, Side};
use super::verdict::{self, Copy};
use super::vm::Place;
use super::world::{World, share};
use crate::chaos::random::Random;
use crate::journey::outside::sqlite_change;
use crate::journey::process::{Ran, tail};
use crate::states::{BASE, Here, Kind, Shell, after, stories};

/// Runs of a command until it must have worked.
const TRIES: usize = 4;
const BETWEEN: Duration = Duration::from_secs(1);
/// Until everybody has heard how it ended: the server tells once a minute what was missed.
const SETTLES: Duration = Duration::from_secs(100);
/// Kinds of state beside those that each workspace has.
const OTHERS: usize = 3;
const ALWAYS: [Kind; 5] = [
    Kind::Commits,
    Kind::Stash,
    Kind::StagedAndEdited,
    Kind::Unstaged,
    Kind::Untracked,
];
/// Where a move is cut that is to be given up: the other side has its parts, or has restored them.
const CUTS: [&str; 2] = ["move.restored", "move.carried"];

/// The workspace.
pub(super) struct Scene {
    /// Its id.
    pub(super) workspace: String,
    /// Its directory on the desktop.
    pub(super) here: PathBuf,
    /// Its repository on the desktop.
    pub(super) repo: PathBuf,
    /// The CLI's id of its conversation.
    pub(super) conversation: String,
    random: Random,
}

/// How a schedule went.
#[derive(Debug, Clone)]
pub(super) struct Played {
    /// Where somebody came to in the operation.
    pub(super) came_to: Vec<Point>,
    /// Whether the harm came about.
    pub(super) hit: bool,
    /// Bytes that went up and down in the operation.
    pub(super) carried: (u64, u64),
}

impl Scene {
    /// Makes it, with work and a conversation in it.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) async fn begin(world: &World, name: &str, seed: u64) -> Result<Self> {
        let mut random = Random::new(seed);
        let (bare, address) = world.remote(name).await?;
        let repo = world.desktop().join("src").join(name);
        std::fs::create_dir_all(&repo)?;
        let home = world.desktop();
        let at = |dir: &PathBuf| Here {
            home: home.clone(),
            dir: dir.clone(),
        };
        at(&repo).run(&format!(
            "set -e\ngit init -q --initial-branch=main\n{BASE}\ngit remote add origin {address}\ngit push -q {} main",
            bare.display()
        ))?;
        let path = repo.to_string_lossy();
        world.ff(&["project", "add", &path]).ok().await?;
        let new = ["--json", "workspace", "new", "A move", "--project", name];
        let made = world.ff(&new).json().await?;
        let text = |key: &str| -> Result<String> {
            let found = made.get("workspace").unwrap_or(&made).get(key);
            let found = found.and_then(Value::as_str).map(str::to_owned);
            found.with_context(|| format!("the workspace has no {key}: {made}"))
        };
        let scene = Self {
            workspace: text("id")?,
            here: text("worktreePath")?.into(),
            conversation: format!("{:08x}-0000-7000-8000-000000000001", seed & 0xffff_ffff),
            random: random.clone(),
            repo,
        };
        let story = stories(random.number(), 1);
        let others = story.iter().flat_map(|it| it.kinds.iter().copied());
        let others: Vec<Kind> = others.take(OTHERS).collect();
        let chosen = |kind: &&Kind| ALWAYS.contains(kind) || others.contains(kind);
        for kind in Kind::ALL.iter().filter(chosen) {
            let made = at(&scene.here).run(&kind.script(&mut random));
            made.with_context(|| format!("{kind:?} cannot be made"))?;
        }
        // More than a connection holds, so that it can be cut in the middle.
        at(&scene.here).run("head -c 400000 /dev/urandom > large")?;
        scene.converse(world).await?;
        Ok(scene)
    }

    /// A conversation with a message that waits, and its transcript.
    async fn converse(&self, world: &World) -> Result<()> {
        let (workspace, conversation) = (&self.workspace, &self.conversation);
        let session = format!("s{}", &conversation[..8]);
        let database = world.desktop().join(".local/share/factory-factory/core.db");
        let now = format!("(SELECT created_at FROM workspaces WHERE id = '{workspace}')");
        sqlite_change(
            &database,
            &format!(
                "INSERT INTO sessions (id, workspace_id, workflow, permissions, status, activity, provider_session_id, queued, held, created_at, updated_at)
                 VALUES ('{session}', '{workspace}', 'user', 'RELAXED', 'IDLE', 'idle', '{conversation}', 1, TRUE, {now}, {now});
                 INSERT INTO journal (workspace_id, seq, session_id, kind, payload, created_at)
                 VALUES ('{workspace}', 1, '{session}', 'user_message', '{{\"text\":\"was said\"}}', {now}),
                        ('{workspace}', 2, '{session}', 'user_message', '{{\"text\":\"waits\"}}', {now});
                 INSERT INTO messages (workspace_id, id, session_id, uuid, seq, state)
                 VALUES ('{workspace}', 'm-1', '{session}', '{conversation}', 1, 'DONE'),
                        ('{workspace}', 'm-2', '{session}', '{conversation}', 2, 'QUEUED');"
            ),
        )
        .await?;
        let transcripts = verdict::transcripts(&world.desktop(), &self.here);
        std::fs::create_dir_all(&transcripts)?;
        let line = format!("{{\"type\":\"user\",\"sessionId\":\"{conversation}\"}}\n");
        std::fs::write(transcripts.join(format!("{conversation}.jsonl")), line)?;
        Ok(())
    }

    /// Plays a schedule, or the operation alone, with its verdict.
    ///
    /// # Errors
    /// What did not hold.
    pub(super) async fn play(
        &mut self,
        world: &mut World,
        operation: Operation,
        harm: Option<(&Harm, (u64, u64))>,
    ) -> Result<Played> {
        if !operation.is_send() {
            self.calm(world, true).await.context("to the cloud first")?;
            let there = self.at(world, Side::Cloud)?;
            let worked = there.run(&after(&mut self.random));
            worked.context("nothing can be done there")?;
            world.forget_hits()?;
        }
        let from = match operation.is_send() {
            true => Side::Desktop,
            false => Side::Cloud,
        };
        let known = verdict::know(world, self, from).await?;
        let stayed = verdict::copy(world, self, other(from))?;
        let before = world.carried();
        let hit = self.harmed(world, operation, harm).await?;
        let (after, came_to) = (world.carried(), world.hits()?);
        let owner = match operation.ends_in_cloud() {
            true => Side::Cloud,
            false => Side::Desktop,
        };
        let left_behind = match operation.is_abort() {
            true => Copy::AsItWas(stayed),
            false => Copy::Of(&known),
        };
        verdict::check(world, self, owner, &known, &left_behind).await?;
        // And the workspace goes on its way.
        let from = owner;
        let known = verdict::know(world, self, from).await?;
        self.calm(world, from == Side::Desktop)
            .await
            .context("the next move")?;
        verdict::check(world, self, other(from), &known, &Copy::Of(&known))
            .await
            .context("after the next move")?;
        Ok(Played {
            hit,
            came_to,
            carried: (after.0 - before.0, after.1 - before.1),
        })
    }

    /// A shell in the workspace on a side.
    pub(super) fn at(&self, world: &World, side: Side) -> Result<Place> {
        verdict::shell(world, self, side)?.context("the workspace has no directory there")
    }

    /// Moves it with nothing in the way; one run must do.
    async fn calm(&self, world: &mut World, to_cloud: bool) -> Result<()> {
        let verb = if to_cloud { "send" } else { "pull" };
        world.ff(&[verb, &self.workspace]).ok().await?;
        self.settle(world).await
    }

    async fn settle(&self, world: &mut World) -> Result<()> {
        world
            .until(SETTLES, async |world| verdict::left(world, self).await)
            .await
    }

    /// The operation, with a harm; then the same command until it works. Whether the harm came.
    async fn harmed(
        &mut self,
        world: &mut World,
        operation: Operation,
        harm: Option<(&Harm, (u64, u64))>,
    ) -> Result<bool> {
        let verb = match operation.is_send() {
            true => "send",
            false => "pull",
        };
        let workspace = self.workspace.clone();
        let mut args = vec![verb, workspace.as_str()];
        if operation.is_abort() {
            let at = harm.map_or(0, |_| self.random.below(CUTS.len()));
            let cut = Harm::Killed(Point {
                side: Side::Desktop,
                name: CUTS[at].to_owned(),
            });
            world.arm(&cut, 0)?;
            world.supervised(&args).await?;
            ensure!(world.disarm()?, "the move was not cut");
            world.forget_hits()?;
            args.push("--abort");
        }
        if let Some((harm, carried)) = harm {
            let at = match harm {
                Harm::Cut(way, _) => {
                    let most = usize::try_from(share(carried, *way) * 9 / 10)?;
                    self.random.below(most) as u64 + 1
                }
                _ => 0,
            };
            world.arm(harm, at)?;
        }
        let mut ran = world.supervised(&args).await?;
        for _ in 1..TRIES {
            if ran.as_ref().is_some_and(is_done) {
                break;
            }
            tokio::time::sleep(BETWEEN).await;
            ran = world.supervised(&args).await?;
        }
        let said = ran.as_ref().map(|it| tail(&it.stderr, 1500)).unwrap_or("-");
        ensure!(
            ran.as_ref().is_some_and(is_done),
            "`ff {}` does not work again: {said}",
            args.join(" ")
        );
        self.settle(world)
            .await
            .with_context(|| format!("the last `ff` said: {said}"))?;
        world.disarm()
    }
}

/// Whether a command has done what it is for, or says that an earlier one has.
fn is_done(ran: &Ran) -> bool {
    let earlier = [
        "is in the cloud already",
        "is not in the cloud",
        "is not being moved",
    ];
    ran.code == 0 || earlier.iter().any(|it| ran.stderr.contains(it))
}

/// The other side.
pub(super) fn other(side: Side) -> Side {
    match side {
        Side::Desktop => Side::Cloud,
        Side::Cloud => Side::Desktop,
    }
}
