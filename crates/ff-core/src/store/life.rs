//! Changes of a workspace's status: compare-and-swap, with what is written beside it.

use ff_protocol::WorkspaceId;
use ff_protocol::workspace::{Owner, Workspace, WorkspaceStatus};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect, TransactionTrait, UpdateMany,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use super::entity::{workspace, workspace_init_output, workspace_run_script};
use super::sessions::ProcessMark;
use super::workspaces::unknown;
use super::{Store, text};
use crate::clock;
use crate::error::Result;
use crate::workspace::config::Scripts;
use crate::workspace::state::{InitWrite, MAX_RETRIES, TransitionError, rule};

/// A change of status that was made.
#[derive(Debug, Clone)]
pub struct Moved {
    /// What it was.
    pub from: WorkspaceStatus,
    /// The workspace, as it is now.
    pub workspace: Workspace,
}

/// What is written beside a change of status.
#[derive(Debug, Clone, Default)]
pub struct Writes {
    /// Why the init failed, or what it warns of.
    pub error_message: Option<String>,
    /// The process that acts on it from now on.
    pub(crate) by: Option<ProcessMark>,
}

/// Where a workspace's worktree was made.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub(crate) worktree_path: String,
    pub(crate) branch_name: String,
    pub(crate) is_auto_generated_branch: bool,
    pub(crate) scripts: Scripts,
}

impl Store {
    /// Changes a workspace's status, if it has the status `from`, is `owner`'s and in no hand-off.
    ///
    /// # Errors
    /// [`TransitionError`] as a refusal: there is no such change, somebody was faster, or the
    /// retries are used up.
    pub async fn transition(
        &self,
        id: &WorkspaceId,
        owner: &Owner,
        (from, to): (WorkspaceStatus, WorkspaceStatus),
        writes: Writes,
    ) -> Result<Moved> {
        let workspace = id.clone();
        let Some(rule) = rule(from, to) else {
            return Err(TransitionError::Illegal {
                workspace,
                from,
                to,
            }
            .into());
        };
        let now = clock::now();
        let mut update = workspace::Entity::update_many()
            .col_expr(workspace::Column::Status, Expr::value(text::name(&to)?))
            .col_expr(workspace::Column::UpdatedAt, Expr::value(now))
            .filter(workspace::Column::Id.eq(id.as_str()))
            .filter(workspace::Column::Status.eq(text::name(&from)?))
            .filter(workspace::Column::Owner.eq(owner.to_string()))
            .filter(workspace::Column::HandoffId.is_null());
        update = match rule.init {
            InitWrite::Begin => {
                forget(update).col_expr(workspace::Column::InitStartedAt, Expr::value(Some(now)))
            }
            InitWrite::Forget => forget(update).col_expr(
                workspace::Column::InitStartedAt,
                Expr::value(Option::<ff_protocol::Timestamp>::None),
            ),
            InitWrite::End => forget(update)
                .col_expr(workspace::Column::InitCompletedAt, Expr::value(Some(now)))
                .col_expr(
                    workspace::Column::InitErrorMessage,
                    Expr::value(writes.error_message),
                ),
            InitWrite::Keep => update,
        };
        if rule.retry {
            update = update
                .col_expr(
                    workspace::Column::InitRetryCount,
                    Expr::col(workspace::Column::InitRetryCount).add(1),
                )
                .filter(workspace::Column::InitRetryCount.lt(MAX_RETRIES));
        }
        let source = match (from, to) {
            (_, WorkspaceStatus::Archiving) => Some(Some(text::name(&from)?)),
            (WorkspaceStatus::Archiving, _) => Some(None),
            _ => None,
        };
        if let Some(source) = source {
            update = update.col_expr(workspace::Column::ArchivingFrom, Expr::value(source));
        }
        let by = writes.by.as_ref().map(text::json).transpose()?;
        update = update.col_expr(workspace::Column::ActingProcess, Expr::value(by));
        let done = update.exec(&self.db).await?.rows_affected == 1;
        let now = self.workspace(id).await?.ok_or_else(|| unknown(id))?;
        if done {
            self.feed.workspace_changed(id);
            return Ok(Moved {
                from,
                workspace: now,
            });
        }
        crate::workspace::ensure_ours(&now, owner)?;
        if now.status == from {
            return Err(TransitionError::RetriesUsed { workspace }.into());
        }
        let found = now.status;
        Err(TransitionError::Changed {
            workspace,
            from,
            to,
            found,
        }
        .into())
    }

