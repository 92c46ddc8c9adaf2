//! Workspaces that are made in VMs: their rows in the mirror.
//!
//! The row comes first, under an id that the VM is told. When the VM refuses it goes again; when
//! nobody knows whether the VM has the workspace it stays, and deleting it asks the VM.

use axum::http::{HeaderMap, Method};
use bytes::BytesMut;
use ff_protocol::project::Project;
use ff_protocol::pull_request::PullRequestStatus;
use ff_protocol::workspace::{CreateWorkspace, Owner, Workspace};
use ff_protocol::{ErrorCode, UserId, WorkspaceId};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::metadata::{EMPTY, Metadata};
use super::{Purpose, Route, WorkspaceService, owner, parse};
use crate::agent::{Forward, Payload};
use crate::db::workspaces;
use crate::{Error, Result};

/// Largest answer of an agent that is looked into, in bytes.
const LARGEST: usize = 1 << 20;

impl WorkspaceService {
    /// The way to the agent of a user's VM; without a user, of the only VM there is.
    ///
    /// # Errors
    /// `not_found` without a VM, `ambiguous_user`; what waking the VM may answer.
    pub async fn user_route(
        &self,
        user: Option<&UserId>,
        purpose: Purpose,
    ) -> Result<(UserId, Route)> {
        let mut vms = self.vms.list(user, None).await?.items;
        let Some(vm) = vms.pop() else {
            let detail = "there is no VM yet";
            return Err(
                Error::refused(ErrorCode::NotFound, detail).hint("get one with `ff cloud setup`")
            );
        };
        if !vms.is_empty() {
            return Err(
                Error::refused(ErrorCode::AmbiguousUser, "there are VMs of several users")
                    .hint("name the user with ?userId= or the header X-FF-User"),
            );
        }
        let route = self.to_agent(&vm.id, purpose).await?;
        Ok((vm.user_id, route))
    }

    /// Enters a workspace that a VM is to make.
    ///
    /// # Errors
    /// The database fails.
    pub async fn enter(
        &self,
        user: &UserId,
        route: &Route,
        id: &WorkspaceId,
        create: &CreateWorkspace,
    ) -> Result<()> {
        let named = [&create.name, &create.branch, &create.issue];
        let name = named.into_iter().flatten().next();
        let new = workspaces::NewWorkspace {
            user,
            id,
            vm: &route.vm_id,
            shown: workspaces::Shown {
                name: name.map_or("", String::as_str),
                project_name: "",
                branch_name: create.branch.as_deref().unwrap_or_default(),
                metadata: EMPTY,
            },
            owner: &Owner::Cloud,
            epoch: 1,
            handoff: None,
        };
        Ok(workspaces::insert(self.db.write(), new).await?)
    }

    /// Notes what an agent says of a workspace.
    ///
    /// # Errors
    /// The database fails.
    pub async fn note(&self, user: &UserId, route: &Route, now: &Workspace) -> Result<()> {
        let path = format!("/api/projects/{}", now.project_id);
        let project: Option<Project> = self.ask(route, &path).await;
        let metadata = Metadata::of(now).text()?;
        let shown = workspaces::Shown {
            name: &now.name,
            project_name: project.as_ref().map_or("", |project| &project.name),
            branch_name: now.branch_name.as_deref().unwrap_or_default(),
            metadata: &metadata,
        };
        Ok(workspaces::note(self.db.write(), user, &now.id, shown).await?)
    }

    /// Notes what an agent says of a workspace's pull request.
    ///
    /// # Errors
    /// The database fails.
    pub async fn note_pull_request(&self, user: &UserId, now: &PullRequestStatus) -> Result<()> {
        let row = workspaces::get(self.db.read(), user, &now.workspace_id).await?;
        let Some(row) = row else { return Ok(()) };
        let metadata = Metadata {
            pr: Some(now.pr.clone()),
            ..Metadata::in_row(&row)
        };
        // Who was faster has noted something as new as this.
        workspaces::set_metadata(self.db.write(), &row, &metadata.text()?).await?;
        Ok(())
    }

    /// Forgets a workspace that its VM does not have (any more).
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget(&self, user: &UserId, id: &WorkspaceId) -> Result<()> {
        workspaces::forget(self.db.write(), user, id, &Owner::Cloud).await?;
        Ok(())
    }

    /// Forgets a workspace that a desktop owns: nothing of it is here but its row. `false` when
    /// the cloud owns it.
    ///
    /// # Errors
    /// As [`Self::get`]; `handoff_active` while it moves.
    pub async fn forget_of_desktop(&self, id: &WorkspaceId, user: Option<&UserId>) -> Result<bool> {
        let row = self.row(id, user).await?;
        let owner = owner(&row)?;
        if owner == Owner::Cloud {
            return Ok(false);
        }
        let user = parse(row.user_id)?;
        match workspaces::forget(self.db.write(), &user, id, &owner).await? {
            true => Ok(true),
            false => Err(Error::refused(
                ErrorCode::HandoffActive,
                format!("workspace `{id}` is being moved"),
            )
            .hint("finish the move with `ff send` or `ff pull`")),
        }
    }

    /// The user of a workspace, and the way to the engine that holds it.
    ///
    /// # Errors
    /// As [`Self::route`].
    pub async fn routed(
        &self,
        id: &WorkspaceId,
        user: Option<&UserId>,
        purpose: Purpose,
    ) -> Result<(UserId, Route)> {
        let owner = parse(self.row(id, user).await?.user_id)?;
        let route = self.route(id, Some(&owner), purpose).await?;
        Ok((owner, route))
    }

    /// What an agent answers to a read; nothing when it does not.
    async fn ask<T: DeserializeOwned>(&self, route: &Route, path: &str) -> Option<T> {
        let forward = Forward {
            method: Method::GET,
            path,
            query: None,
            headers: &HeaderMap::new(),
            body: Payload::None,
        };
        let answer = self.pass(route.clone(), forward).await.ok()?;
        if !answer.status.is_success() {
            return None;
        }
        let (mut stream, mut body) = (answer.body, BytesMut::new());
        while let Some(chunk) = stream.next().await {
            body.extend_from_slice(&chunk.ok()?);
            if body.len() > LARGEST {
                return None;
            }
        }
        serde_json::from_slice(&body).ok()
    }
}
