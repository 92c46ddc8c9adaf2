//! Queries on VMs.

use ff_protocol::vm::VmState;
use ff_protocol::{Timestamp, UserId, VmId};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveEnum, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Set, SqlErr,
};

use super::entity::vm::{ActiveModel, Column, Entity, Model, State};
use crate::clock;

/// A row of a new VM.
#[derive(Debug, Clone)]
pub struct NewVm {
    /// Its id.
    pub id: VmId,
    /// Its user.
    pub user: UserId,
    /// Image it will be made from.
    pub image: String,
    /// When its creation counts as stuck.
    pub deadline: Timestamp,
}

/// Enters a VM in state `provisioning`; `None` if the user has a live one already.
///
/// # Errors
/// The database fails.
pub async fn insert(db: &impl ConnectionTrait, new: NewVm) -> Result<Option<Model>, DbErr> {
    let now = clock::now();
    let row = ActiveModel {
        id: Set(new.id.into()),
        user_id: Set(new.user.to_string()),
        live_user_id: Set(Some(new.user.into())),
        state: Set(State::Provisioning),
        reason_code: Set(None),
        reason: Set(None),
        image: Set(new.image),
        container_id: Set(None),
        address: Set(None),
        machine_start: Set(None),
        token_generation: Set(1),
        has_home: Set(false),
        deadline_at: Set(Some(new.deadline)),
        last_health_check: Set(None),
        last_active_at: Set(None),
        created_at: Set(now),
        updated_at: Set(now),
    };
    match Entity::insert(row).exec_with_returning(db).await {
        Ok(model) => Ok(Some(model)),
        Err(error) => match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Ok(None),
            _ => Err(error),
        },
    }
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

/// Live VMs in the order of their ids, after `after`, of one user or all.
///
/// # Errors
/// The database fails.
pub async fn list(
    db: &impl ConnectionTrait,
    user: Option<&UserId>,
    after: Option<&VmId>,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let mut query = Entity::find().filter(Column::State.ne(State::Terminated));
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
    /// The agent answered: notes health, activity and that the home is in use.
    pub agent_answered: bool,
    /// Takes the next generation of the token.
    pub next_token: bool,
    /// The user may have another VM from now on.
    pub release_user: bool,
}

/// Moves a VM from one state to another, if it is still in the first. Says whether it moved.
///
/// # Errors
/// The database fails.
pub async fn transition(
    db: &impl ConnectionTrait,
    id: &VmId,
    from: VmState,
    to: VmState,
    change: Change,
) -> Result<bool, DbErr> {
    let now = clock::now();
    let (code, reason) = change.reason.unzip();
    // PostgreSQL has no NUL in text, and a reason may quote a program.
    let reason = reason.map(|reason| reason.replace('\0', " "));
    let mut update = Entity::update_many()
        .filter(Column::Id.eq(id.as_str()))
        .filter(Column::State.eq(State::from(from)))
        .col_expr(Column::State, Expr::value(State::from(to).to_value()))
        .col_expr(Column::ReasonCode, Expr::value(code))
        .col_expr(Column::Reason, Expr::value(reason))
        .col_expr(Column::DeadlineAt, Expr::value(change.deadline))
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
            .col_expr(Column::LastHealthCheck, Expr::value(now))
            .col_expr(Column::LastActiveAt, Expr::value(now));
    }
    if change.next_token {
        let next = Expr::col(Column::TokenGeneration).add(1);
        update = update.col_expr(Column::TokenGeneration, next);
    }
    if change.release_user {
        update = update.col_expr(Column::LiveUserId, Expr::value(None::<String>));
    }
    Ok(update.exec(db).await?.rows_affected == 1)
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