    /// Writes down where a workspace's worktree is, with the commands of its
    /// `factory-factory.json`, both or neither. `false` when it is not being made any more.
    pub(crate) async fn register_worktree(
        &self,
        id: &WorkspaceId,
        at: &Registration,
    ) -> Result<bool> {
        let tx = self.db.begin().await?;
        let provisioning = text::name(&WorkspaceStatus::Provisioning)?;
        let done = workspace::Entity::update_many()
            .col_expr(
                workspace::Column::WorktreePath,
                Expr::value(Some(at.worktree_path.clone())),
            )
            .col_expr(
                workspace::Column::BranchName,
                Expr::value(Some(at.branch_name.clone())),
            )
            .col_expr(
                workspace::Column::IsAutoGeneratedBranch,
                Expr::value(at.is_auto_generated_branch),
            )
            .col_expr(workspace::Column::UpdatedAt, Expr::value(clock::now()))
            .filter(workspace::Column::Id.eq(id.as_str()))
            .filter(workspace::Column::Status.eq(provisioning))
            .exec(&tx)
            .await?;
        if done.rows_affected == 0 {
            return Ok(false);
        }
        commands(id, &at.scripts).exec(&tx).await?;
        tx.commit().await?;
        self.feed.workspace_changed(id);
        Ok(true)
    }

    /// Writes down the commands of a workspace's `factory-factory.json`.
    pub(crate) async fn set_run_commands(&self, id: &WorkspaceId, scripts: &Scripts) -> Result<()> {
        commands(id, scripts).exec(&self.db).await?;
        Ok(())
    }

