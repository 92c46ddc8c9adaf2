//! Queries on the mirror of workspaces.

use ff_protocol::workspace::Owner;
use ff_protocol::{HandoffId, UserId, VmId, WorkspaceId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter,
    QueryOrder, QuerySelect, Set,
};

use super::entity::workspace::{ActiveModel, Column, Entity, Model};
use crate::clock;

/// A workspace that comes into the mirror.
#[derive(Debug)]
pub struct NewWorkspace<'a> {
    /// Its user.
    pub user: &'a UserId,
    /// Its id.
    pub id: &'a WorkspaceId,
    /// The VM it is in, or is going to.
    pub vm: &'a VmId,
    /// What is shown of it.
    pub shown: Shown<'a>,
    /// Who owns it now.
    pub owner: &'a Owner,
    /// Its epoch now.
    pub epoch: i64,
    /// The hand-off it comes with, if it does.
    pub handoff: Option<&'a HandoffId>,
}

/// What the mirror shows of a workspace.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Its display name.
    pub name: &'a str,
    /// The project's display name.
    pub project_name: &'a str,
    /// Its branch.
    pub branch_name: &'a str,
    /// What else the mirror shows, as JSON text.
    pub metadata: &'a str,
}

/// A workspace of one user.
///
/// # Errors
/// The database fails.
pub async fn get(
    db: &impl ConnectionTrait,
    user: &UserId,
    id: &WorkspaceId,
) -> Result<Option<Model>, DbErr> {
    let key = (user.to_string(), id.to_string());
    Entity::find_by_id(key).one(db).await
}

/// Workspaces with this id, of any user; two at most.
///
/// # Errors
/// The database fails.
pub async fn with_id(db: &impl ConnectionTrait, id: &WorkspaceId) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::Id.eq(id.as_str()))
        .limit(2)
        .all(db)
        .await
}

