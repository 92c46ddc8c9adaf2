//! The run script of a workspace: what its repository says runs what is built there.
//!
//! One task owns a script that runs, from its start until all of it is gone. Who stops it only
//! asks that task. A core that ends takes its scripts along; what a killed one left running, the
//! next one ends ([`Core::recover_workspaces`]).

mod port;
pub(crate) mod state;
mod task;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ff_protocol::agent::{Cause, CauseKind};
use ff_protocol::workspace::RunScriptStatus::{Completed, Failed, Idle};
use ff_protocol::workspace::{RunScriptLogs, Workspace, WorkspaceStatus};
use ff_protocol::{ErrorCode, Timestamp, WorkspaceId};
use tokio_util::sync::CancellationToken;

use self::task::Task;
use super::fault::{Point, reach};
use super::script::{self, Output};
use super::{config, ensure_ours, ensure_owned};
use crate::clock;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::processes::{mark, marked};
use crate::store::RunWrites;

/// What is kept of what a script printed, in bytes, and the same of what runs beside it.
const OUTPUT: usize = 500 << 10;
/// Scripts that have ended and whose output is kept.
const ENDED: usize = 20;
/// Kinds of processes of a run script, in their marks.
const KINDS: [&str; 3] = ["run", "post", "cleanup"];

/// The run scripts of a core. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunScripts {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    runs: HashMap<WorkspaceId, Run>,
    ended: VecDeque<WorkspaceId>,
}

/// A script that runs, or ran last.
#[derive(Debug, Clone)]
struct Run {
    since: Timestamp,
    port: Option<u16>,
    output: Output,
    beside: Output,
    stop: CancellationToken,
    done: CancellationToken,
}

impl RunScripts {
    /// Enters a script, unless one of the workspace runs.
    fn enter(&self, id: &WorkspaceId, wants_port: bool, stop: CancellationToken) -> Result<Run> {
        let mut inner = self.lock();
        if inner.runs.get(id).is_some_and(Run::lives) {
            return Err(runs_already());
        }
        let living = inner.runs.values().filter(|run| run.lives());
        let taken: Vec<u16> = living.filter_map(|run| run.port).collect();
        let run = Run {
            since: clock::now(),
            port: wants_port.then(|| port::free(&taken)).transpose()?,
            output: Output::keeping(OUTPUT),
            beside: Output::keeping(OUTPUT),
            stop,
            done: CancellationToken::new(),
        };
        inner.ended.retain(|other| other != id);
        inner.runs.insert(id.clone(), run.clone());
        Ok(run)
    }

    fn get(&self, id: &WorkspaceId) -> Option<Run> {
        self.lock().runs.get(id).cloned()
    }

    /// Says that a script has ended; of those that ended longest ago the output is dropped.
    fn ended(&self, id: &WorkspaceId, run: &Run) {
        let mut inner = self.lock();
        run.done.cancel();
        inner.ended.push_back(id.clone());
        while inner.ended.len() > ENDED {
            if let Some(old) = inner.ended.pop_front() {
                inner.runs.remove(&old);
            }
        }
    }

