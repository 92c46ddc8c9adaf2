//! The audit log: what was done, by whom, and how it went. Rows are only ever added.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};

use super::entity::audit_event::{Column, Entity, Model};
use crate::clock;

/// Something that was done.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Who did it.
    pub actor: &'a str,
    /// What, such as `user.erase`.
    pub action: &'a str,
    /// To what.
    pub object: &'a str,
    /// How it went, in a word.
    pub result: &'a str,
    /// More of it, as JSON: no content and no secret.
    pub detail: &'a str,
}

/// Enters an event.
///
/// # Errors
/// The database fails.
pub async fn insert(db: &impl ConnectionTrait, event: Event<'_>) -> Result<(), DbErr> {
    let row = Model {
        id: uuid::Uuid::now_v7().to_string(),
        at: clock::now(),
        actor: event.actor.to_owned(),
        action: event.action.to_owned(),
        object: event.object.to_owned(),
        result: event.result.to_owned(),
        detail: event.detail.to_owned(),
    };
    Entity::insert(row.into_active_model())
        .exec_without_returning(db)
        .await
        .map(|_| ())
}

/// The last event with this action and object.
///
/// # Errors
/// The database fails.
pub async fn last(
    db: &impl ConnectionTrait,
    action: &str,
    object: &str,
) -> Result<Option<Model>, DbErr> {
    Entity::find()
        .filter(Column::Action.eq(action))
        .filter(Column::Object.eq(object))
        .order_by_desc(Column::At)
        .order_by_desc(Column::Id)
        .one(db)
        .await
}
