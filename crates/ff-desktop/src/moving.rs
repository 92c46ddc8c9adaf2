//! What send and pull have in common: one hand-off from its beginning to its end.

pub mod binding;
pub mod contact;
pub mod errands;
pub mod notes;
pub mod recovery;
pub mod transfer;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use ff_client::{ClientError, CloudClient};
use ff_core::Core;
use ff_protocol::handoff::HandoffState;
use ff_protocol::{HandoffId, WorkspaceId};

use crate::context::{Connection, Context};
use crate::failure::{Exit, Failure};
use crate::fault::{Point, reach};
use crate::find::{self, Known};
use crate::locks::{self, Lock};
use crate::output::Output;
use crate::stop;

use crate::view::WorkspaceView;
use notes::{Commit, Notes};
use recovery::{Standing, converge, is_unknown};

/// Tries of the commit and of asking how it ended.
const TRIES: u32 = 5;
const BETWEEN: Duration = Duration::from_secs(2);

/// A workspace that is about to move, with everything needed for it.
pub struct Move<'a> {
    /// What every command works with.
    pub context: &'a Context,
    /// The local core.
    pub core: &'a Core,
    /// The cloud.
    pub cloud: Connection,
    /// The workspace.
    pub known: Known,
    /// `send` or `pull`.
    verb: &'static str,
    /// A hand-off of an earlier run that this one takes up.
    earlier: Option<HandoffId>,
    /// What has been done is worth keeping: the other side is ready.
    resumable: AtomicBool,
    notes: Notes,
    _lock: Lock,
}

impl<'a> Move<'a> {
    /// Finds the workspace, takes it for this process, and settles what an earlier run left.
    ///
    /// # Errors
    /// No cloud is connected, there is no such workspace, another `ff` moves it, or the cloud
    /// cannot say how an earlier hand-off ended.
    pub async fn begin(
        context: &'a Context,
        text: &str,
        verb: &'static str,
    ) -> anyhow::Result<Self> {
        let core = context.core().await?;
        let cloud = context.cloud()?;
        let found = find::workspace(context, text).await?;
        let Some(lock) = locks::try_take(context.data_dir(), found.id.as_str())? else {
            let text = format!(
                "another ff is moving workspace {} right now; wait for it, or end it there with Ctrl-C",
                found.name()
            );
            return Err(Failure::new(Exit::Refused, text)
                .next(format!("ff workspace show {}", found.id))
                .into());
        };
        let notes = Notes::in_dir(context.data_dir());
        errands::run(core, &cloud, &notes).await?;
        let earlier = settle_earlier(core, &cloud, &notes, &found.id, context.out).await?;
        contact::compare(context, &cloud, Some(&found.id)).await?;
        let known = find::workspace(context, found.id.as_str()).await?;
        Ok(Self {
            context,
            core,
            cloud,
            known,
            verb,
            earlier,
            resumable: AtomicBool::default(),
            notes,
            _lock: lock,
        })
    }

    /// The client of the cloud.
    pub fn client(&self) -> &CloudClient {
        &self.cloud.client
    }

    /// Gives up the move that an earlier run left open.
    ///
    /// # Errors
    /// There is none, or it cannot be given up.
    pub async fn abort(&self) -> anyhow::Result<WorkspaceView> {
        let Some(id) = &self.earlier else {
            let text = format!("workspace {} is not being moved", self.known.name());
            return Err(Failure::new(Exit::Refused, text)
                .next(format!("ff workspace show {}", self.known.id))
                .into());
        };
        match self.client().abort(id).await {
            Err(error) if !is_unknown(&error) => return Err(error.into()),
            _ => self.core.handoff_finish(id, false).await?,
        };
        errands::settle(self.core, &self.notes, id).await?;
        self.view().await
    }

    /// What to do when the workspace could not even be taken: an earlier hand-off ends here too.
    pub async fn not_begun(&self, error: anyhow::Error) -> anyhow::Error {
        match &self.earlier {
            Some(id) => self.give_up(id, error).await,
            None => error,
        }
    }

    /// Does the work before the commit, then commits. When the work fails or is interrupted,
    /// the workspace stays where it was.
    ///
    /// # Errors
    /// Those of the work, and those of the commit.
    pub async fn carry(
        &self,
        id: &HandoffId,
        work: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let noted = async {
            self.notes.begin(id, &self.cloud.settings)?;
            reach(Point::Begun);
            work.await?;
            reach(Point::Restored);
            Ok(())
        };
        if let Err(error) = stop::unless(self.context.stop(), noted).await {
            return Err(match self.resumable.load(Relaxed) && may_go_on(&error) {
                true => self.leave_open(error),
                false => self.give_up(id, error).await,
            });
        }
        let step = self.context.progress.step("hand over");
        if let Err(error) = self.notes.ask_commit(id, &self.cloud.settings) {
            return Err(self.give_up(id, error).await);
        }
        reach(Point::Asking);
        self.commit(id).await?;
        reach(Point::Committed);
        step.done();
        let step = self.context.progress.step("settle");
        let missed = converge(self.core, &self.cloud, &self.notes, id).await?;
        step.done();
        if let Some(error) = missed {
            self.context.out.say(format!(
                "note: the cloud has not finished its part yet, and is told again: {error}"
            ));
        }
        Ok(())
    }