/// Workspaces in the order of user and id, after the row `after`, of one user or all.
///
/// # Errors
/// The database fails.
pub async fn list(
    db: &impl ConnectionTrait,
    user: Option<&UserId>,
    after: Option<(&UserId, &WorkspaceId)>,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let mut query = Entity::find();
    if let Some(user) = user {
        query = query.filter(Column::UserId.eq(user.as_str()));
    }
    if let Some((user, id)) = after {
        let same_user = Column::UserId
            .eq(user.as_str())
            .and(Column::Id.gt(id.as_str()));
        query = query.filter(
            Condition::any()
                .add(Column::UserId.gt(user.as_str()))
                .add(same_user),
        );
    }
    query
        .order_by_asc(Column::UserId)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Enters a workspace.
///
/// # Errors
/// The database fails, also when the user has a workspace with this id.
pub async fn insert(db: &impl ConnectionTrait, new: NewWorkspace<'_>) -> Result<(), DbErr> {
    let now = clock::now();
    let row = ActiveModel {
        user_id: Set(new.user.to_string()),
        id: Set(new.id.to_string()),
        vm_id: Set(new.vm.to_string()),
        name: Set(new.shown.name.to_owned()),
        project_name: Set(new.shown.project_name.to_owned()),
        branch_name: Set(new.shown.branch_name.to_owned()),
        owner: Set(new.owner.to_string()),
        epoch: Set(new.epoch),
        handoff_id: Set(new.handoff.map(ToString::to_string)),
        metadata: Set(new.shown.metadata.to_owned()),
        created_at: Set(now),
        updated_at: Set(now),
    };
    Entity::insert(row)
        .exec_without_returning(db)
        .await
        .map(|_| ())
}

/// Notes what is shown of a workspace that the cloud owns; what is empty stays as it was.
///
/// # Errors
/// The database fails.
pub async fn note(
    db: &impl ConnectionTrait,
    user: &UserId,
    id: &WorkspaceId,
    shown: Shown<'_>,
) -> Result<(), DbErr> {
    let mut update = Entity::update_many()
        .filter(key(user.as_str(), id.as_str()))
        .filter(Column::Owner.eq(Owner::Cloud.to_string()))
        .col_expr(Column::UpdatedAt, Expr::value(clock::now()));
    for (column, value) in [
        (Column::Name, shown.name),
        (Column::ProjectName, shown.project_name),
        (Column::BranchName, shown.branch_name),
        (Column::Metadata, shown.metadata),
    ] {
        if !value.is_empty() {
            update = update.col_expr(column, Expr::value(value));
        }
    }
    update.exec(db).await.map(|_| ())
}

/// Writes what else the mirror shows of a workspace, if it is still what was read. Says whether it
/// was.
///
/// # Errors
/// The database fails.
pub async fn set_metadata(
    db: &impl ConnectionTrait,
    row: &Model,
    metadata: &str,
) -> Result<bool, DbErr> {
    let update = Entity::update_many()
        .filter(key(&row.user_id, &row.id))
        .filter(Column::Owner.eq(&row.owner))
        .filter(Column::Metadata.eq(&row.metadata))
        .col_expr(Column::Metadata, Expr::value(metadata))
        .col_expr(Column::UpdatedAt, Expr::value(clock::now()));
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// Removes a workspace that this side owns and no hand-off has. Says whether it was there.
///
/// # Errors
/// The database fails.
pub async fn forget(
    db: &impl ConnectionTrait,
    user: &UserId,
    id: &WorkspaceId,
    owner: &Owner,
) -> Result<bool, DbErr> {
    let removed = Entity::delete_many()
        .filter(key(user.as_str(), id.as_str()))
        .filter(Column::Owner.eq(owner.to_string()))
        .filter(Column::HandoffId.is_null())
        .exec(db)
        .await?;
    Ok(removed.rows_affected == 1)
}

/// Takes a workspace for a hand-off, if its owner and epoch are still these and no other
/// hand-off has it. Says whether it did.
///
/// # Errors
/// The database fails.
pub async fn take(
    db: &impl ConnectionTrait,
    row: &Model,
    handoff: &HandoffId,
) -> Result<bool, DbErr> {
    let update = Entity::update_many()
        .filter(key(&row.user_id, &row.id))
        .filter(Column::Owner.eq(&row.owner))
        .filter(Column::Epoch.eq(row.epoch))
        .filter(Column::HandoffId.is_null())
        .col_expr(Column::HandoffId, Expr::value(handoff.as_str()))
        .col_expr(Column::UpdatedAt, Expr::value(clock::now()));
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// Notes what is shown of a workspace, if the hand-off has it.
///
/// # Errors
/// The database fails.
pub async fn show(
    db: &impl ConnectionTrait,
    handoff: &super::entity::handoff::Model,
    shown: Shown<'_>,
) -> Result<(), DbErr> {
    Entity::update_many()
        .filter(key(&handoff.user_id, &handoff.workspace_id))
        .filter(Column::HandoffId.eq(&handoff.id))
        .col_expr(Column::Name, Expr::value(shown.name))
        .col_expr(Column::ProjectName, Expr::value(shown.project_name))
        .col_expr(Column::BranchName, Expr::value(shown.branch_name))
        .col_expr(Column::Metadata, Expr::value(shown.metadata))
        .col_expr(Column::UpdatedAt, Expr::value(clock::now()))
        .exec(db)
        .await
        .map(|_| ())
}

/// Moves a workspace to the hand-off's new owner and VM, if its owner, epoch and hand-off are
/// those the hand-off began with. Says whether it moved.
///
/// # Errors
/// The database fails.
pub async fn hand_over(
    db: &impl ConnectionTrait,
    handoff: &super::entity::handoff::Model,
) -> Result<bool, DbErr> {
    let update = Entity::update_many()
        .filter(key(&handoff.user_id, &handoff.workspace_id))
        .filter(Column::Owner.eq(&handoff.from_owner))
        .filter(Column::Epoch.eq(handoff.epoch - 1))
        .filter(Column::HandoffId.eq(&handoff.id))
        .col_expr(Column::Owner, Expr::value(&handoff.to_owner))
        .col_expr(Column::Epoch, Expr::value(handoff.epoch))
        .col_expr(Column::VmId, Expr::value(&handoff.vm_id))
        .col_expr(Column::UpdatedAt, Expr::value(clock::now()));
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// Sets owner and epoch of a workspace, if they are still those of the row; no hand-off has it
/// then. `vm` is the VM that holds it, where that is news. Says whether it did.
///
/// # Errors
/// The database fails.
pub async fn adopt(
    db: &impl ConnectionTrait,
    row: &Model,
    owner: &Owner,
    epoch: i64,
    vm: Option<&VmId>,
) -> Result<bool, DbErr> {
    let mut update = Entity::update_many()
        .filter(key(&row.user_id, &row.id))
        .filter(Column::Owner.eq(&row.owner))
        .filter(Column::Epoch.eq(row.epoch))
        .col_expr(Column::Owner, Expr::value(owner.to_string()))
        .col_expr(Column::Epoch, Expr::value(epoch))
        .col_expr(Column::HandoffId, Expr::value(None::<String>))
        .col_expr(Column::UpdatedAt, Expr::value(clock::now()));
    if let Some(vm) = vm {
        update = update.col_expr(Column::VmId, Expr::value(vm.as_str()));
    }
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// Lets a workspace go that a hand-off has.
///
/// # Errors
/// The database fails.
pub async fn release(
    db: &impl ConnectionTrait,
    handoff: &super::entity::handoff::Model,
) -> Result<(), DbErr> {
    Entity::update_many()
        .filter(key(&handoff.user_id, &handoff.workspace_id))
        .filter(Column::HandoffId.eq(&handoff.id))
        .col_expr(Column::HandoffId, Expr::value(None::<String>))
        .col_expr(Column::UpdatedAt, Expr::value(clock::now()))
        .exec(db)
        .await
        .map(|_| ())
}

/// Removes a workspace that a hand-off has.
///
/// # Errors
/// The database fails.
pub async fn remove(
    db: &impl ConnectionTrait,
    handoff: &super::entity::handoff::Model,
) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(key(&handoff.user_id, &handoff.workspace_id))
        .filter(Column::HandoffId.eq(&handoff.id))
        .exec(db)
        .await
        .map(|_| ())
}

/// Removes the workspaces that only a VM's home held, when that home is removed.
///
/// # Errors
/// The database fails.
pub async fn remove_of_vm(db: &impl ConnectionTrait, vm: &VmId) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Column::VmId.eq(vm.as_str()))
        .filter(Column::Owner.eq(Owner::Cloud.to_string()))
        .exec(db)
        .await
        .map(|_| ())
}

/// Removes a user's workspaces, or only those that a desktop owns; says how many there were.
///
/// # Errors
/// The database fails.
pub async fn remove_of_user(
    db: &impl ConnectionTrait,
    user: &UserId,
    cloud_too: bool,
) -> Result<u64, DbErr> {
    let mut query = Entity::delete_many().filter(Column::UserId.eq(user.as_str()));
    if !cloud_too {
        query = query.filter(Column::Owner.ne(Owner::Cloud.to_string()));
    }
    Ok(query.exec(db).await?.rows_affected)
}

fn key(user: &str, id: &str) -> Condition {
    Condition::all()
        .add(Column::UserId.eq(user))
        .add(Column::Id.eq(id))
}
