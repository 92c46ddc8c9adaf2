//! The owner of a run script, from its start until all of it is gone.

use std::path::PathBuf;
use std::time::Duration;

use ff_protocol::WorkspaceId;
use ff_protocol::workspace::RunScriptStatus::{
    self, Completed, Failed, Idle, Running, Starting, Stopping,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Point, Run, ensure_ours, port, reach, runs_already};
use crate::core::Core;
use crate::error::Result;
use crate::store::RunWrites;
use crate::workspace::config::Scripts;
use crate::workspace::script::{End, Output, Place, Script, What, mark_of};

/// Its clean-up script gets this long.
const CLEANUP: Duration = Duration::from_secs(5);
/// From asking it to end to killing it.
const GRACE: Duration = Duration::from_secs(10);
/// The same for what runs beside it, and for everything when the core ends.
const SHORT: Duration = Duration::from_secs(1);
/// What is kept of what it printed once its engine is gone, in bytes, and of what runs beside it.
const KEPT: usize = 64 << 10;

/// The owner of a run script.
pub(super) struct Task {
    pub(super) core: Core,
    pub(super) id: WorkspaceId,
    pub(super) dir: PathBuf,
    pub(super) scripts: Scripts,
    pub(super) command: String,
    pub(super) run: Run,
}

impl Task {
    /// Runs it; tells once whether it was started.
    pub(super) async fn run(self, from: RunScriptStatus, started: oneshot::Sender<Result<()>>) {
        let script = match self.start(from).await {
            Ok(script) => script,
            Err(error) => {
                // Whoever asked may have gone.
                let _ = started.send(Err(error));
                return;
            }
        };
        let beside = self.start_beside();
        let _ = started.send(Ok(()));
        if let Err(error) = self.to_the_end(script, beside).await {
            tracing::error!(workspace = %self.id, ?error, "the end of a run script could not be recorded");
        }
    }

    async fn start(&self, from: RunScriptStatus) -> Result<Script> {
        let port = self.run.port;
        if !self
            .moved(from, Starting, RunWrites::Begin { port })
            .await?
        {
            return Err(runs_already());
        }
        reach(Point::RunBegun);
        // What the one before printed is not of this one.
        self.write_down(<_>::default()).await;
        let started = self.spawn().await;
        if started.is_err() {
            self.moved(Starting, Failed, RunWrites::End).await?;
        }
        started
    }

    async fn spawn(&self) -> Result<Script> {
        // A hand-off that began meanwhile looks for scripts after its mark is set, and this one
        // is entered: either it is seen there, or the mark is seen here.
        ensure_ours(&self.core.workspace(&self.id).await?, self.core.owner())?;
        let mut script = self.script("run", &self.command, &self.run.output)?;
        reach(Point::RunSpawned);
        let Some(mark) = script.mark().cloned() else {
            script.end(SHORT).await;
            let error = std::io::Error::other("its process is gone");
            return Err(crate::Error::io("the run script cannot be followed", error));
        };
        self.moved(Starting, Running, RunWrites::Process(mark))
            .await?;
        reach(Point::RunWritten);
        Ok(script)
    }

    fn start_beside(&self) -> Option<Script> {
        let command = self.scripts.post_run.as_deref()?;
        match self.script("post", command, &self.run.beside) {
            Ok(script) => Some(script),
            Err(error) => {
                self.run.beside.push(format!("{error}\n").as_bytes());
                None
            }
        }
    }

    async fn to_the_end(&self, mut script: Script, beside: Option<Script>) -> Result<()> {
        let end = tokio::select! {
            end = script.exited(None) => Some(end),
            () = self.run.stop.cancelled() => None,
        };
        let stops = end.is_none();
        if stops {
            self.moved(Running, Stopping, RunWrites::Keep).await?;
            reach(Point::RunStopping);
            let ending = self.core.lives().stop.is_cancelled();
            let (cleanup, grace) = match ending {
                true => (SHORT, SHORT),
                false => (CLEANUP, GRACE),
            };
            self.clean_up(cleanup).await;
            script.end(grace).await;
        } else {
            script.clear().await;
        }
        if let Some(mut beside) = beside {
            beside.end(SHORT).await;
        }
        let printed = [&self.run.output, &self.run.beside].map(|output| output.end(KEPT));
        self.write_down(printed.into()).await;
        reach(Point::RunEnded);
        let (from, to) = match end {
            None => (Stopping, Idle),
            Some(Ok(End::Exited(status))) if status.success() => (Running, Completed),
            Some(_) => (Running, Failed),
        };
        self.moved(from, to, RunWrites::End).await.map(drop)
    }

    /// Writes down what was printed. That it cannot be must not keep the script.
    async fn write_down(&self, printed: (String, String)) {
        let written = self.core.store().set_run_output(&self.id, printed).await;
        if let Err(error) = written {
            tracing::warn!(workspace = %self.id, ?error, "what a run script printed is not kept");
        }
    }

    async fn clean_up(&self, limit: Duration) {
        let Some(command) = self.scripts.cleanup.as_deref() else {
            return;
        };
        match self.script("cleanup", command, &self.run.output) {
            Ok(mut script) => {
                let deadline = Instant::now() + limit;
                match script.exited(Some(deadline)).await {
                    Ok(End::Exited(_)) => script.clear().await,
                    _ => script.end(Duration::ZERO).await,
                }
            }
            Err(error) => self.run.output.push(format!("{error}\n").as_bytes()),
        }
    }

    fn script(&self, kind: &str, command: &str, output: &Output) -> Result<Script> {
        let place = Place {
            home: &self.core.config().home,
            worktree: &self.dir,
            mark: &mark_of(&self.id, kind),
        };
        let what = What::Command(port::put(command, self.run.port));
        let outputs = (output.clone(), output.clone());
        Script::start(&what, &place, self.run.port, outputs)
    }

    async fn moved(
        &self,
        from: RunScriptStatus,
        to: RunScriptStatus,
        writes: RunWrites,
    ) -> Result<bool> {
        self.core
            .store()
            .move_run_script(&self.id, (from, to), writes)
            .await
    }
}