    /// Writes down which branch is about to be made for a workspace that has none yet.
    pub(crate) async fn plan_branch(&self, id: &WorkspaceId, branch: &str) -> Result<()> {
        workspace::Entity::update_many()
            .col_expr(workspace::Column::BranchName, Expr::value(Some(branch)))
            .col_expr(workspace::Column::IsAutoGeneratedBranch, Expr::value(true))
            .filter(workspace::Column::Id.eq(id.as_str()))
            .filter(workspace::Column::WorktreePath.is_null())
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// Gives a workspace another name.
    pub(crate) async fn rename_workspace(&self, id: &WorkspaceId, name: &str) -> Result<()> {
        workspace::Entity::update_many()
            .col_expr(workspace::Column::Name, Expr::value(name))
            .col_expr(workspace::Column::UpdatedAt, Expr::value(clock::now()))
            .filter(workspace::Column::Id.eq(id.as_str()))
            .exec(&self.db)
            .await?;
        self.feed.workspace_changed(id);
        Ok(())
    }

    /// Forgets the warning of a workspace that is ready. `false` when it is not.
    pub(crate) async fn dismiss_warning(&self, id: &WorkspaceId) -> Result<bool> {
        let done = workspace::Entity::update_many()
            .col_expr(
                workspace::Column::InitErrorMessage,
                Expr::value(Option::<String>::None),
            )
            .col_expr(workspace::Column::UpdatedAt, Expr::value(clock::now()))
            .filter(workspace::Column::Id.eq(id.as_str()))
            .filter(workspace::Column::Status.eq(text::name(&WorkspaceStatus::Ready)?))
            .exec(&self.db)
            .await?;
        self.feed.workspace_changed(id);
        Ok(done.rows_affected == 1)
    }

    /// Writes down the process of the script that makes a workspace ready, or that there is none.
    pub(crate) async fn set_init_process(
        &self,
        id: &WorkspaceId,
        mark: Option<&ProcessMark>,
    ) -> Result<()> {
        workspace::Entity::update_many()
            .col_expr(
                workspace::Column::InitScriptPid,
                Expr::value(mark.map(|mark| i64::from(mark.pid))),
            )
            .col_expr(
                workspace::Column::InitProcess,
                Expr::value(mark.map(text::json).transpose()?),
            )
            .filter(workspace::Column::Id.eq(id.as_str()))
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// The process that acts on a workspace, as its last change of status says.
    pub(crate) async fn acting_process(&self, id: &WorkspaceId) -> Result<Option<ProcessMark>> {
        let text = self.column(id, workspace::Column::ActingProcess).await?;
        text.as_deref().map(text::from_json).transpose()
    }

    /// The process that was last written down by [`Self::set_init_process`].
    pub(crate) async fn init_process(&self, id: &WorkspaceId) -> Result<Option<ProcessMark>> {
        let text = self.column(id, workspace::Column::InitProcess).await?;
        text.as_deref().map(text::from_json).transpose()
    }

    /// The status that a workspace being archived had before.
    pub(crate) async fn archiving_from(&self, id: &WorkspaceId) -> Result<Option<WorkspaceStatus>> {
        text::parse_opt(self.column(id, workspace::Column::ArchivingFrom).await?)
    }

    async fn column(&self, id: &WorkspaceId, column: workspace::Column) -> Result<Option<String>> {
        let value: Option<Option<String>> = workspace::Entity::find_by_id(id.as_str())
            .select_only()
            .column(column)
            .into_tuple()
            .one(&self.db)
            .await?;
        Ok(value.flatten())
    }

    /// The end of what the script that ran last printed while a workspace was made.
    pub async fn init_output(&self, id: &WorkspaceId) -> Result<Option<String>> {
        let row = workspace_init_output::Entity::find_by_id(id.as_str())
            .one(&self.db)
            .await?;
        Ok(row.map(|row| row.output))
    }

    /// Writes that down, in place of what was there.
    pub async fn set_init_output(&self, id: &WorkspaceId, output: &str) -> Result<()> {
        let row = workspace_init_output::ActiveModel {
            workspace_id: sea_orm::ActiveValue::Set(id.to_string()),
            output: sea_orm::ActiveValue::Set(output.to_owned()),
        };
        let replace = OnConflict::column(workspace_init_output::Column::WorkspaceId)
            .update_column(workspace_init_output::Column::Output)
            .to_owned();
        workspace_init_output::Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(&self.db)
            .await?;
        Ok(())
    }
}

fn forget(update: UpdateMany<workspace::Entity>) -> UpdateMany<workspace::Entity> {
    let none = || Expr::value(Option::<String>::None);
    update
        .col_expr(workspace::Column::InitErrorMessage, none())
        .col_expr(
            workspace::Column::InitCompletedAt,
            Expr::value(Option::<ff_protocol::Timestamp>::None),
        )
        .col_expr(
            workspace::Column::InitScriptPid,
            Expr::value(Option::<i64>::None),
        )
        .col_expr(workspace::Column::InitProcess, none())
}

fn commands(id: &WorkspaceId, scripts: &Scripts) -> UpdateMany<workspace_run_script::Entity> {
    use workspace_run_script::Column;
    workspace_run_script::Entity::update_many()
        .col_expr(Column::Command, Expr::value(scripts.run.clone()))
        .col_expr(
            Column::PostRunCommand,
            Expr::value(scripts.post_run.clone()),
        )
        .col_expr(Column::CleanupCommand, Expr::value(scripts.cleanup.clone()))
        .filter(Column::WorkspaceId.eq(id.as_str()))
}
