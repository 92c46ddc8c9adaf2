//! Run scripts: compare-and-swap on their state, and what they printed.

use ff_protocol::workspace::RunScriptStatus;
use ff_protocol::{ErrorCode, WorkspaceId};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, OnConflict},
};

use super::entity::workspace_run_output;
use super::entity::workspace_run_script::{self, Column};
use super::sessions::ProcessMark;
use super::{Store, text};
use crate::clock;
use crate::error::{Error, Result};
use crate::workspace::allows;

/// What is written beside a run script's new state.
#[derive(Debug, Clone, Default)]
pub(crate) enum RunWrites {
    /// Nothing.
    #[default]
    Keep,
    /// It is about to be started on this port.
    Begin {
        /// The port it was given.
        port: Option<u16>,
    },
    /// Its process.
    Process(ProcessMark),
    /// Its process has ended.
    End,
}

impl Store {
    /// Changes the state of a run script that has the state `from`; `false` when it has another.
    pub(crate) async fn move_run_script(
        &self,
        id: &WorkspaceId,
        (from, to): (RunScriptStatus, RunScriptStatus),
        writes: RunWrites,
    ) -> Result<bool> {
        if !allows(from, to) {
            let detail = format!("a run script cannot go from {from:?} to {to:?}");
            return Err(Error::refused(ErrorCode::Conflict, detail));
        }
        let mut update = workspace_run_script::Entity::update_many()
            .col_expr(Column::Status, Expr::value(text::name(&to)?))
            .filter(Column::WorkspaceId.eq(id.as_str()))
            .filter(Column::Status.eq(text::name(&from)?));
        update = match writes {
            RunWrites::Keep => update,
            RunWrites::Begin { port } => update
                .col_expr(Column::Port, Expr::value(port.map(i64::from)))
                .col_expr(Column::StartedAt, Expr::value(Some(clock::now()))),
            RunWrites::Process(mark) => update
                .col_expr(Column::Pid, Expr::value(Some(i64::from(mark.pid))))
                .col_expr(Column::Process, Expr::value(Some(text::json(&mark)?))),
            RunWrites::End => update
                .col_expr(Column::Pid, Expr::value(Option::<i64>::None))
                .col_expr(Column::Process, Expr::value(Option::<String>::None))
                .col_expr(Column::Port, Expr::value(Option::<i64>::None)),
        };
        let moved = update.exec(&self.db).await?.rows_affected == 1;
        if moved {
            self.feed.workspace_changed(id);
        }
        Ok(moved)
    }

    /// What a run script that has ended printed, and what ran beside it.
    pub(crate) async fn run_output(&self, id: &WorkspaceId) -> Result<(String, String)> {
        let row = workspace_run_output::Entity::find_by_id(id.as_str())
            .one(&self.db)
            .await?;
        Ok(row.map(|row| (row.run, row.post_run)).unwrap_or_default())
    }

    /// Writes that down, in place of what was there.
    pub(crate) async fn set_run_output(
        &self,
        id: &WorkspaceId,
        (run, post_run): (String, String),
    ) -> Result<()> {
        use workspace_run_output::Column;
        let row = workspace_run_output::ActiveModel {
            workspace_id: Set(id.to_string()),
            run: Set(run),
            post_run: Set(post_run),
        };
        let replace = OnConflict::column(Column::WorkspaceId)
            .update_columns([Column::Run, Column::PostRun])
            .to_owned();
        workspace_run_output::Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(&self.db)
            .await?;
        Ok(())
    }

    /// Run scripts that are neither at rest nor ended.
    pub(crate) async fn run_scripts_under_way(
        &self,
    ) -> Result<Vec<(WorkspaceId, RunScriptStatus)>> {
        use RunScriptStatus::{Running, Starting, Stopping};
        let under_way = [Starting, Running, Stopping];
        let names: Result<Vec<String>> = under_way.iter().map(text::name).collect();
        let query = workspace_run_script::Entity::find().filter(Column::Status.is_in(names?));
        let rows = query.all(&self.db).await?;
        rows.into_iter()
            .map(|row| Ok((text::parse(row.workspace_id)?, text::parse(row.status)?)))
            .collect()
    }

    /// The process of a run script.
    pub(crate) async fn run_process(&self, id: &WorkspaceId) -> Result<Option<ProcessMark>> {
        let row = workspace_run_script::Entity::find_by_id(id.as_str())
            .one(&self.db)
            .await?;
        let process = row.and_then(|row| row.process);
        process.as_deref().map(text::from_json).transpose()
    }
}
