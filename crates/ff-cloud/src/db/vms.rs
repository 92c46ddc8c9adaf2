//! Queries on VMs.

use ff_protocol::limits::Limits;
use ff_protocol::vm::VmState;
use ff_protocol::{Timestamp, UserId, VmId};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveEnum, ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, Set, SqlErr, TransactionTrait,
};

use super::entity::vm::{ActiveModel, Column, Entity, Model, State};
use super::usage;
use crate::clock;

/// A row of a new VM.
#[derive(Debug, Clone)]
pub struct NewVm {
    /// Its id.
    pub id: VmId,
    /// Its user; none for a VM of the pool.
    pub user: Option<UserId>,
    /// Name of the image it will be made from.
    pub image: String,
    /// Id of that image.
    pub image_id: Option<String>,
    /// When its creation counts as stuck.
    pub deadline: Timestamp,
}

/// Enters a VM in state `provisioning`; `None` if the user has a live one already, or no row any
/// more.
///
/// # Errors
/// The database fails.
pub async fn insert(db: &impl ConnectionTrait, new: NewVm) -> Result<Option<Model>, DbErr> {
    let now = clock::now();
    let user = new.user.map(String::from);
    let row = ActiveModel {
        id: Set(new.id.to_string()),
        user_id: Set(user.clone()),
        live_user_id: Set(user),
        state: Set(State::Provisioning),
        image: Set(new.image),
        image_id: Set(new.image_id),
        token_generation: Set(1),
        has_home: Set(false),
        deadline_at: Set(Some(new.deadline)),
        state_since: Set(Some(now)),
        holding: Set("[]".to_owned()),
        notices: Set("[]".to_owned()),
        restarts: Set(0),
        limits_pending: Set(false),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    // SQLite commits when a statement ends, and what that says is lost once a row was returned.
    match Entity::insert(row).exec_without_returning(db).await {
        Ok(_) => get(db, &new.id).await,
        Err(error) => match error.sql_err() {
            Some(error) if is_race(&error) => Ok(None),
            _ => Err(error),
        },
    }
}

/// The user got a VM at the same moment, or their account was deleted.
pub(super) fn is_race(error: &SqlErr) -> bool {
    matches!(
        error,
        SqlErr::UniqueConstraintViolation(_) | SqlErr::ForeignKeyConstraintViolation(_)
    )
}

/// The VM with this id.
///
/// # Errors
/// The database fails.
pub async fn get(db: &impl ConnectionTrait, id: &VmId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id.as_str()).one(db).await
}

/// The user's live VM.
///
/// # Errors
/// The database fails.
pub async fn live_of(db: &impl ConnectionTrait, user: &UserId) -> Result<Option<Model>, DbErr> {
    Entity::find()
        .filter(Column::LiveUserId.eq(user.as_str()))
        .one(db)
        .await
}

/// Every VM a user has or had.
///
/// # Errors
/// The database fails.
pub async fn of_user(db: &impl ConnectionTrait, user: &UserId) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::UserId.eq(user.as_str()))
        .order_by_asc(Column::Id)
        .all(db)
        .await
}

/// Removes the rows of a user's VMs that have ended.
///
/// # Errors
/// The database fails, also while another row names one of them.
pub async fn remove_ended_of(db: &impl ConnectionTrait, user: &UserId) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Column::UserId.eq(user.as_str()))
        .filter(Column::State.eq(State::Terminated))
        .exec(db)
        .await
        .map(|_| ())
}

/// Users' live VMs in the order of their ids, after `after`, of one user or all.
///
/// # Errors
/// The database fails.
pub async fn list(
    db: &impl ConnectionTrait,
    user: Option<&UserId>,
    after: Option<&VmId>,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let mut query = Entity::find()
        .filter(Column::State.ne(State::Terminated))
        .filter(Column::UserId.is_not_null());
    if let Some(user) = user {
        query = query.filter(Column::UserId.eq(user.as_str()));
    }
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after.as_str()));
    }
    query.order_by_asc(Column::Id).limit(limit).all(db).await
}

/// VMs in one of the states, in the order of their ids, after `after`.
///
/// # Errors
/// The database fails.
pub async fn in_states(
    db: &impl ConnectionTrait,
    states: &[VmState],
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let states = states.iter().map(|state| State::from(*state));
    let mut query = Entity::find().filter(Column::State.is_in(states));
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after));
    }
    query.order_by_asc(Column::Id).limit(limit).all(db).await
}

