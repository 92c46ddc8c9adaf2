//! How a workspace is made: its worktree, then the scripts that make it ready.
//!
//! Whoever makes one holds it (see `lives`), and its row names the process that does. Every step
//! can be the last one: [`Core::recover_workspaces`](crate::Core::recover_workspaces) brings what
//! is left to rest, and a retry removes it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ff_protocol::project::Project;
use ff_protocol::session::StartSession;
use ff_protocol::workspace::WorkspaceStatus::{self, Failed, New, Provisioning, Ready};
use ff_protocol::workspace::{InitReport, Workspace};
use ff_protocol::{ClientId, ErrorCode, WorkspaceId};

use super::config::{self, Scripts};
use super::fault::{Point, reach};
use super::lives::Hold;
use super::script::{self, Output, Place, What, Witness};
use super::{branches::Made, ensure_ours, place};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::processes::{mark, marked};
use crate::project::{remove_dir, utf8};
use crate::store::{ProcessMark, Registration, Writes};

/// What is kept of the scripts' output, in bytes.
const OUTPUT: usize = 50 << 10;
/// What is kept of what one wrote to stderr.
const ERRORS: usize = 8 << 10;
/// Longest wait for a workspace to be made by another process.
const SETTLE: Duration = Duration::from_secs(2 * 3600);

/// How much of the making is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    All,
    Scripts,
}

impl Core {
    /// Begins to make a workspace that is `NEW`, unless somebody does already.
    pub(super) fn begin_init(&self, id: &WorkspaceId) {
        let Some(hold) = self.lives().hold(id, "made") else {
            return;
        };
        let (core, id) = (self.clone(), id.clone());
        self.tasks().spawn(async move {
            let Ok(_leave) = core.lives().making.clone().acquire_owned().await else {
                return;
            };
            let begun = core.provision(&id, New).await;
            match begun {
                Ok(workspace) => core.make(hold, workspace, Whole::All).await,
                // Another process was faster, and makes it.
                Err(error) => tracing::debug!(workspace = %id, %error, "not begun here"),
            }
        });
    }

    /// Tries again to make a workspace that is `FAILED`, or `READY` with a warning: all of it
    /// when there is no worktree, else what comes after that. Returns when it has begun.
    ///
    /// # Errors
    /// `conflict` when there is nothing to try again, `limit_reached` after three times.
    pub async fn workspace_retry(&self, id: &WorkspaceId) -> Result<Workspace> {
        let workspace = self.workspace(id).await?;
        ensure_ours(&workspace, self.owner())?;
        let has_worktree = workspace.worktree().is_some();
        let warned = workspace.init.error_message.is_some();
        match (workspace.status, has_worktree) {
            (Failed, true) | (Ready, false) => {}
            (Failed, false) => {}
            (Ready, true) if warned => {}
            _ => return Err(nothing_to_retry(&workspace)),
        }
        let hold = self.held(&workspace, "made").await?;
        let whole = match (workspace.status, has_worktree) {
            (Ready, true) => Whole::Scripts,
            _ => Whole::All,
        };
        let from = workspace.status;
        let begun = match (from, has_worktree) {
            (Failed, false) => {
                let way = (Failed, New);
                self.store()
                    .transition(id, self.owner(), way, Writes::default())
                    .await?;
                self.provision(id, New).await?
            }
            _ => self.provision(id, from).await?,
        };
        let (core, shown) = (self.clone(), begun.clone());
        self.tasks().spawn(async move {
            // Never closed, so there is always a permit to wait for.
            let _leave = core.lives().making.clone().acquire_owned().await;
            core.make(hold, begun, whole).await;
        });
        Ok(shown)
    }

    /// Forgets the warning of a workspace that is ready.
    ///
    /// # Errors
    /// `conflict` when it is not ready.
    pub async fn workspace_dismiss(&self, id: &WorkspaceId) -> Result<Workspace> {
        let workspace = self.workspace(id).await?;
        ensure_ours(&workspace, self.owner())?;
        if !self.store().dismiss_warning(id).await? {
            let detail = format!("workspace {} is not ready", workspace.name);
            return Err(Error::refused(ErrorCode::Conflict, detail));
        }
        self.workspace(id).await
    }

