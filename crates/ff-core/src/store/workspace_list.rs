//! All workspaces at once, read only when one of their rows has changed.
//!
//! SQLite gives them as one JSON text. As values, a thousand workspaces are 67,000 copies that cross
//! from its thread, three quarters of the time such a list took.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ff_protocol::workspace::Workspace;
use sea_orm::sea_query::ColumnType;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityName, EntityTrait,
    IdenStatic, Iterable, Statement, TransactionTrait,
};

use super::entity::{workspace, workspace_pr, workspace_ratchet, workspace_run_script};
use super::workspace_rows::assemble;
use super::{Store, text};
use crate::error::Result;

/// The list as it was last read, and the version it is of.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed(Arc<Mutex<(i64, Vec<Workspace>)>>);

impl Listed {
    fn of(&self, version: i64) -> Option<Vec<Workspace>> {
        let listed = self.lock();
        (listed.0 == version).then(|| listed.1.clone())
    }

    fn set(&self, version: i64, list: &[Workspace]) {
        *self.lock() = (version, list.to_vec());
    }

    fn lock(&self) -> MutexGuard<'_, (i64, Vec<Workspace>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// All workspaces, oldest first.
    pub async fn workspaces(&self) -> Result<Vec<Workspace>> {
        // One look at the database: version and rows belong together.
        let tx = self.db.begin().await?;
        let version = version(&tx).await?;
        if let Some(list) = self.listed.of(version) {
            return Ok(list);
        }
        let asked = Statement::from_string(DbBackend::Sqlite, query());
        let told = tx.query_one_raw(asked).await?;
        drop(tx);
        let told: Option<String> = told.map_or(Ok(None), |row| row.try_get_by_index(0))?;
        let list = told.as_deref().map_or(Ok(Vec::new()), read)?;
        self.listed.set(version, &list);
        Ok(list)
    }
}

/// Grows with each change of a row of a workspace, by whichever process: triggers see to it.
async fn version(tx: &DatabaseTransaction) -> Result<i64> {
    let asked = Statement::from_string(DbBackend::Sqlite, "SELECT version FROM workspace_list");
    let row = tx.query_one_raw(asked).await?;
    Ok(row.map_or(Ok(0), |row| row.try_get_by_index(0))?)
}

/// All rows as one JSON array of arrays: a workspace's own row, and those beside it.
fn query() -> String {
    let all = workspace::Entity.table_name();
    let beside = [
        workspace_pr::Entity.table_name(),
        workspace_ratchet::Entity.table_name(),
        workspace_run_script::Entity.table_name(),
    ];
    let joins = beside.map(|table| format!("LEFT JOIN {table} ON {table}.workspace_id = {all}.id"));
    let objects = [
        object::<workspace::Entity>("id"),
        object::<workspace_pr::Entity>("workspace_id"),
        object::<workspace_ratchet::Entity>("workspace_id"),
        object::<workspace_run_script::Entity>("workspace_id"),
    ];
    format!(
        "SELECT '[' || group_concat('[' || {} || ']') || ']' FROM {all} {}",
        objects.join(" || ',' || "),
        joins.join(" ")
    )
}

/// A row of a table as JSON with the names of its columns, or `null` where there is none.
fn object<E: EntityTrait>(key: &str) -> String {
    let entity = E::default();
    let table = entity.table_name();
    let pairs = E::Column::iter().map(|column| {
        let name = column.as_str();
        match column.def().get_column_type() {
            ColumnType::Boolean => {
                format!("'{name}', json(iif({table}.{name}, 'true', 'false'))")
            }
            _ => format!("'{name}', {table}.{name}"),
        }
    });
    let pairs: Vec<String> = pairs.collect();
    format!(
        "iif({table}.{key} IS NULL, 'null', json_object({}))",
        pairs.join(", ")
    )
}

type Rows = (
    workspace::Model,
    Option<workspace_pr::Model>,
    Option<workspace_ratchet::Model>,
    Option<workspace_run_script::Model>,
);

fn read(told: &str) -> Result<Vec<Workspace>> {
    let rows: Vec<Rows> = text::from_json(told)?;
    let assembled = rows
        .into_iter()
        .map(|(row, pr, ratchet, run_script)| assemble(row, pr, ratchet, run_script));
    let mut list: Vec<Workspace> = assembled.collect::<Result<_>>()?;
    list.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(list)
}
