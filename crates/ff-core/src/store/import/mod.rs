//! Records of another installation are merged with ours, all or nothing.
//!
//! | a record that | |
//! |---|---|
//! | is not here | is imported |
//! | is here and newer there, or has a path there that is missing here | is updated |
//! | is here | is skipped |
//! | belongs to something that is neither here nor comes along | is skipped, with a note |
//! | belongs to a workspace that another side owns, or that is moving | is skipped, with a note |

mod sessions;
mod workspaces;

use std::collections::HashSet;

use ff_protocol::project::Project;
use ff_protocol::session::{EntryKind, Session};
use ff_protocol::workspace::{Owner, Workspace};
use ff_protocol::{TerminalId, Timestamp, WorkspaceId};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    SqliteTransactionMode, TransactionOptions, TransactionTrait, sea_query::OnConflict,
};
use serde_json::Value;

use super::entity::{project, project_tracker, user_settings};
use super::{Store, projects, text};
use crate::backup::report::{Fate, Report};
use crate::error::Result;

/// The one row of the settings.
pub(super) const USER: &str = "default";
const SLUGS: usize = 1000;

/// Records of another installation, with paths of this machine.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    pub(crate) projects: Vec<IncomingProject>,
    pub(crate) workspaces: Vec<IncomingWorkspace>,
    pub(crate) sessions: Vec<IncomingSession>,
    pub(crate) terminals: Vec<TerminalRow>,
    /// With the time from which on they hold.
    pub(crate) settings: Option<(Value, Timestamp)>,
}

/// A project; an empty path is one that is not on this machine.
#[derive(Debug)]
pub(crate) struct IncomingProject {
    pub(crate) project: Project,
    pub(crate) tracker: Option<Value>,
}

#[derive(Debug)]
pub(crate) struct IncomingWorkspace {
    pub(crate) workspace: Workspace,
    pub(crate) init_output: Option<String>,
}

#[derive(Debug)]
pub(crate) struct IncomingSession {
    pub(crate) session: Session,
    pub(crate) origin: Origin,
    /// All that was said, oldest first.
    pub(crate) said: Vec<Said>,
}

/// Something said in a session.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) kind: EntryKind,
    /// Has a `uuid`, by which it is known again.
    pub(crate) payload: Value,
    pub(crate) at: Timestamp,
}

/// Where a session that was not made here comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Origin {
    /// Whether it was closed in the original.
    pub(crate) closed: bool,
    pub(crate) provider: String,
    pub(crate) project_path: Option<String>,
    pub(crate) metadata: Option<Value>,
}

/// A terminal of the original. Only its record: nothing runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TerminalRow {
    pub(crate) id: TerminalId,
    pub(crate) workspace_id: WorkspaceId,
    pub(crate) name: Option<String>,
    pub(crate) status: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// One import, inside its transaction.
struct Merge<'a> {
    tx: &'a DatabaseTransaction,
    owner: &'a Owner,
    report: Report,
    /// Workspaces whose records may be changed.
    open: HashSet<WorkspaceId>,
    changed: HashSet<WorkspaceId>,
}

impl Store {
    /// Merges what comes with what is here, in one transaction; what is new is `owner`'s.
    pub(crate) async fn import(&self, incoming: Incoming, owner: &Owner) -> Result<Report> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let tx = self.db.begin_with_options(options).await?;
        let mut merge = Merge {
            tx: &tx,
            owner,
            report: Report::default(),
            open: HashSet::new(),
            changed: HashSet::new(),
        };
        for project in incoming.projects {
            merge.project(project).await?;
        }
        merge.workspaces(incoming.workspaces).await?;
        merge.sessions(incoming.sessions).await?;
        for terminal in incoming.terminals {
            merge.terminal(terminal).await?;
        }
        if let Some((settings, since)) = incoming.settings {
            merge.settings(&settings, since).await?;
        }
        let (report, changed) = (merge.report, merge.changed);
        tx.commit().await?;
        for workspace in &changed {
            self.feed.workspace_changed(workspace);
        }
        Ok(report)
    }
}

impl Merge<'_> {
    async fn project(&mut self, incoming: IncomingProject) -> Result<()> {
        let IncomingProject {
            mut project,
            tracker,
        } = incoming;
        let id = project.id.clone();
        let known = project::Entity::find_by_id(id.as_str())
            .one(self.tx)
            .await?;
        let fate = match known {
            None => {
                let wanted = project.slug.clone();
                project.slug = self.free_slug(&wanted).await?;
                if project.slug != wanted {
                    let text = format!(
                        "the short name {wanted} is taken here; it is {} now",
                        project.slug
                    );
                    self.report.note("project", &id, text);
                }
                projects::row(&project)?.insert(self.tx).await?;
                Fate::Imported
            }
            Some(row) => {
                let ours = Project::try_from(row)?;
                let found = ours.repo_path.is_empty() && !project.repo_path.is_empty();
                if !found && project.updated_at <= ours.updated_at {
                    self.report.projects.count(Fate::Skipped);
                    return Ok(());
                }
                project.slug = ours.slug;
                if project.repo_path.is_empty() {
                    project.repo_path = ours.repo_path;
                    project.worktree_base_path = ours.worktree_base_path;
                }
                projects::row(&project)?.update(self.tx).await?;
                Fate::Updated
            }
        };
        if let Some(config) = tracker {
            let row = project_tracker::ActiveModel {
                project_id: Set(id.into()),
                config: Set(text::json(&config)?),
            };
            let replace = OnConflict::column(project_tracker::Column::ProjectId)
                .update_column(project_tracker::Column::Config)
                .to_owned();
            project_tracker::Entity::insert(row)
                .on_conflict(replace)
                .exec_without_returning(self.tx)
                .await?;
        }
        self.report.projects.count(fate);
        Ok(())
    }

    async fn free_slug(&self, wanted: &str) -> Result<String> {
        let numbered = (2..SLUGS).map(|number| format!("{wanted}-{number}"));
        for slug in std::iter::once(wanted.to_owned()).chain(numbered) {
            let query = project::Entity::find().filter(project::Column::Slug.eq(slug.as_str()));
            if query.one(self.tx).await?.is_none() {
                return Ok(slug);
            }
        }
        let fresh = uuid::Uuid::now_v7().simple();
        Ok(format!("{wanted}-{fresh}"))
    }

    async fn settings(&mut self, settings: &Value, since: Timestamp) -> Result<()> {
        let known = user_settings::Entity::find_by_id(USER).one(self.tx).await?;
        let row = user_settings::ActiveModel {
            user_id: Set(USER.to_owned()),
            settings: Set(text::json(settings)?),
            updated_at: Set(since),
        };
        let fate = match known {
            None => {
                row.insert(self.tx).await?;
                Fate::Imported
            }
            Some(ours)
                if ours.updated_at < since && Some(&ours.settings) != row.settings.try_as_ref() =>
            {
                row.update(self.tx).await?;
                Fate::Updated
            }
            Some(_) => Fate::Skipped,
        };
        self.report.user_settings.count(fate);
        Ok(())
    }
}