    /// The workspace when it is no longer being made, by whichever process.
    ///
    /// # Errors
    /// `not_found`; `timeout` after two hours.
    pub async fn workspace_settled(&self, id: &WorkspaceId) -> Result<Workspace> {
        let settled = async {
            loop {
                self.lives().free(id).await;
                let workspace = self.workspace(id).await?;
                if !matches!(workspace.status, New | Provisioning) {
                    return Ok(workspace);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        match tokio::time::timeout(SETTLE, settled).await {
            Ok(settled) => settled,
            Err(_) => {
                let detail = "the workspace is not made after two hours";
                Err(Error::refused(ErrorCode::Timeout, detail))
            }
        }
    }

    /// Where the making of a workspace stands, with what its scripts said.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn workspace_init(&self, id: &WorkspaceId) -> Result<InitReport> {
        Ok(InitReport {
            workspace: self.workspace(id).await?,
            output: self.store().init_output(id).await?,
        })
    }

    async fn provision(&self, id: &WorkspaceId, from: WorkspaceStatus) -> Result<Workspace> {
        self.sessions().close_door(id);
        let begun = self
            .store()
            .transition(id, self.owner(), (from, Provisioning), Writes::begun_here())
            .await;
        match begun {
            Ok(moved) => {
                reach(Point::Begun);
                Ok(moved.workspace)
            }
            Err(error) => {
                self.sessions().open_door(id);
                Err(error)
            }
        }
    }

    /// Makes a workspace that is `PROVISIONING`, and says what became of it.
    async fn make(&self, hold: Hold, workspace: Workspace, whole: Whole) {
        let id = workspace.id.clone();
        let made = tokio::select! {
            made = self.make_steps(&workspace, whole) => made,
            () = hold.cancel.cancelled() => {
                Err(Error::refused(ErrorCode::ShuttingDown, "its making was interrupted"))
            }
        };
        if let Err(error) = self.settle(&workspace, made).await {
            tracing::error!(workspace = %id, ?error, "what became of a workspace could not be recorded");
        }
        if let Err(error) = self.let_messages_go(&id).await {
            tracing::warn!(workspace = %id, %error, "its messages go on waiting");
        }
        self.sessions().open_door(&id);
        drop(hold);
    }

    async fn settle(&self, workspace: &Workspace, made: Result<Option<String>>) -> Result<()> {
        let (to, error_message) = match made {
            Ok(warning) => (Ready, warning),
            Err(error) => {
                tracing::warn!(workspace = %workspace.id, ?error, "a workspace is not made");
                // Of a script that was cut short, what left its group may run on.
                let mark = script::mark_of(&workspace.id, "init");
                marked::kill(marked::SCRIPT, &mark).await;
                self.drop_unregistered(workspace).await;
                (Failed, Some(error.problem().to_string()))
            }
        };
        let writes = Writes {
            error_message,
            ..Writes::default()
        };
        let way = (Provisioning, to);
        self.store()
            .transition(&workspace.id, self.owner(), way, writes)
            .await?;
        reach(Point::Made);
        Ok(())
    }

    /// The steps; a warning when a script failed.
    async fn make_steps(&self, workspace: &Workspace, whole: Whole) -> Result<Option<String>> {
        let project = self.known_project(&workspace.project_id).await?;
        let kept = workspace.worktree().map(PathBuf::from);
        let (dir, scripts, mut warning) = match (whole, kept) {
            (Whole::All, None) => {
                let made = self.make_worktree(&project, workspace).await?;
                self.register(workspace, made).await?
            }
            (_, Some(dir)) => {
                self.check_kept(&project, &dir).await?;
                let (scripts, warning) = scripts_of(&dir)?;
                self.store()
                    .set_run_commands(&workspace.id, &scripts)
                    .await?;
                (dir, scripts, warning)
            }
            (Whole::Scripts, None) => return Err(nothing_to_retry(workspace)),
        };
        if whole == Whole::All {
            self.queue_first_message(workspace).await?;
            reach(Point::PromptQueued);
        }
        for (phase, what) in phases(&project, &scripts, &dir) {
            let failed = match what {
                Ok(what) => self.phase(workspace, &project, &dir, phase, &what).await?,
                Err(error) => Err(error.problem().to_string()),
            };
            if let Err(why) = failed {
                warning = Some(format!("{phase} failed: {why}"));
            }
        }
        reach(Point::ScriptsEnded);
        Ok(warning)
    }

    async fn register(
        &self,
        workspace: &Workspace,
        made: Made,
    ) -> Result<(PathBuf, Scripts, Option<String>)> {
        let (scripts, warning) = scripts_of(&made.path)?;
        let registration = Registration {
            worktree_path: utf8(&made.path)?,
            branch_name: made.branch,
            is_auto_generated_branch: made.is_new,
            scripts,
        };
        let id = &workspace.id;
        if !self.store().register_worktree(id, &registration).await? {
            let detail = format!("workspace {} is not being made any more", workspace.name);
            return Err(Error::refused(ErrorCode::Conflict, detail));
        }
        reach(Point::Registered);
        Ok((made.path, registration.scripts, warning))
    }

    /// A worktree from before must still be one.
    async fn check_kept(&self, project: &Project, dir: &Path) -> Result<()> {
        let repo = Path::new(&project.repo_path);
        if dir.is_dir() && self.git().is_worktree_of(dir, repo).await? {
            return Ok(());
        }
        let detail = format!("the worktree {} is gone", dir.display());
        Err(Error::refused(ErrorCode::Conflict, detail)
            .hint("restore it with `git worktree add`, or archive the workspace"))
    }

    /// Runs one script to its end. Its output replaces what is kept of the one before in the
    /// first phase, and goes after it in the second.
    async fn phase(
        &self,
        workspace: &Workspace,
        project: &Project,
        dir: &Path,
        phase: &str,
        what: &What,
    ) -> Result<std::result::Result<(), String>> {
        let id = &workspace.id;
        let place = Place {
            home: &self.config().home,
            worktree: dir,
            mark: &script::mark_of(id, "init"),
        };
        let output = Output::keeping(OUTPUT);
        if phase == STARTUP
            && let Some(before) = self.store().init_output(id).await?
        {
            output.push(before.as_bytes());
        }
        output.push(format!("--- {phase}\n").as_bytes());
        let errors = Output::beside(ERRORS, &output);
        let limit = Duration::from_secs(project.startup.timeout_secs.into());
        let mut diary = Diary {
            core: self,
            id,
            output: output.clone(),
            shown: 0,
        };
        let outputs = (output.clone(), errors);
        let ended = script::run(what, &place, limit, outputs, &mut diary).await?;
        self.store().set_init_output(id, &output.text()).await?;
        self.store().set_init_process(id, None).await?;
        Ok(ended)
    }

    /// Enters the first message of a workspace that was made with one. It waits until the
    /// workspace is made; the same again changes nothing.
    async fn queue_first_message(&self, workspace: &Workspace) -> Result<()> {
        let Some(text) = workspace.initial_prompt() else {
            return Ok(());
        };
        let id: Option<ClientId> = format!("auto-init-{}", workspace.id).parse().ok();
        let start = StartSession {
            prompt: Some(text.to_owned()),
            prompt_id: id,
            ..StartSession::default()
        };
        self.sessions().start(&workspace.id, start).await.map(drop)
    }

    /// Lets messages that waited go on, if the workspace allows it now and this core stays;
    /// otherwise they wait for the user.
    async fn let_messages_go(&self, id: &WorkspaceId) -> Result<()> {
        let workspace = self.workspace(id).await?;
        if workspace.status != Ready || !self.lives().stays() {
            return self.sessions().hold_in(id).await;
        }
        self.sessions().open_door(id);
        self.sessions().go_on_in(id).await
    }

    /// Removes a worktree that was made and that no row names.
    pub(super) async fn drop_unregistered(&self, workspace: &Workspace) {
        let dropped = async {
            let now = self.workspace(&workspace.id).await?;
            if now.worktree().is_some() {
                return Ok(());
            }
            let project = self.known_project(&now.project_id).await?;
            let path = place::worktree_path(&project, &now.id);
            place::check(Path::new(&project.worktree_base_path), &path)?;
            let repo = Path::new(&project.repo_path);
            self.git().remove_worktree(repo, &path).await?;
            remove_dir(&path)
        };
        if let Err(error) = dropped.await {
            tracing::warn!(workspace = %workspace.id, ?error, "a worktree that no row names stays");
        }
    }
}

/// Writes down what the script of a workspace prints, and its process.
struct Diary<'a> {
    core: &'a Core,
    id: &'a WorkspaceId,
    output: Output,
    shown: u64,
}

impl Witness for Diary<'_> {
    async fn begun(&mut self, process: &ProcessMark) -> Result<()> {
        let store = self.core.store();
        store.set_init_process(self.id, Some(process)).await?;
        reach(Point::ScriptRuns);
        Ok(())
    }

