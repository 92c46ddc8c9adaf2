//! Queries on users.

use ff_protocol::UserId;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, Set};

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
