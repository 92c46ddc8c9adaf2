//! Run scripts: compare-and-swap on their state.

use ff_protocol::WorkspaceId;
use ff_protocol::workspace::RunScriptStatus;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::entity::workspace_run_script::{self, Column};
use super::sessions::ProcessMark;
use super::{Store, text};
use crate::clock;
use crate::error::Result;

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

    /// The process of a run script.
    pub(crate) async fn run_process(&self, id: &WorkspaceId) -> Result<Option<ProcessMark>> {
        let row = workspace_run_script::Entity::find_by_id(id.as_str())
            .one(&self.db)
            .await?;
        let process = row.and_then(|row| row.process);
        process.as_deref().map(text::from_json).transpose()
    }
}
