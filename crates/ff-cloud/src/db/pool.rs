//! Queries on VMs that nobody owns yet.

use ff_protocol::UserId;
use ff_protocol::awake::UsageKind;
use ff_protocol::vm::VmState;
use sea_orm::sea_query::{Expr, LockBehavior, LockType};
use sea_orm::{
    ActiveEnum, ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect, TransactionTrait,
};

use super::entity::vm::{Column, Entity, Model, State};
use super::usage;
use super::vms::is_race;
use crate::clock;

/// Gives a pooled VM of this image to a user who has none: one transaction. `Taken` when the user
/// got a VM at the same moment, or lost their row.
///
/// # Errors
/// The database fails.
pub async fn claim(
    db: &DatabaseConnection,
    user: &UserId,
    image_id: Option<&str>,
) -> Result<Claim, DbErr> {
    let tx = db.begin().await?;
    let mut query = Entity::find()
        .filter(Column::State.eq(State::Pooled))
        .order_by_asc(Column::Id);
    if let Some(image) = image_id {
        query = query.filter(Column::ImageId.eq(image));
    }
    if db.get_database_backend() == DbBackend::Postgres {
        // Two servers take two VMs, and neither waits for the other.
        query = query.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    }
    let Some(row) = query.one(&tx).await? else {
        tx.rollback().await?;
        return Ok(Claim::Empty);
    };
    let now = clock::now();
    let update = Entity::update_many()
        .filter(Column::Id.eq(&row.id))
        .filter(Column::State.eq(State::Pooled))
        .col_expr(Column::State, Expr::value(State::Running.to_value()))
        .col_expr(Column::UserId, Expr::value(user.as_str()))
        .col_expr(Column::LiveUserId, Expr::value(user.as_str()))
        .col_expr(Column::CreatedAt, Expr::value(now))
        .col_expr(Column::StateSince, Expr::value(now))
        .col_expr(Column::LastActiveAt, Expr::value(now))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .exec(&tx)
        .await;
    match update {
        Ok(done) if done.rows_affected == 1 => {}
        Ok(_) => return Ok(Claim::Empty),
        Err(error) => {
            return match error.sql_err() {
                Some(error) if is_race(&error) => Ok(Claim::Taken),
                _ => Err(error),
            };
        }
    }
    usage::begin(
        &tx,
        &row.id,
        user.as_str(),
        UsageKind::Awake,
        Some("user"),
        now,
    )
    .await?;
    tx.commit().await?;
    Ok(Claim::Got(Box::new(Model {
        state: State::Running,
        user_id: Some(user.to_string()),
        live_user_id: Some(user.to_string()),
        created_at: now,
        state_since: Some(now),
        last_active_at: Some(now),
        updated_at: now,
        ..row
    })))
}

/// How a claim went.
#[derive(Debug)]
pub enum Claim {
    /// The VM is the user's.
    Got(Box<Model>),
    /// The pool has none.
    Empty,
    /// The user has one already.
    Taken,
}

/// VMs without a user in these states, the oldest first.
///
/// # Errors
/// The database fails.
pub async fn unowned(
    db: &impl ConnectionTrait,
    states: &[VmState],
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let states = states.iter().map(|state| State::from(*state));
    Entity::find()
        .filter(Column::UserId.is_null())
        .filter(Column::State.is_in(states))
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(db)
        .await
}