    /// The one moment that counts. Its answer may be lost: then the server is asked.
    async fn commit(&self, id: &HandoffId) -> anyhow::Result<()> {
        let mut last = None;
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(BETWEEN).await;
            }
            let Err(error) = self.client().commit(id).await else {
                return Ok(());
            };
            tracing::debug!(%error, attempt, "the commit gave an error");
            match self.client().handoff(id).await {
                Ok(handoff) => match handoff.state {
                    HandoffState::Committed | HandoffState::Finalized => return Ok(()),
                    HandoffState::Aborted => return Err(self.put_back(id, error.into()).await),
                    HandoffState::Transferring | HandoffState::Restored => {
                        if is_ruling(&error) {
                            return Err(self.give_up(id, error.into()).await);
                        }
                    }
                },
                Err(unknown) if is_unknown(&unknown) => {
                    // Its database may be a backup from before the commit.
                    let (core, out) = (self.core, self.context.out);
                    let standing = recovery::standing(core, &self.cloud, &self.notes, id, out);
                    match standing.await {
                        Ok(Standing::Committed) => return Ok(()),
                        Ok(_) => return Err(self.put_back(id, error.into()).await),
                        Err(asking) => tracing::debug!(error = ?asking, "it is not known yet"),
                    }
                }
                Err(asking) => tracing::debug!(error = %asking, "the cloud cannot be asked"),
            }
            last = Some(error);
        }
        let name = self.known.name();
        let why = last.map(|error| format!(": {error}")).unwrap_or_default();
        let text = format!("it is not known yet whether workspace {name} changed hands{why}");
        Err(Failure::new(Exit::Unreachable, text)
            .hint("nobody can act on it until the cloud answers; the same command then continues")
            .next(format!("ff {} {}", self.verb, self.known.id))
            .into())
    }

    /// From now on a cut leaves the move open, to be taken up again.
    pub fn keep_open(&self) {
        reach(Point::Entered);
        self.resumable.store(true, Relaxed);
    }

    fn leave_open(&self, error: anyhow::Error) -> anyhow::Error {
        let (name, verb, id) = (self.known.name(), self.verb, &self.known.id);
        self.context.out.say(format!(
            "note: the move of workspace {name} is cut, and what has come through is kept: `ff {verb} {id}` goes on, `ff {verb} {id} --abort` gives it up"
        ));
        error
    }

    /// Ends a hand-off that was not committed: the workspace stays where it was. Once the commit
    /// may have been asked for, only an answer of the server tells that it was not.
    pub async fn give_up(&self, id: &HandoffId, error: anyhow::Error) -> anyhow::Error {
        match self.client().abort(id).await {
            Ok(()) => self.put_back(id, error).await,
            Err(answer) if is_unknown(&answer) => self.put_back(id, error).await,
            Err(answer) if !is_ruling(&answer) && self.asked(id) == Commit::NotAsked => {
                tracing::debug!(error = %answer, "the server is told later that it was given up");
                self.end(id, error).await
            }
            Err(_) => {
                let note = format!(
                    "note: workspace {} is still being moved; `ff {} {}` continues",
                    self.known.name(),
                    self.verb,
                    self.known.id
                );
                self.context.out.say(note);
                error
            }
        }
    }

    /// Whether the commit may have been asked for, by this process or one before it.
    fn asked(&self, id: &HandoffId) -> Commit {
        match self.notes.get(id) {
            Ok(note) => note.map_or(Commit::NotAsked, |note| note.commit),
            Err(error) => {
                tracing::debug!(?error, "taken for asked");
                Commit::MaybeAsked
            }
        }
    }

    /// Ends a hand-off of which the server says that it was not committed.
    async fn put_back(&self, id: &HandoffId, error: anyhow::Error) -> anyhow::Error {
        // Should it fail, then the server is told once more that it was given up.
        let error = self.end(id, error).await;
        if let Err(fault) = errands::settle(self.core, &self.notes, id).await {
            tracing::debug!(error = ?fault, "the note stays");
        }
        error
    }

    /// Ends it on this side.
    async fn end(&self, id: &HandoffId, error: anyhow::Error) -> anyhow::Error {
        let name = self.known.name();
        if let Err(fault) = self.core.handoff_finish(id, false).await {
            let fault = anyhow::Error::new(fault);
            return error.context(format!("workspace {name} could not be put back: {fault:#}"));
        }
        error.context(format!("workspace {name} stays where it was"))
    }

    /// The workspace after the move.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn view(&self) -> anyhow::Result<WorkspaceView> {
        let known = find::workspace(self.context, self.known.id.as_str()).await?;
        Ok(WorkspaceView::of(&known))
    }
}

/// Whether what failed so may go on later.
fn may_go_on(error: &anyhow::Error) -> bool {
    let told = error.downcast_ref::<Failure>();
    told.is_some_and(|failure| failure.exit == Exit::Interrupted) || transfer::may_pass(error)
}

/// Whether the server has ruled, so that the same call again gives the same answer.
fn is_ruling(error: &ClientError) -> bool {
    error.problem().is_some() && !error.is_transient()
}

/// How an earlier hand-off of this workspace ended; its id if it is still open.
async fn settle_earlier(
    core: &Core,
    cloud: &Connection,
    notes: &Notes,
    workspace: &WorkspaceId,
    out: Output,
) -> anyhow::Result<Option<HandoffId>> {
    for (id, of, _) in core.handoffs_unfinished().await? {
        if of == *workspace {
            let standing = recovery::standing(core, cloud, notes, &id, out).await;
            let moving = || format!("the move of workspace {workspace} was cut");
            if standing.with_context(moving)? == Standing::Open {
                return Ok(Some(id));
            }
        }
    }
    Ok(None)
}