    async fn goes_on(&mut self) -> Result<()> {
        if self.output.total() == self.shown {
            return Ok(());
        }
        self.shown = self.output.total();
        let text = self.output.text();
        self.core.store().set_init_output(self.id, &text).await
    }
}

const SETUP: &str = "setup script of factory-factory.json";
const STARTUP: &str = "start-up script of the project";

type Phase = (&'static str, Result<What>);

/// The scripts that are to run, in their order.
fn phases(project: &Project, scripts: &Scripts, dir: &Path) -> Vec<Phase> {
    let setup = scripts.setup.clone().map(|text| Ok(What::Command(text)));
    let startup = &project.startup;
    let command = startup.command.clone().map(|text| Ok(What::Command(text)));
    let file = startup.path.as_deref();
    let file = file.map(|path| place::script_in(dir, path).map(What::File));
    let all = [(SETUP, setup), (STARTUP, command.or(file))];
    all.into_iter()
        .filter_map(|(phase, what)| Some((phase, what?)))
        .collect()
}

/// The scripts of a checkout; a warning when they cannot be read.
fn scripts_of(dir: &Path) -> Result<(Scripts, Option<String>)> {
    match config::read(dir) {
        Ok(scripts) => Ok((scripts, None)),
        Err(Error::Refused(problem)) => Ok((Scripts::default(), Some(problem.to_string()))),
        Err(error) => Err(error),
    }
}

fn nothing_to_retry(workspace: &Workspace) -> Error {
    let detail = format!(
        "workspace {} is {}: there is nothing to try again",
        workspace.name,
        super::state::name(workspace.status)
    );
    Error::refused(ErrorCode::Conflict, detail)
}

impl Writes {
    /// Names this process as the one that acts.
    pub(super) fn begun_here() -> Self {
        Self {
            by: mark::of(std::process::id()),
            ..Self::default()
        }
    }
}
