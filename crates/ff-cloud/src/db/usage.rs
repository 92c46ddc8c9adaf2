//! What VMs did, without gap or overlap: an interval ends at the very moment the next begins.

use ff_protocol::awake::UsageKind;
use ff_protocol::vm::VmState;
use ff_protocol::{Timestamp, UserId, VmId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Set,
};

use super::entity::usage::{ActiveModel, Column, Entity, Model};
use super::entity::vm;

/// What a state counts as; nothing before a VM first runs and after its end.
pub fn kind(state: VmState) -> Option<UsageKind> {
    match state {
        VmState::Pooled | VmState::Provisioning => None,
        VmState::Running | VmState::Suspending | VmState::Resuming => Some(UsageKind::Awake),
        VmState::Frozen => Some(UsageKind::Frozen),
        VmState::Stopped | VmState::Failed => Some(UsageKind::Stopped),
        VmState::Terminating | VmState::Terminated => None,
    }
}

/// The kind as the table keeps it.
pub fn text(kind: UsageKind) -> &'static str {
    match kind {
        UsageKind::Awake => "awake",
        UsageKind::Frozen => "frozen",
        UsageKind::Stopped => "stopped",
    }
}

/// Ends and begins what a change of state ends and begins, within its transaction.
pub(super) async fn note(
    db: &impl ConnectionTrait,
    id: &VmId,
    from: VmState,
    to: VmState,
    cause: Option<&str>,
    now: Timestamp,
) -> Result<(), DbErr> {
    let (before, after) = (kind(from), kind(to));
    if before == after {
        return Ok(());
    }
    if before.is_some() {
        end(db, id.as_str(), now).await?;
    }
    let Some(after) = after else { return Ok(()) };
    let user: Option<Option<String>> = vm::Entity::find_by_id(id.as_str())
        .select_only()
        .column(vm::Column::UserId)
        .into_tuple()
        .one(db)
        .await?;
    match user.flatten() {
        Some(user) => begin(db, id.as_str(), &user, after, cause, now).await,
        None => Ok(()),
    }
}

async fn end(db: &impl ConnectionTrait, vm: &str, now: Timestamp) -> Result<(), DbErr> {
    Entity::update_many()
        .filter(Column::VmId.eq(vm))
        .filter(Column::EndedAt.is_null())
        .col_expr(Column::EndedAt, Expr::value(now))
        .exec(db)
        .await
        .map(|_| ())
}

pub(super) async fn begin(
    db: &impl ConnectionTrait,
    vm: &str,
    user: &str,
    kind: UsageKind,
    cause: Option<&str>,
    now: Timestamp,
) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(uuid::Uuid::now_v7().to_string()),
        vm_id: Set(vm.to_owned()),
        user_id: Set(user.to_owned()),
        kind: Set(text(kind).to_owned()),
        cause: Set(cause.filter(|_| kind == UsageKind::Awake).map(Into::into)),
        started_at: Set(now),
        ended_at: Set(None),
    };
    Entity::insert(row)
        .exec_without_returning(db)
        .await
        .map(|_| ())
}

/// Intervals of a VM, the oldest first, that begin after `after`.
///
/// # Errors
/// The database fails.
pub async fn of_vm(
    db: &impl ConnectionTrait,
    vm: &VmId,
    after: Option<Timestamp>,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let mut query = Entity::find().filter(Column::VmId.eq(vm.as_str()));
    if let Some(after) = after {
        query = query.filter(Column::StartedAt.gt(after));
    }
    query
        .order_by_asc(Column::StartedAt)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// How often a VM has woken by itself since `since`.
///
/// # Errors
/// The database fails.
pub async fn scheduled_since(
    db: &impl ConnectionTrait,
    vm: &VmId,
    since: Timestamp,
) -> Result<u64, DbErr> {
    Entity::find()
        .filter(Column::VmId.eq(vm.as_str()))
        .filter(Column::Cause.eq("schedule"))
        .filter(Column::StartedAt.gte(since))
        .count(db)
        .await
}

/// Removes the account of a user; says how many intervals that was.
///
/// # Errors
/// The database fails.
pub async fn remove_of_user(db: &impl ConnectionTrait, user: &UserId) -> Result<u64, DbErr> {
    let removed = Entity::delete_many()
        .filter(Column::UserId.eq(user.as_str()))
        .exec(db)
        .await?;
    Ok(removed.rows_affected)
}
