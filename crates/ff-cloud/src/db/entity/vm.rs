//! A VM.

use ff_protocol::vm::VmState;
use sea_orm::entity::prelude::*;

/// [`VmState`] as the database keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    #[sea_orm(string_value = "POOLED")]
    Pooled,
    #[sea_orm(string_value = "PROVISIONING")]
    Provisioning,
    #[sea_orm(string_value = "RUNNING")]
    Running,
    #[sea_orm(string_value = "SUSPENDING")]
    Suspending,
    #[sea_orm(string_value = "FROZEN")]
    Frozen,
    #[sea_orm(string_value = "STOPPED")]
    Stopped,
    #[sea_orm(string_value = "RESUMING")]
    Resuming,
    #[sea_orm(string_value = "FAILED")]
    Failed,
    #[sea_orm(string_value = "TERMINATING")]
    Terminating,
    #[sea_orm(string_value = "TERMINATED")]
    Terminated,
}

macro_rules! same_names {
    ($($name:ident)*) => {
        impl From<VmState> for State {
            fn from(state: VmState) -> Self {
                match state { $(VmState::$name => Self::$name,)* }
            }
        }
        impl From<State> for VmState {
            fn from(state: State) -> Self {
                match state { $(State::$name => Self::$name,)* }
            }
        }
    };
}
same_names!(Pooled Provisioning Running Suspending Frozen Stopped Resuming Failed Terminating Terminated);

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "vms")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Absent while it is pooled.
    pub user_id: Option<String>,
    /// The user while the VM lives, else null: its unique index is what gives a user one VM.
    #[sea_orm(unique)]
    pub live_user_id: Option<String>,
    pub state: State,
    /// Code of `reason`, see `services::vm::failure`.
    pub reason_code: Option<String>,
    pub reason: Option<String>,
    pub image: String,
    pub container_id: Option<String>,
    /// Base URL of the agent since the last start.
    pub address: Option<String>,
    /// Identity of the container's current start.
    pub machine_start: Option<String>,
    /// Generation of the agent's token; grows at each start.
    pub token_generation: i64,
    /// Whether an agent ever ran on the home volume: then a missing volume is a loss.
    pub has_home: bool,
    /// When a transitional state counts as stuck.
    pub deadline_at: Option<DateTimeUtc>,
    pub last_health_check: Option<DateTimeUtc>,
    pub last_active_at: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    /// When it came into its state.
    pub state_since: Option<DateTimeUtc>,
    /// Id of the image its container was made from; `image` is the name.
    pub image_id: Option<String>,
    /// The image before, kept until the new one has come up.
    pub previous_image_id: Option<String>,
    /// What held it when it went to sleep, as JSON.
    pub holding: String,
    /// When it wakes by itself.
    pub next_wake_at: Option<DateTimeUtc>,
    /// When it may be started again after it ended by itself.
    pub restart_at: Option<DateTimeUtc>,
    /// How often it has ended by itself in a row.
    pub restarts: i64,
    /// Limits of its own, where they differ from the server's.
    pub cpus: Option<f64>,
    /// Bytes.
    pub memory: Option<i64>,
    pub pids: Option<i64>,
    /// Whether the limits wait for the next start.
    pub limits_pending: bool,
    /// What its user should know, as JSON.
    pub notices: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
