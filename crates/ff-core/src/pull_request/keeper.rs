//! The task that keeps what is known of pull requests up to date.
//!
//! Nothing that it does keeps a VM awake: it holds no permit, and the activity of `gh` is not
//! counted. While the gate is closed, the VM being about to sleep, it asks and writes nothing.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use ff_protocol::workspace::Workspace;
use ff_protocol::{ErrorCode, ProjectId, WorkspaceId};
use futures_util::StreamExt;
use tokio::sync::broadcast::error::RecvError;

use super::discovery;
use super::due::{COOL_DOWN, Due, Pace, due};
use super::known;
use crate::clock;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::github::RepoName;

/// Before the first look: whoever starts has more urgent things to do.
const FIRST: Duration = Duration::from_secs(5);
/// Workspaces or repositories asked about at a time.
const AT_ONCE: usize = 3;
/// Pull requests read in one round, those that wait the longest.
const ROUND: usize = 100;

impl Core {
    /// Begins to keep what is known of pull requests up to date, with a look each `interval`, until
    /// [`Core::shutdown`]. For the one process that runs sessions on this store.
    pub fn keep_pull_requests(&self, interval: Duration) {
        let keeper = Keeper {
            core: self.clone(),
            interval,
            pace: Pace::default(),
            cooling: BTreeSet::new(),
        };
        let stopping = self.stopping().clone();
        self.tasks()
            .spawn(stopping.run_until_cancelled_owned(keeper.run()));
    }
}

struct Keeper {
    core: Core,
    interval: Duration,
    pace: Pace,
    /// What was looked at too short a time ago: looked at again when that is over.
    cooling: BTreeSet<WorkspaceId>,
}

impl Keeper {
    async fn run(mut self) {
        let mut turns = self.core.store().feed().turns();
        let mut wait = FIRST.min(self.interval);
        let mut timer = Box::pin(tokio::time::sleep(wait));
        let mut cooled = Box::pin(tokio::time::sleep(COOL_DOWN));
        loop {
            let on_time = tokio::select! {
                () = &mut timer => true,
                () = self.core.wanted().more() => false,
                () = &mut cooled, if !self.cooling.is_empty() => {
                    for id in std::mem::take(&mut self.cooling) {
                        self.core.wanted().add(&id);
                    }
                    false
                }
                turned = turns.recv() => match turned {
                    Ok(id) => {
                        self.turn_ended(&id).await;
                        false
                    }
                    // So many turns have ended that the next round is soon enough.
                    Err(RecvError::Lagged(_)) => false,
                    Err(RecvError::Closed) => return,
                },
            };
            if self.core.permits().closed().is_none() {
                let wanted = self.core.wanted().take();
                let cooling = !self.cooling.is_empty();
                let limited = self.round(&wanted).await;
                if !cooling {
                    cooled.set(tokio::time::sleep(COOL_DOWN));
                }
                if on_time || limited {
                    self.pace = self.pace.after(limited);
                }
            }
            if on_time {
                wait = self.pace.of(self.interval);
                timer.set(tokio::time::sleep(wait));
            }
        }
    }

    /// A turn may have opened a pull request, or pushed to one.
    async fn turn_ended(&self, id: &WorkspaceId) {
        if let Err(error) = self.core.store().discover_soon(id).await {
            tracing::warn!(workspace = %id, %error, "its pull request is looked for later");
        }
        self.core.wanted().add(id);
    }

    /// Does what is due; says whether GitHub took no more requests.
    async fn round(&mut self, wanted: &BTreeSet<WorkspaceId>) -> bool {
        match self.work(wanted).await {
            Ok(limited) => limited,
            Err(error) => {
                tracing::warn!(%error, "pull requests could not be looked after");
                false
            }
        }
    }

    async fn work(&mut self, wanted: &BTreeSet<WorkspaceId>) -> Result<bool> {
        let (core, now) = (&self.core, clock::now());
        let interval = self.pace.of(self.interval);
        let repos = self.repos().await?;
        let workspaces = core.store().workspaces().await?;
        let (mut old, mut missing) = (Vec::new(), Vec::new());
        for workspace in &workspaces {
            let repo = repos.get(&workspace.project_id);
            let turned = wanted.contains(&workspace.id);
            let owner = core.owner();
            let due_at = |now| due(workspace, owner, repo.is_some(), turned, interval, now);
            match due_at(now) {
                Due::Nothing if turned && due_at(now + COOL_DOWN) != Due::Nothing => {
                    self.cooling.insert(workspace.id.clone());
                }
                Due::Nothing => {}
                Due::Sync => old.push(workspace),
                Due::Discover => missing.extend(repo.map(|repo| (repo.clone(), workspace))),
            }
        }
        old.sort_by_key(|workspace| workspace.pr.synced_at);
        old.truncate(ROUND);
        let reads = old.into_iter().map(|workspace| {
            let repo = repos.get(&workspace.project_id).cloned();
            read(core.clone(), workspace.clone(), repo)
        });
        let limited = any(reads.collect()).await;
        let round = discovery::round(missing);
        let looks = round
            .into_iter()
            .map(|(repo, due)| look(core.clone(), repo, due));
        Ok(limited | any(looks.collect()).await)
    }

    /// The repositories of the projects whose remote is on GitHub.
    async fn repos(&self) -> Result<HashMap<ProjectId, RepoName>> {
        let projects = self.core.projects().await?.into_iter();
        Ok(projects
            .filter_map(|project| Some((project.id.clone(), RepoName::of(&project)?)))
            .collect())
    }
}

async fn read(core: Core, workspace: Workspace, repo: Option<RepoName>) -> bool {
    let Some(pull) = known(&workspace, repo.as_ref()) else {
        return false;
    };
    let done = core.read_pull_request(&workspace, &pull).await;
    told(done, &workspace.id)
}

async fn look(core: Core, repo: RepoName, due: Vec<Workspace>) -> bool {
    told(core.discover(&repo, &due).await, &repo)
}

/// Does all of these, a few at a time; says whether one of them said so.
async fn any(works: Vec<impl Future<Output = bool>>) -> bool {
    futures_util::stream::iter(works)
        .buffer_unordered(AT_ONCE)
        .fold(false, |so_far, said| std::future::ready(so_far | said))
        .await
}

/// Writes a failure to the log; says whether it was for too many requests.
fn told(done: Result<()>, what: &impl std::fmt::Display) -> bool {
    let Err(error) = done else {
        return false;
    };
    match error {
        Error::Refused(problem) => {
            tracing::debug!(%what, code = problem.code.as_str(), "{}", problem.detail);
            problem.code == ErrorCode::RateLimited
        }
        other => {
            tracing::warn!(%what, error = %other, "its pull request could not be looked after");
            false
        }
    }
}
