//! Users, VMs, the mirror of workspaces, hand-offs.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, boolean, text, text_null, timestamp_with_time_zone, timestamp_with_time_zone_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Vms {
    Table,
    Id,
    UserId,
    LiveUserId,
    State,
    ReasonCode,
    Reason,
    Image,
    ContainerId,
    Address,
    MachineStart,
    TokenGeneration,
    HasHome,
    DeadlineAt,
    LastHealthCheck,
    LastActiveAt,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum Workspaces {
    Table,
    UserId,
    Id,
    VmId,
    Name,
    ProjectName,
    BranchName,
    Owner,
    Epoch,
    HandoffId,
    Metadata,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum Handoffs {
    Table,
    Id,
    UserId,
    WorkspaceId,
    VmId,
    Direction,
    FromOwner,
    ToOwner,
    Epoch,
    State,
    RequestDigest,
    NewWorkspace,
    CreatedAt,
    UpdatedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Users::Table)
                    .col(text(Users::Id).primary_key())
                    .col(timestamp_with_time_zone(Users::CreatedAt))
                    .to_owned(),
            )
            .await?;
        manager.create_table(vms()).await?;
        manager.create_table(workspaces()).await?;
        manager.create_table(handoffs()).await?;
        for index in [
            Index::create()
                .name("vms_user")
                .table(Vms::Table)
                .col(Vms::UserId)
                .to_owned(),
            Index::create()
                .name("vms_state")
                .table(Vms::Table)
                .col(Vms::State)
                .to_owned(),
            Index::create()
                .name("workspaces_id")
                .table(Workspaces::Table)
                .col(Workspaces::Id)
                .to_owned(),
            Index::create()
                .name("handoffs_workspace")
                .table(Handoffs::Table)
                .col(Handoffs::UserId)
                .col(Handoffs::WorkspaceId)
                .to_owned(),
            Index::create()
                .name("handoffs_state")
                .table(Handoffs::Table)
                .col(Handoffs::State)
                .to_owned(),
        ] {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn vms() -> TableCreateStatement {
    Table::create()
        .table(Vms::Table)
        .col(text(Vms::Id).primary_key())
        .col(text(Vms::UserId))
        .col(text_null(Vms::LiveUserId).unique_key())
        .col(text(Vms::State))
        .col(text_null(Vms::ReasonCode))
        .col(text_null(Vms::Reason))
        .col(text(Vms::Image))
        .col(text_null(Vms::ContainerId))
        .col(text_null(Vms::Address))
        .col(text_null(Vms::MachineStart))
        .col(big_integer(Vms::TokenGeneration))
        .col(boolean(Vms::HasHome))
        .col(timestamp_with_time_zone_null(Vms::DeadlineAt))
        .col(timestamp_with_time_zone_null(Vms::LastHealthCheck))
        .col(timestamp_with_time_zone_null(Vms::LastActiveAt))
        .col(timestamp_with_time_zone(Vms::CreatedAt))
        .col(timestamp_with_time_zone(Vms::UpdatedAt))
        .foreign_key(
            ForeignKey::create()
                .from(Vms::Table, Vms::UserId)
                .to(Users::Table, Users::Id),
        )
        .to_owned()
}

fn workspaces() -> TableCreateStatement {
    Table::create()
        .table(Workspaces::Table)
        .col(text(Workspaces::UserId))
        .col(text(Workspaces::Id))
        .col(text(Workspaces::VmId))
        .col(text(Workspaces::Name))
        .col(text(Workspaces::ProjectName))
        .col(text(Workspaces::BranchName))
        .col(text(Workspaces::Owner))
        .col(big_integer(Workspaces::Epoch))
        .col(text_null(Workspaces::HandoffId))
        .col(text(Workspaces::Metadata))
        .col(timestamp_with_time_zone(Workspaces::CreatedAt))
        .col(timestamp_with_time_zone(Workspaces::UpdatedAt))
        .primary_key(Index::create().col(Workspaces::UserId).col(Workspaces::Id))
        .foreign_key(
            ForeignKey::create()
                .from(Workspaces::Table, Workspaces::UserId)
                .to(Users::Table, Users::Id),
        )
        .foreign_key(
            ForeignKey::create()
                .from(Workspaces::Table, Workspaces::VmId)
                .to(Vms::Table, Vms::Id),
        )
        .to_owned()
}

fn handoffs() -> TableCreateStatement {
    Table::create()
        .table(Handoffs::Table)
        .col(text(Handoffs::Id).primary_key())
        .col(text(Handoffs::UserId))
        .col(text(Handoffs::WorkspaceId))
        .col(text(Handoffs::VmId))
        .col(text(Handoffs::Direction))
        .col(text(Handoffs::FromOwner))
        .col(text(Handoffs::ToOwner))
        .col(big_integer(Handoffs::Epoch))
        .col(text(Handoffs::State))
        .col(text(Handoffs::RequestDigest))
        .col(boolean(Handoffs::NewWorkspace))
        .col(timestamp_with_time_zone(Handoffs::CreatedAt))
        .col(timestamp_with_time_zone(Handoffs::UpdatedAt))
        .foreign_key(
            ForeignKey::create()
                .from(Handoffs::Table, Handoffs::UserId)
                .to(Users::Table, Users::Id),
        )
        .foreign_key(
            ForeignKey::create()
                .from(Handoffs::Table, Handoffs::VmId)
                .to(Vms::Table, Vms::Id),
        )
        .to_owned()
}
