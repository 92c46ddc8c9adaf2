//! A backup or a database of the original is taken over.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ff_protocol::project::Project;
use ff_protocol::workspace::Owner;
use ff_protocol::{ErrorCode, ProjectId, WorkspaceId};

use super::format::{Backup, ClosedRecord, Provider};
use super::report::Report;
use super::transcript::{self, Budget, Transcript};
use super::{check, convert, database, paths, read};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::store::import::{Incoming, IncomingProject, IncomingSession, IncomingWorkspace};

/// What is to be taken over.
pub(super) struct Source {
    pub(super) backup: Backup,
    /// Sessions that were closed; only a database has them.
    pub(super) closed: Vec<ClosedRecord>,
    /// What the user should know of the source.
    pub(super) notes: Vec<String>,
}

/// What was made ready to be merged.
struct Ready {
    incoming: Incoming,
    /// Kind, id and text of each note.
    notes: Vec<(&'static str, String, String)>,
}

impl Core {
    /// Takes over a backup file of the original application, all or nothing. What is here and not
    /// older stays as it is, so it may be done again.
    ///
    /// # Errors
    /// `not_found`, `too_large`; `invalid` when it is no backup of version 4, or cannot be followed.
    pub async fn import_backup(&self, path: &Path) -> Result<Report> {
        let path = path.to_owned();
        let found = blocking(move || read::file(&path)).await?;
        self.take_over_found(found).await
    }

    /// As [`Core::import_backup`], of the text of a backup that came `from` elsewhere than a file.
    ///
    /// # Errors
    /// As there.
    pub async fn import_backup_text(&self, text: Vec<u8>, from: &str) -> Result<Report> {
        let from = from.to_owned();
        let found = blocking(move || read::text_of(&text, &from)).await?;
        self.take_over_found(found).await
    }

    async fn take_over_found(&self, found: read::Found) -> Result<Report> {
        let notes = match found.ignored.is_empty() {
            true => Vec::new(),
            false => vec![format!(
                "fields that are not known were left out: {}",
                found.ignored.join(", ")
            )],
        };
        self.take_over(Source {
            backup: found.backup,
            closed: Vec::new(),
            notes,
        })
        .await
    }

    /// Takes over the database of the original application, which may be running; only read from,
    /// nothing is written to it or beside it.
    ///
    /// # Errors
    /// `not_found`; `invalid` when it is no database of it; `busy` while another program keeps it
    /// locked or goes on writing to it.
    pub async fn import_database(&self, path: &Path) -> Result<Report> {
        // To open it as a file and close it again would drop the locks that SQLite holds on it.
        if is_same(path, &self.config().data_dir.join("core.db")) {
            let detail = format!("{} is the database of ff itself", path.display());
            return Err(Error::refused(ErrorCode::Invalid, detail));
        }
        let source = database::read(path).await?;
        self.take_over(source).await
    }

    async fn take_over(&self, source: Source) -> Result<Report> {
        check::check(&source.backup.data)?;
        let config = self.config();
        let (home, base_dir) = (config.home.clone(), config.base_dir.clone());
        let owner = self.owner().clone();
        let ready = blocking(move || Ok(make_ready(source, &home, &base_dir, &owner))).await?;
        let mut report = self.store().import(ready.incoming, self.owner()).await?;
        for (kind, id, text) in ready.notes {
            report.note(kind, id, text);
        }
        Ok(report)
    }
}

/// Looks at this machine's directories and reads transcripts.
fn make_ready(source: Source, home: &Path, base_dir: &Path, owner: &Owner) -> Ready {
    let Source {
        backup,
        closed,
        notes,
    } = source;
    let exported_at = backup.meta.exported_at.0;
    let data = backup.data;
    let mut ready = Ready {
        incoming: Incoming::default(),
        notes: notes
            .into_iter()
            .map(|text| ("source", String::new(), text))
            .collect(),
    };
    let mut projects: HashMap<ProjectId, Project> = HashMap::new();
    for record in &data.projects {
        let project = convert::project(record, base_dir);
        if project.repo_path.is_empty() {
            let text = format!("its repository {} is not on this machine", record.repo_path);
            ready.notes.push(("project", record.id.to_string(), text));
        }
        let mut tracker = convert::some(record.issue_tracker_config.clone());
        if tracker.as_mut().is_some_and(convert::without_secrets) {
            let text =
                "the key of its issue tracker was left out: enter it anew where it is needed";
            ready
                .notes
                .push(("project", record.id.to_string(), text.to_owned()));
        }
        projects.insert(project.id.clone(), project.clone());
        ready
            .incoming
            .projects
            .push(IncomingProject { project, tracker });
    }
    let mut worktrees: HashMap<WorkspaceId, PathBuf> = HashMap::new();
    for record in &data.workspaces {
        let project = projects.get(&record.project_id);
        let workspace = convert::workspace(record, project, owner);
        if let Some(path) = &record.worktree_path {
            worktrees.insert(record.id.clone(), PathBuf::from(path));
            if workspace.worktree_path.is_none() {
                let text = format!("its worktree {path} is not on this machine");
                ready.notes.push(("workspace", record.id.to_string(), text));
            }
        } else if let Some(project) = project {
            let usual = paths::usual_worktree(&project.worktree_base_path, &record.id);
            worktrees.insert(record.id.clone(), usual);
        }
        ready.incoming.workspaces.push(IncomingWorkspace {
            workspace,
            init_output: record.init_output.clone(),
        });
    }
    let mut budget = Budget::default();
    for record in &data.agent_sessions {
        let cwd = record.provider_project_path.as_ref().map(PathBuf::from);
        let cwd = cwd.or_else(|| worktrees.get(&record.workspace_id).cloned());
        let conversation = record.provider_session_id.as_deref();
        let transcript = match (record.provider, conversation) {
            (Provider::Claude, Some(conversation)) => {
                let cwd = cwd.unwrap_or_default();
                transcript::of_cli(home, &cwd, conversation, &mut budget)
            }
            _ => Transcript::default(),
        };
        ready.session(
            IncomingSession {
                session: convert::session(record, data.user_settings.as_ref()),
                origin: convert::origin(record),
                said: Vec::new(),
            },
            transcript,
        );
    }
    for record in &closed {
        let (session, origin) = convert::closed_session(record);
        let worktree = worktrees.get(&record.workspace_id);
        let file = worktree
            .and_then(|dir| dir.to_str())
            .and_then(|dir| paths::inside(dir, &record.transcript_path));
        let transcript = file.map_or_else(Transcript::default, |file| {
            transcript::of_closed(&file, &mut budget)
        });
        let said = Vec::new();
        ready.session(
            IncomingSession {
                session,
                origin,
                said,
            },
            transcript,
        );
    }
    let terminals = data.terminal_sessions.iter().map(convert::terminal);
    ready.incoming.terminals = terminals.collect();
    ready.incoming.settings = data.user_settings.as_ref().and_then(|settings| {
        let settings = serde_json::to_value(convert::settings(settings)).ok()?;
        Some((settings, exported_at))
    });
    ready
}

impl Ready {
    fn session(&mut self, mut incoming: IncomingSession, transcript: Transcript) {
        if let Some(cut) = transcript.cut {
            let id = incoming.session.id.to_string();
            self.notes.push(("session", id, cut.to_owned()));
        }
        incoming.said = transcript.said;
        self.incoming.sessions.push(incoming);
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
    matches!((id(one), id(other)), (Ok(one), Ok(other)) if one == other)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|source| Error::io("reading the source failed", source.into()))?
}
