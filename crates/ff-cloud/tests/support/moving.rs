//! A user with a VM, and what their desktop asks for.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use ff_client::{ClientError, CloudClient};
use ff_cloud::db::entity::handoff;
use ff_protocol::handoff::{
    BUNDLE_FORMAT, CreateHandoff, Direction, Handoff, HandoffState, Manifest,
};
use ff_protocol::workspace::Owner;
use ff_protocol::{DesktopId, HandoffId, Problem, WorkspaceId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;

use super::Server;
use super::backend::Backend;
use super::engine::{Engine, Heard, Online};

/// Hash of the one part.
pub const SHA: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

pub struct World {
    pub client: CloudClient,
    pub engine: Arc<Engine>,
    pub heard: Heard,
    pub server: Server,
    pub online: Online,
}

impl World {
    pub async fn new(backend: Backend) -> Self {
        let server = Server::new(backend).await;
        let (engine, heard) = Engine::install(&server);
        let online = Online::start(&server).await;
        let client = online.client("test-user");
        client.create_vm(None).await.unwrap();
        Self {
            client,
            engine,
            heard,
            server,
            online,
        }
    }

    pub async fn refused(&self, ask: &CreateHandoff) -> Problem {
        problem(self.client.create_handoff(ask).await)
    }

    /// A send up to the restored workspace.
    pub async fn restored(&self, ask: &CreateHandoff) {
        self.client.create_handoff(ask).await.unwrap();
        self.client.restore(&ask.id, &manifest(ask)).await.unwrap();
    }

    /// A whole send.
    pub async fn sent(&self, ask: &CreateHandoff) -> Handoff {
        self.restored(ask).await;
        self.client.commit(&ask.id).await.unwrap();
        self.client.finalize(&ask.id).await.unwrap()
    }

    pub async fn age(&self, id: &HandoffId, minutes: i64) {
        let then = ff_cloud::clock::now() - chrono::TimeDelta::minutes(minutes);
        handoff::Entity::update_many()
            .filter(handoff::Column::Id.eq(id.as_str()))
            .col_expr(handoff::Column::UpdatedAt, Expr::value(then))
            .exec(self.server.app.db.write())
            .await
            .unwrap();
    }

    pub async fn state(&self, id: &HandoffId) -> HandoffState {
        self.client.handoff(id).await.unwrap().state
    }
}

pub fn problem<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> Problem {
    match answer {
        Err(ClientError::Problem(problem)) => problem,
        other => panic!("no refusal: {other:?}"),
    }
}

pub fn send(desktop: &DesktopId, workspace: &WorkspaceId, epoch: u64) -> CreateHandoff {
    serde_json::from_value(json!({
        "id": HandoffId::generate(),
        "direction": "SEND",
        "workspaceId": workspace,
        "desktopId": desktop,
        "epoch": epoch,
        "plan": {
            "workspaceId": workspace,
            "workspaceName": "Fix it",
            "projectId": "p",
            "projectName": "Project",
            "remoteUrl": "https://github.com/o/r.git",
            "defaultBranch": "main",
            "branch": "fix-it",
        },
    }))
    .unwrap()
}

pub fn pull(desktop: &DesktopId, workspace: &WorkspaceId, epoch: u64) -> CreateHandoff {
    CreateHandoff {
        direction: Direction::Pull,
        plan: None,
        have: vec!["beef".into()],
        ..send(desktop, workspace, epoch)
    }
}

pub fn ids() -> (DesktopId, WorkspaceId) {
    (DesktopId::generate(), WorkspaceId::generate())
}

pub fn manifest(ask: &CreateHandoff) -> Manifest {
    let desktop = Owner::Desktop(ask.desktop_id.clone());
    let (from, to) = match ask.direction {
        Direction::Send => (desktop, Owner::Cloud),
        Direction::Pull => (Owner::Cloud, desktop),
    };
    let then = "2026-01-01T00:00:00Z";
    serde_json::from_value(json!({
        "format": BUNDLE_FORMAT, "handoffId": ask.id, "from": from, "to": to, "epoch": ask.epoch + 1,
        "project": {"id": "p", "name": "Project", "slug": "project", "repoPath": "/r",
            "worktreeBasePath": "/w", "defaultBranch": "main", "createdAt": then,
            "updatedAt": then},
        "workspace": {"id": ask.workspace_id, "projectId": "p", "name": "Fix it well",
            "status": "READY", "creationSource": "MANUAL", "hasHadSessions": true,
            "location": from.location(), "owner": from, "epoch": ask.epoch, "createdAt": then,
            "updatedAt": then},
        "sessions": [],
        "git": {"branch": "fix-it", "head": "c0ffee"},
        "fingerprint": {"head": "c0ffee", "tree": "7ree", "state": "57a7e", "stashes": [], "journal": "0", "transcripts": {}},
        "parts": [{"name": "repo.bundle", "sha256": SHA, "size": 11}],
    }))
    .unwrap()
}
