//! A hand-off.

use ff_protocol::handoff as wire;
use sea_orm::entity::prelude::*;

/// [`wire::Direction`] as the database keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Direction {
    #[sea_orm(string_value = "SEND")]
    Send,
    #[sea_orm(string_value = "PULL")]
    Pull,
}

/// [`wire::HandoffState`] as the database keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    #[sea_orm(string_value = "TRANSFERRING")]
    Transferring,
    #[sea_orm(string_value = "RESTORED")]
    Restored,
    #[sea_orm(string_value = "COMMITTED")]
    Committed,
    #[sea_orm(string_value = "FINALIZED")]
    Finalized,
    #[sea_orm(string_value = "ABORTED")]
    Aborted,
}

macro_rules! same_names {
    ($wire:ty, $row:ty: $($name:ident)*) => {
        impl From<$wire> for $row {
            fn from(value: $wire) -> Self {
                match value { $(<$wire>::$name => Self::$name,)* }
            }
        }
        impl From<$row> for $wire {
            fn from(value: $row) -> Self {
                match value { $(<$row>::$name => Self::$name,)* }
            }
        }
    };
}
same_names!(wire::Direction, Direction: Send Pull);
same_names!(wire::HandoffState, State: Transferring Restored Committed Finalized Aborted);

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "handoffs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub user_id: String,
    pub workspace_id: String,
    pub vm_id: String,
    pub direction: Direction,
    /// `cloud` or `desktop:<id>`.
    pub from_owner: String,
    /// `cloud` or `desktop:<id>`.
    pub to_owner: String,
    /// Epoch of the workspace once committed.
    pub epoch: i64,
    pub state: State,
    /// SHA-256 of what was asked for, hex: another request may not come under the same id.
    pub request_digest: String,
    /// Whether the workspace came into the mirror with this hand-off, and leaves it on abort.
    pub new_workspace: bool,
    /// Whether the VM's agent has heard how it ended, or never can.
    pub agent_told: bool,
    /// Size of the bundle, once it is known.
    pub bytes_total: Option<i64>,
    /// How much of it has passed.
    pub bytes_done: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
