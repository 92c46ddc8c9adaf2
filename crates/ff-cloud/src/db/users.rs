//! Queries on users.

use ff_protocol::UserId;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, Set};

use super::entity::user::{ActiveModel, Column, Entity};
use crate::clock;

/// Makes the user's row unless it is there.
///
/// # Errors
/// The database fails.
pub async fn ensure(db: &impl ConnectionTrait, user: &UserId) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(user.to_string()),
        created_at: Set(clock::now()),
    };
    Entity::insert(row)
        .on_conflict(OnConflict::column(Column::Id).do_nothing().to_owned())
        .exec_without_returning(db)
        .await
        .map(|_| ())
}

/// Whether there is such a user.
///
/// # Errors
/// The database fails.
pub async fn exists(db: &impl ConnectionTrait, user: &UserId) -> Result<bool, DbErr> {
    Ok(Entity::find_by_id(user.as_str()).one(db).await?.is_some())
}

/// Removes a user's row; says whether there was one.
///
/// # Errors
/// The database fails, also while another row names the user.
pub async fn remove(db: &impl ConnectionTrait, user: &UserId) -> Result<bool, DbErr> {
    let removed = Entity::delete_by_id(user.as_str()).exec(db).await?;
    Ok(removed.rows_affected > 0)
}

/// Keeps a user's row from being removed or held by others until the transaction ends. Says
/// whether there is one.
///
/// # Errors
/// The database fails.
pub async fn hold(db: &impl ConnectionTrait, user: &UserId) -> Result<bool, DbErr> {
    let update = Entity::update_many()
        .filter(Column::Id.eq(user.as_str()))
        .col_expr(Column::CreatedAt, Expr::col(Column::CreatedAt));
    Ok(update.exec(db).await?.rows_affected == 1)
}
