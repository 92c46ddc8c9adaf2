//! Queries on hand-offs.

use ff_protocol::handoff::HandoffState;
use ff_protocol::{HandoffId, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveEnum, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
};

use super::entity::handoff::{Column, Entity, Model, State};
use crate::clock;

/// The hand-off with this id.
///
/// # Errors
/// The database fails.
pub async fn get(db: &impl ConnectionTrait, id: &HandoffId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id.as_str()).one(db).await
}

/// Enters a hand-off.
///
/// # Errors
/// The database fails, also when there is one with this id.
pub async fn insert(db: &impl ConnectionTrait, row: &Model) -> Result<(), DbErr> {
    Entity::insert(row.clone().into_active_model())
        .exec_without_returning(db)
        .await
        .map(|_| ())
}

/// Moves a hand-off on, if it is in one of the states `from`. Says whether it did.
///
/// # Errors
/// The database fails.
pub async fn advance(
    db: &impl ConnectionTrait,
    id: &str,
    from: &[HandoffState],
    to: HandoffState,
) -> Result<bool, DbErr> {
    let from = from.iter().map(|state| State::from(*state));
    let update = Entity::update_many()
        .filter(Column::Id.eq(id))
        .filter(Column::State.is_in(from))
        .col_expr(Column::State, Expr::value(State::from(to).to_value()))
        .col_expr(Column::UpdatedAt, Expr::value(clock::now()));
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// The id of the hand-off that led a workspace to an epoch.
///
/// # Errors
/// The database fails.
pub async fn led_to(
    db: &impl ConnectionTrait,
    user: &UserId,
    workspace: &str,
    epoch: i64,
) -> Result<Option<String>, DbErr> {
    let row = Entity::find()
        .filter(Column::UserId.eq(user.as_str()))
        .filter(Column::WorkspaceId.eq(workspace))
        .filter(Column::Epoch.eq(epoch))
        .filter(Column::State.is_in([State::Committed, State::Finalized]))
        .one(db)
        .await?;
    Ok(row.map(|row| row.id))
}

/// Notes that a hand-off still moves.
///
/// # Errors
/// The database fails.
pub async fn touch(db: &impl ConnectionTrait, id: &str) -> Result<(), DbErr> {
    Entity::update_many()
        .filter(Column::Id.eq(id))
        .col_expr(Column::UpdatedAt, Expr::value(clock::now()))
        .exec(db)
        .await
        .map(|_| ())
}

/// Notes how large the bundle of a hand-off is and how much of it has come.
///
/// # Errors
/// The database fails.
pub async fn set_size(
    db: &impl ConnectionTrait,
    id: &str,
    (done, total): (u64, u64),
) -> Result<(), DbErr> {
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    Entity::update_many()
        .filter(Column::Id.eq(id))
        .col_expr(Column::BytesTotal, Expr::value(bytes(total)))
        .col_expr(Column::BytesDone, Expr::value(bytes(done)))
        .col_expr(Column::UpdatedAt, Expr::value(clock::now()))
        .exec(db)
        .await
        .map(|_| ())
}

/// Notes that so many more bytes of a hand-off have passed.
///
/// # Errors
/// The database fails.
pub async fn add_done(db: &impl ConnectionTrait, id: &str, more: u64) -> Result<(), DbErr> {
    let more = i64::try_from(more).unwrap_or(i64::MAX);
    Entity::update_many()
        .filter(Column::Id.eq(id))
        .col_expr(Column::BytesDone, Expr::col(Column::BytesDone).add(more))
        .col_expr(Column::UpdatedAt, Expr::value(clock::now()))
        .exec(db)
        .await
        .map(|_| ())
}

/// Notes that the agent has heard how a hand-off ended, or never can.
///
/// # Errors
/// The database fails.
pub async fn set_told(db: &impl ConnectionTrait, id: &str) -> Result<(), DbErr> {
    Entity::update_many()
        .filter(Column::Id.eq(id))
        .col_expr(Column::AgentTold, Expr::value(true))
        .exec(db)
        .await
        .map(|_| ())
}

/// Hand-offs in one of the states, not told to the agent, that have not moved since `before`, in
/// the order of their ids, after `after`.
///
/// # Errors
/// The database fails.
pub async fn resting(
    db: &impl ConnectionTrait,
    states: &[HandoffState],
    before: ff_protocol::Timestamp,
    after: &str,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let states = states.iter().map(|state| State::from(*state));
    Entity::find()
        .filter(Column::State.is_in(states))
        .filter(Column::AgentTold.eq(false))
        .filter(Column::UpdatedAt.lte(before))
        .filter(Column::Id.gt(after))
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Removes a user's hand-offs; says how many there were.
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