/// A machine that runs.
#[derive(Debug, Clone)]
pub struct Running {
    /// The provider's id of it.
    pub container_id: String,
    /// Base URL of its agent.
    pub address: String,
    /// Identity of its current start.
    pub start: String,
}

/// What a change of state writes beside the state.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Code and text of the reason; absent means the reason is cleared.
    pub reason: Option<(String, String)>,
    /// When the new state counts as stuck; absent for states that last.
    pub deadline: Option<Timestamp>,
    /// The machine that now runs.
    pub machine: Option<Running>,
    /// The agent answered: notes health, and that the home is in use.
    pub agent_answered: bool,
    /// Somebody wants something of it now.
    pub active: bool,
    /// The user may have another VM from now on.
    pub release_user: bool,
    /// What holds it while it sleeps, as JSON, and when it wakes by itself.
    pub asleep: Option<(String, Option<Timestamp>)>,
    /// How often it has ended by itself in a row, and when it may start again.
    pub restart: Option<(i64, Option<Timestamp>)>,
    /// Why it wakes; for its account.
    pub cause: Option<&'static str>,
    /// The image its container is made from now, and the one before.
    pub image: Option<(String, Option<String>)>,
    /// The limits are in force from its next start on, or are now.
    pub limits_pending: Option<bool>,
}

/// Moves a VM from one state to another, if it is still in the first, and keeps its account: one
/// transaction. Says whether it moved.
///
/// # Errors
/// The database fails.
pub async fn transition(
    db: &DatabaseConnection,
    id: &VmId,
    from: VmState,
    to: VmState,
    change: Change,
) -> Result<bool, DbErr> {
    let tx = db.begin().await?;
    let (now, cause) = (clock::now(), change.cause);
    if !swap(&tx, id, from, to, change, now).await? {
        tx.rollback().await?;
        return Ok(false);
    }
    usage::note(&tx, id, from, to, cause, now).await?;
    tx.commit().await?;
    Ok(true)
}

async fn swap(
    db: &impl ConnectionTrait,
    id: &VmId,
    from: VmState,
    to: VmState,
    change: Change,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let (code, reason) = change.reason.unzip();
    // PostgreSQL has no NUL in text, and a reason may quote a program.
    let reason = reason.map(|reason| reason.replace('\0', " "));
    let (holding, next_wake) = change.asleep.unwrap_or_else(|| ("[]".to_owned(), None));
    let mut update = Entity::update_many()
        .filter(Column::Id.eq(id.as_str()))
        .filter(Column::State.eq(State::from(from)))
        .col_expr(Column::State, Expr::value(State::from(to).to_value()))
        .col_expr(Column::ReasonCode, Expr::value(code))
        .col_expr(Column::Reason, Expr::value(reason))
        .col_expr(Column::DeadlineAt, Expr::value(change.deadline))
        .col_expr(Column::Holding, Expr::value(holding))
        .col_expr(Column::NextWakeAt, Expr::value(next_wake))
        .col_expr(Column::StateSince, Expr::value(now))
        .col_expr(Column::UpdatedAt, Expr::value(now));
    if let Some(machine) = change.machine {
        update = update
            .col_expr(Column::ContainerId, Expr::value(machine.container_id))
            .col_expr(Column::Address, Expr::value(machine.address))
            .col_expr(Column::MachineStart, Expr::value(machine.start));
    }
    if change.agent_answered {
        update = update
            .col_expr(Column::HasHome, Expr::value(true))
            .col_expr(Column::LastHealthCheck, Expr::value(now));
    }
    if change.active {
        update = update.col_expr(Column::LastActiveAt, Expr::value(now));
    }
    if change.release_user {
        update = update.col_expr(Column::LiveUserId, Expr::value(None::<String>));
    }
    if let Some((restarts, at)) = change.restart {
        update = update
            .col_expr(Column::Restarts, Expr::value(restarts))
            .col_expr(Column::RestartAt, Expr::value(at));
    }
    if let Some((image, previous)) = change.image {
        update = update
            .col_expr(Column::ImageId, Expr::value(image))
            .col_expr(Column::PreviousImageId, Expr::value(previous));
    }
    if let Some(pending) = change.limits_pending {
        update = update.col_expr(Column::LimitsPending, Expr::value(pending));
    }
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// Sleeping VMs that are to wake by themselves by `now`, the longest overdue first.
///
/// # Errors
/// The database fails.
pub async fn due_to_wake(
    db: &impl ConnectionTrait,
    now: Timestamp,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::State.is_in([State::Frozen, State::Stopped]))
        .filter(Column::NextWakeAt.lte(now))
        .order_by_asc(Column::NextWakeAt)
        .limit(limit)
        .all(db)
        .await
}

