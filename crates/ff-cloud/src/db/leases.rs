//! Queries on leases.

use ff_protocol::{Timestamp, VmId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};

use super::entity::lease::{Column, Entity, Model};

/// Enters a lease.
///
/// # Errors
/// The database fails.
pub async fn insert(db: &impl ConnectionTrait, row: &Model) -> Result<(), DbErr> {
    Entity::insert(row.clone().into_active_model())
        .exec_without_returning(db)
        .await
        .map(|_| ())
}

/// A VM's leases that have not ended by `now`, the first to end first.
///
/// # Errors
/// The database fails.
pub async fn of_vm(
    db: &impl ConnectionTrait,
    vm: &VmId,
    now: Timestamp,
) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::VmId.eq(vm.as_str()))
        .filter(Column::ExpiresAt.gt(now))
        .order_by_asc(Column::ExpiresAt)
        .all(db)
        .await
}

/// Ends a lease of a VM; says whether there was one.
///
/// # Errors
/// The database fails.
pub async fn remove(db: &impl ConnectionTrait, vm: &VmId, id: &str) -> Result<bool, DbErr> {
    let removed = Entity::delete_many()
        .filter(Column::VmId.eq(vm.as_str()))
        .filter(Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(removed.rows_affected > 0)
}

/// Removes all leases of a VM; says how many there were.
///
/// # Errors
/// The database fails.
pub async fn remove_of_vm(db: &impl ConnectionTrait, vm: &str) -> Result<u64, DbErr> {
    let removed = Entity::delete_many()
        .filter(Column::VmId.eq(vm))
        .exec(db)
        .await?;
    Ok(removed.rows_affected)
}

/// Removes what ended before `then`.
///
/// # Errors
/// The database fails.
pub async fn remove_ended(db: &impl ConnectionTrait, then: Timestamp) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Column::ExpiresAt.lt(then))
        .exec(db)
        .await
        .map(|_| ())
}
