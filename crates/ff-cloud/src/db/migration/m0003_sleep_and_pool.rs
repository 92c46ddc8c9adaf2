//! VMs without a user, sleep in two tiers, limits, leases, usage, the audit log.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, double_null, text, text_null, timestamp_with_time_zone,
    timestamp_with_time_zone_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Vms {
    Table,
    StateSince,
    ImageId,
    PreviousImageId,
    Holding,
    NextWakeAt,
    RestartAt,
    Restarts,
    Cpus,
    Memory,
    Pids,
    LimitsPending,
    Notices,
}

#[derive(DeriveIden)]
enum Leases {
    Table,
    Id,
    VmId,
    Name,
    ExpiresAt,
    CreatedAt,
}

#[derive(DeriveIden)]
enum UsageIntervals {
    Table,
    Id,
    VmId,
    UserId,
    Kind,
    Cause,
    StartedAt,
    EndedAt,
}

#[derive(DeriveIden)]
enum AuditEvents {
    Table,
    Id,
    At,
    Actor,
    Action,
    Object,
    Result,
    Detail,
}

/// The columns of `vms` as the first migration made them.
const FIRST: &str = "id, user_id, live_user_id, state, reason_code, reason, image, container_id, \
     address, machine_start, token_generation, has_home, deadline_at, last_health_check, \
     last_active_at, created_at, updated_at";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        user_may_be_absent(manager).await?;
        for column in [
            timestamp_with_time_zone_null(Vms::StateSince),
            text_null(Vms::ImageId),
            text_null(Vms::PreviousImageId),
            text(Vms::Holding).default("[]").take(),
            timestamp_with_time_zone_null(Vms::NextWakeAt),
            timestamp_with_time_zone_null(Vms::RestartAt),
            big_integer(Vms::Restarts).default(0).take(),
            double_null(Vms::Cpus),
            big_integer_null(Vms::Memory),
            big_integer_null(Vms::Pids),
            boolean(Vms::LimitsPending).default(false).take(),
            text(Vms::Notices).default("[]").take(),
        ] {
            let table = Table::alter()
                .table(Vms::Table)
                .add_column(column)
                .to_owned();
            manager.alter_table(table).await?;
        }
        manager.create_table(leases()).await?;
        manager.create_table(usage()).await?;
        manager.create_table(audit()).await?;
        for index in [
            Index::create()
                .name("vms_next_wake")
                .table(Vms::Table)
                .col(Vms::NextWakeAt)
                .to_owned(),
            Index::create()
                .name("leases_vm")
                .table(Leases::Table)
                .col(Leases::VmId)
                .to_owned(),
            Index::create()
                .name("usage_vm")
                .table(UsageIntervals::Table)
                .col(UsageIntervals::VmId)
                .col(UsageIntervals::StartedAt)
                .to_owned(),
            Index::create()
                .name("audit_at")
                .table(AuditEvents::Table)
                .col(AuditEvents::At)
                .to_owned(),
        ] {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

/// SQLite changes no column: the table is made anew. Migrations run with foreign keys off there,
/// as its manual asks for, so that what refers to the table goes on referring to its name.
async fn user_may_be_absent(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let db = manager.get_connection();
    if manager.get_database_backend() != DbBackend::Sqlite {
        db.execute_unprepared("ALTER TABLE vms ALTER COLUMN user_id DROP NOT NULL")
            .await?;
        return Ok(());
    }
    for statement in [
        "CREATE TABLE vms_new ( \
            id text NOT NULL PRIMARY KEY, user_id text, live_user_id text UNIQUE, \
            state text NOT NULL, reason_code text, reason text, image text NOT NULL, \
            container_id text, address text, machine_start text, \
            token_generation bigint NOT NULL, has_home boolean NOT NULL, \
            deadline_at timestamp_with_timezone_text, \
            last_health_check timestamp_with_timezone_text, \
            last_active_at timestamp_with_timezone_text, \
            created_at timestamp_with_timezone_text NOT NULL, \
            updated_at timestamp_with_timezone_text NOT NULL, \
            FOREIGN KEY (user_id) REFERENCES users (id))"
            .to_owned(),
        format!("INSERT INTO vms_new ({FIRST}) SELECT {FIRST} FROM vms"),
        "DROP TABLE vms".to_owned(),
        "ALTER TABLE vms_new RENAME TO vms".to_owned(),
        "CREATE INDEX vms_user ON vms (user_id)".to_owned(),
        "CREATE INDEX vms_state ON vms (state)".to_owned(),
    ] {
        db.execute_unprepared(&statement).await?;
    }
    Ok(())
}

fn leases() -> TableCreateStatement {
    Table::create()
        .table(Leases::Table)
        .col(text(Leases::Id).primary_key())
        .col(text(Leases::VmId))
        .col(text(Leases::Name))
        .col(timestamp_with_time_zone(Leases::ExpiresAt))
        .col(timestamp_with_time_zone(Leases::CreatedAt))
        .to_owned()
}

fn usage() -> TableCreateStatement {
    Table::create()
        .table(UsageIntervals::Table)
        .col(text(UsageIntervals::Id).primary_key())
        .col(text(UsageIntervals::VmId))
        .col(text(UsageIntervals::UserId))
        .col(text(UsageIntervals::Kind))
        .col(text_null(UsageIntervals::Cause))
        .col(timestamp_with_time_zone(UsageIntervals::StartedAt))
        .col(timestamp_with_time_zone_null(UsageIntervals::EndedAt))
        .to_owned()
}

fn audit() -> TableCreateStatement {
    Table::create()
        .table(AuditEvents::Table)
        .col(text(AuditEvents::Id).primary_key())
        .col(timestamp_with_time_zone(AuditEvents::At))
        .col(text(AuditEvents::Actor))
        .col(text(AuditEvents::Action))
        .col(text(AuditEvents::Object))
        .col(text(AuditEvents::Result))
        .col(text(AuditEvents::Detail))
        .to_owned()
}