/// Puts off when a sleeping VM wakes by itself.
///
/// # Errors
/// The database fails.
pub async fn wake_later(
    db: &impl ConnectionTrait,
    id: &VmId,
    at: Option<Timestamp>,
) -> Result<(), DbErr> {
    Entity::update_many()
        .filter(Column::Id.eq(id.as_str()))
        .filter(Column::State.is_in([State::Frozen, State::Stopped]))
        .col_expr(Column::NextWakeAt, Expr::value(at))
        .exec(db)
        .await
        .map(|_| ())
}

/// Notes a VM's own limits, and whether they wait for its next start.
///
/// # Errors
/// The database fails.
pub async fn set_limits(
    db: &impl ConnectionTrait,
    id: &VmId,
    limits: Limits,
    pending: bool,
) -> Result<(), DbErr> {
    Entity::update_many()
        .filter(Column::Id.eq(id.as_str()))
        .col_expr(Column::Cpus, Expr::value(limits.cpus))
        .col_expr(
            Column::Memory,
            Expr::value(i64::try_from(limits.memory).ok()),
        )
        .col_expr(Column::Pids, Expr::value(i64::from(limits.pids)))
        .col_expr(Column::LimitsPending, Expr::value(pending))
        .exec(db)
        .await
        .map(|_| ())
}

/// Notes what a VM's user should know, as JSON.
///
/// # Errors
/// The database fails.
pub async fn set_notices(db: &impl ConnectionTrait, id: &VmId, notices: &str) -> Result<(), DbErr> {
    Entity::update_many()
        .filter(Column::Id.eq(id.as_str()))
        .col_expr(Column::Notices, Expr::value(notices))
        .exec(db)
        .await
        .map(|_| ())
}

/// Ids of the images that rows of live VMs name.
///
/// # Errors
/// The database fails.
pub async fn images(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let mut images = Vec::new();
    for column in [Column::ImageId, Column::PreviousImageId] {
        let found: Vec<Option<String>> = Entity::find()
            .filter(Column::State.ne(State::Terminated))
            .filter(column.is_not_null())
            .select_only()
            .column(column)
            .distinct()
            .into_tuple()
            .all(db)
            .await?;
        images.extend(found.into_iter().flatten());
    }
    images.sort();
    images.dedup();
    Ok(images)
}

/// Takes the next generation of a VM's token.
///
/// # Errors
/// The database fails, or there is no such VM.
pub async fn next_token(db: &impl ConnectionTrait, id: &VmId) -> Result<i64, DbErr> {
    let next = Expr::col(Column::TokenGeneration).add(1);
    Entity::update_many()
        .filter(Column::Id.eq(id.as_str()))
        .col_expr(Column::TokenGeneration, next)
        .exec(db)
        .await?;
    let row = get(db, id).await?;
    row.map(|row| row.token_generation)
        .ok_or_else(|| DbErr::RecordNotFound(id.to_string()))
}

/// Keeps a VM from being removed until the transaction ends. Says whether it is not removed already.
///
/// # Errors
/// The database fails.
pub async fn hold(db: &impl ConnectionTrait, id: &str) -> Result<bool, DbErr> {
    let update = Entity::update_many()
        .filter(Column::Id.eq(id))
        .filter(Column::State.is_not_in([State::Terminating, State::Terminated]))
        .col_expr(Column::UpdatedAt, Expr::col(Column::UpdatedAt));
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// Notes what an agent's health report said. No effect unless the VM runs.
///
/// # Errors
/// The database fails.
pub async fn note_health(
    db: &impl ConnectionTrait,
    id: &VmId,
    last_active: Timestamp,
) -> Result<(), DbErr> {
    Entity::update_many()
        .filter(Column::Id.eq(id.as_str()))
        .filter(Column::State.eq(State::Running))
        .col_expr(Column::LastHealthCheck, Expr::value(clock::now()))
        .col_expr(
            Column::LastActiveAt,
            Expr::value(clock::truncated(last_active)),
        )
        .exec(db)
        .await
        .map(|_| ())
}