    /// What holds a VM: programs that somebody may want to look at.
    pub(crate) fn causes(&self) -> Vec<Cause> {
        let inner = self.lock();
        let living = inner.runs.iter().filter(|(_, run)| run.lives());
        let cause = |(id, run): (&WorkspaceId, &Run)| Cause {
            kind: CauseKind::RunScript,
            name: format!("run script of workspace {id}"),
            since: run.since,
        };
        living.map(cause).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    fn lives(&self) -> bool {
        !self.done.is_cancelled()
    }
}

impl Core {
    /// Starts the run script of a workspace, as its `factory-factory.json` says now. Returns when
    /// its process runs.
    ///
    /// # Errors
    /// `conflict` unless the workspace is `READY` and no script of it runs, or when it has none;
    /// `invalid` with line and column for a file that cannot be read; `not_owner`,
    /// `handoff_active`; `limit_reached` when no port is free.
    pub async fn run_script_start(&self, id: &WorkspaceId) -> Result<Workspace> {
        let workspace = ensure_owned(self.store(), self.owner(), id).await?;
        if workspace.status != WorkspaceStatus::Ready {
            let detail = format!("workspace {} is not ready", workspace.name);
            return Err(Error::refused(ErrorCode::Conflict, detail));
        }
        let dir = PathBuf::from(workspace.worktree().unwrap_or_default());
        let scripts = config::read(&dir)?;
        self.store().set_run_commands(id, &scripts).await?;
        let Some(command) = scripts.run.clone() else {
            let detail = format!("workspace {} has no run script", workspace.name);
            return Err(Error::refused(ErrorCode::Conflict, detail)
                .hint(format!("name one under `scripts.run` in {}", config::FILE)));
        };
        let stop = self.lives().stop.child_token();
        let run = self.runs().enter(id, port::wanted(&command), stop)?;
        let (started, starting) = tokio::sync::oneshot::channel();
        let task = Task {
            core: self.clone(),
            id: id.clone(),
            dir,
            scripts,
            command,
            run: run.clone(),
        };
        let (runs, id) = (self.runs().clone(), id.clone());
        let after = id.clone();
        self.tasks().spawn(async move {
            task.run(workspace.run_script.status, started).await;
            runs.ended(&id, &run);
        });
        match starting.await {
            Ok(outcome) => outcome?,
            Err(_) => {
                let error = std::io::Error::other("its task ended");
                return Err(Error::io("the run script could not be started", error));
            }
        }
        self.workspace(&after).await
    }

    /// Stops the run script of a workspace, and returns when it and all it started are gone.
    /// Stopping one that does not run changes nothing.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn run_script_stop(&self, id: &WorkspaceId) -> Result<Workspace> {
        self.workspace(id).await?;
        self.run_script_end(id).await?;
        for ended in [Completed, Failed] {
            let way = (ended, Idle);
            self.store()
                .move_run_script(id, way, RunWrites::End)
                .await?;
        }
        self.workspace(id).await
    }

    /// The run script of a workspace with what it printed: all that is kept while this engine
    /// runs, the end of it later.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn run_script_logs(&self, id: &WorkspaceId) -> Result<RunScriptLogs> {
        let workspace = self.workspace(id).await?;
        let (run, post_run) = match self.runs().get(id) {
            Some(run) => (run.output.text(), run.beside.text()),
            None => self.store().run_output(id).await?,
        };
        Ok(RunScriptLogs {
            run_script: workspace.run_script,
            run,
            post_run,
        })
    }

    /// Ends the run script of a workspace that goes away.
    pub(crate) async fn run_script_end(&self, id: &WorkspaceId) -> Result<()> {
        if let Some(run) = self.runs().get(id).filter(Run::lives) {
            run.stop.cancel();
            run.done.cancelled().await;
        }
        Ok(())
    }

    /// Ends the run scripts that an engine which is gone left running.
    pub(super) async fn recover_run_scripts(&self) -> Result<()> {
        for (id, status) in self.store().run_scripts_under_way().await? {
            if self.runs().get(&id).is_some_and(|run| run.lives()) {
                continue;
            }
            if let Some(process) = self.store().run_process(&id).await? {
                mark::kill_group(&process);
            }
            for kind in KINDS {
                marked::kill(marked::SCRIPT, &script::mark_of(&id, kind)).await;
            }
            tracing::warn!(workspace = %id, ?status, "its run script outlived its engine, and was ended");
            self.store()
                .move_run_script(&id, (status, Idle), RunWrites::End)
                .await?;
        }
        Ok(())
    }
}

fn runs_already() -> Error {
    Error::refused(ErrorCode::Conflict, "the run script runs already")
        .hint("stop it first with `ff workspace run stop WORKSPACE`")
}
