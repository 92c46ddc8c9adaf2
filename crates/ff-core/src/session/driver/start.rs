//! Starts of a process, and what has to be there for one.

use std::path::{Path, PathBuf};

use ff_protocol::session::SessionStatus;
use ff_protocol::workspace::Workspace;

use super::super::exit;
use super::super::process::{Cli, Launch};
use super::super::protocol;
use super::super::transcript::transcript_files;
use super::Driver;
use super::timers::Timers;
use crate::clock;
use crate::error::Result;
use crate::processes::mark;
use crate::store::Change;
use crate::workspace::owned;

impl Driver {
    /// One process from start to end.
    pub(super) async fn live_once(&mut self) -> Result<()> {
        self.wanted = false;
        let mut cli = match self.spawn().await? {
            Ok(cli) => cli,
            Err(reason) => return self.process_failed(reason).await,
        };
        self.process = cli.id().map(|id| (id, clock::now()));
        // On disk before the CLI is told anything: a successor finds it there and ends it.
        let mark = cli.id().and_then(mark::of);
        let process = Change::Process(self.session.id.clone(), mark);
        self.changes.push(process);
        let request = uuid::Uuid::new_v4().to_string();
        self.starting = Some(request.clone());
        self.ending = None;
        self.timers = Timers::starting(&self.shared.limits, self.shared.awake.lost());
        let running = self.process_state(SessionStatus::Running, None).await;
        cli.send(&protocol::initialize(&request));
        if let Some(tokens) = self.session.thinking_tokens {
            let id = uuid::Uuid::new_v4().to_string();
            cli.send(&protocol::set_thinking_tokens(&id, tokens));
        }
        let ended = match running {
            Ok(()) => self.drive(&mut cli).await,
            Err(error) => Err(error),
        };
        self.finish(cli, ended).await
    }

    /// Starts the CLI, or says why it cannot be started.
    async fn spawn(&mut self) -> Result<Result<Cli, String>> {
        let (shared, session) = (&self.shared, &self.session);
        let workspace = match owned(&shared.store, &shared.owner, &session.workspace_id).await {
            Ok(workspace) => workspace,
            Err(refused) => return Ok(Err(refused.problem().to_string())),
        };
        self.cwd = PathBuf::from(workspace.worktree_path.clone().unwrap_or_default());
        if !self.cwd.is_dir() {
            return Ok(Err(self.directory_gone(&workspace).await?));
        }
        let config = &self.shared.config;
        let conversation = &self.session.provider_session_id;
        let resume = !transcript_files(&config.home, &self.cwd, conversation).is_empty();
        let source = match &self.session.fork_of {
            Some(source) if !resume => self.shared.store.session_anywhere(source).await?,
            _ => None,
        };
        let source = source.map(|source| source.provider_session_id);
        let launch = Launch {
            session: &self.session.id,
            cwd: &self.cwd,
            conversation,
            resume,
            fork_of: source.as_deref().filter(|id| {
                // One that never had a turn leaves nothing to go on from.
                !transcript_files(&config.home, &self.cwd, id).is_empty()
            }),
            model: self.session.model.as_deref(),
            mode: self.session.permission_mode,
        };
        Ok(Cli::spawn(config, &launch).map_err(|error| exit::not_started(&config.claude, &error)))
    }

    async fn directory_gone(&self, workspace: &Workspace) -> Result<String> {
        let project = self.shared.store.project(&workspace.project_id).await?;
        let repo = project.map(|project| project.repo_path);
        let branch = workspace.branch_name.as_deref();
        Ok(exit::directory_gone(
            &self.cwd,
            repo.as_deref().map(Path::new),
            branch,
        ))
    }
}
