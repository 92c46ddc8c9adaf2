//! The cloud server's API.

use std::time::Duration;

use ff_protocol::handoff::{CreateHandoff, Handoff, Manifest, Offered, Restored};
use ff_protocol::onboarding::{LONGEST_WAIT, Onboarding};
use ff_protocol::ownership::{Claims, Reclaim, Ruling};
use ff_protocol::vm::{CreateVm, GitIdentity, Vm};
use ff_protocol::workspace::CloudWorkspace;
use ff_protocol::{HandoffId, UserId, VmId, WorkspaceId};
use reqwest::Method;

use crate::engine::EngineClient;
use crate::error::Result;
use crate::http::{Auth, Http, LONG, SHORT, WAKE};
use crate::raw::ByteStream;

/// Client of a cloud server.
#[derive(Debug, Clone)]
pub struct CloudClient {
    engine: EngineClient,
}

impl CloudClient {
    /// A client of the server at `base_url` (`http://host:3000`). Connects to nothing yet.
    ///
    /// # Errors
    /// [`crate::ClientError::Address`] when the address cannot be used.
    pub fn new(base_url: &str, auth: Auth) -> Result<Self> {
        let engine = EngineClient::new(base_url, auth)?;
        Ok(Self { engine })
    }

    /// The server's address without a slash at its end.
    pub fn base_url(&self) -> &str {
        self.http().base()
    }

    /// The engine API of the user's VM, behind this server: sessions and terminals.
    pub fn engine(&self) -> &EngineClient {
        &self.engine
    }

    fn http(&self) -> &Http {
        &self.engine.http
    }

    /// Whether the server answers.
    pub async fn healthz(&self) -> Result<()> {
        let request = self.http().request(Method::GET, "/healthz");
        self.http().unit(request, SHORT).await
    }

    /// The user's VM, made now if there is none; returns when it runs. `user` is needed only
    /// where the credentials name none.
    pub async fn create_vm(&self, user: Option<&UserId>) -> Result<Vm> {
        let body = CreateVm {
            user_id: user.cloned(),
        };
        self.http().post("/api/vms", &body, LONG).await
    }

    /// The user's VMs.
    pub async fn vms(&self) -> Result<Vec<Vm>> {
        self.http().all("/api/vms").await
    }

    /// One VM.
    pub async fn vm(&self, id: &VmId) -> Result<Vm> {
        self.http().get(&format!("/api/vms/{id}"), SHORT).await
    }

    /// Removes a VM with its home.
    pub async fn delete_vm(&self, id: &VmId) -> Result<()> {
        let request = self
            .http()
            .request(Method::DELETE, &format!("/api/vms/{id}"));
        self.http().unit(request, WAKE).await
    }

    /// What the user has still to do in the VM; wakes nothing.
    pub async fn onboarding(&self, id: &VmId) -> Result<Onboarding> {
        self.http().get(&onboarding(id, ""), WAKE).await
    }

    /// As [`Self::onboarding`], in a VM that is woken for it if it sleeps.
    pub async fn onboarding_waking(&self, id: &VmId) -> Result<Onboarding> {
        self.http().get(&onboarding(id, "?wake=true"), WAKE).await
    }

    /// As [`Self::onboarding`], once its version is another than this, or else after `wait`, which
    /// is a minute at most. Versions have no characters that mean something in a URL.
    pub async fn onboarding_after(
        &self,
        id: &VmId,
        version: &str,
        wait: Duration,
    ) -> Result<Onboarding> {
        let seconds = wait.as_secs().min(LONGEST_WAIT);
        let path = onboarding(id, &format!("?after={version}&wait={seconds}"));
        let limit = Duration::from_secs(seconds) + WAKE;
        self.http().get(&path, limit).await
    }

    /// Sets git's identity for the VM's whole home; wakes the VM.
    pub async fn set_git_identity(&self, id: &VmId, identity: &GitIdentity) -> Result<GitIdentity> {
        let path = format!("/api/vms/{id}/git-identity");
        let request = self.http().request(Method::PUT, &path).json(identity);
        self.http().send(request, WAKE).await
    }

    /// The workspaces the server knows, from its mirror: wakes nothing.
    pub async fn workspaces(&self) -> Result<Vec<CloudWorkspace>> {
        self.http().all("/api/workspaces").await
    }

    /// One workspace, from the mirror.
    pub async fn workspace(&self, id: &WorkspaceId) -> Result<CloudWorkspace> {
        let path = format!("/api/workspaces/{id}");
        self.http().get(&path, SHORT).await
    }

    /// Tells what the records here say of who owns which workspace, and hears what holds of those
    /// of which the server knows something else.
    pub async fn claim(&self, claims: &Claims) -> Result<Vec<Ruling>> {
        self.http().post("/api/ownership", claims, WAKE).await
    }

    /// Takes a workspace from a side that is gone.
    pub async fn reclaim(&self, id: &WorkspaceId, reclaim: &Reclaim) -> Result<CloudWorkspace> {
        let path = format!("/api/workspaces/{id}/reclaim");
        self.http().post(&path, reclaim, LONG).await
    }

    /// Begins a hand-off; the same call again has no further effect. For a send the answer has
    /// the commits the VM `have`s, for a pull the VM's `manifest`.
    pub async fn create_handoff(&self, create: &CreateHandoff) -> Result<Handoff> {
        self.http().post("/api/handoffs", create, LONG).await
    }

    /// How far a hand-off has come.
    pub async fn handoff(&self, id: &HandoffId) -> Result<Handoff> {
        self.http().get(&path(id, ""), SHORT).await
    }

    /// Sends one part of the bundle from `offset` on, `size` bytes in pieces.
    pub async fn put_part(
        &self,
        id: &HandoffId,
        sha256: &str,
        (offset, size): (u64, u64),
        body: ByteStream,
    ) -> Result<()> {
        let part = part_path(id, sha256, offset);
        self.http().put_part(&part, size, body).await
    }

    /// Fetches one part of the bundle from `offset` on. The caller compares length and hash: a cut connection
    /// shows as an error in the stream, a wrong byte only there.
    pub async fn get_part(&self, id: &HandoffId, sha256: &str, offset: u64) -> Result<ByteStream> {
        self.http().get_part(&part_path(id, sha256, offset)).await
    }

    /// For a send, before its parts: the VM checks what is to come, and tells what has come of it.
    pub async fn offer(&self, id: &HandoffId, manifest: &Manifest) -> Result<Offered> {
        let path = path(id, "/offer");
        self.http().post(&path, manifest, WAKE).await
    }

    /// For a send, once all parts are there: the VM restores the workspace beside any old copy.
    pub async fn restore(&self, id: &HandoffId, manifest: &Manifest) -> Result<Restored> {
        let path = path(id, "/restore");
        self.http().post(&path, manifest, LONG).await
    }

    /// Moves ownership. The only moment that counts; the same call again gives the same answer.
    pub async fn commit(&self, id: &HandoffId) -> Result<Handoff> {
        self.http().post_empty(&path(id, "/commit"), WAKE).await
    }

    /// Says that this side has converged on the committed outcome.
    pub async fn finalize(&self, id: &HandoffId) -> Result<Handoff> {
        self.http().post_empty(&path(id, "/finalize"), WAKE).await
    }

    /// Gives the hand-off up; refused once it is committed.
    pub async fn abort(&self, id: &HandoffId) -> Result<()> {
        let request = self.http().request(Method::DELETE, &path(id, ""));
        self.http().unit(request, WAKE).await
    }
}

fn onboarding(id: &VmId, query: &str) -> String {
    format!("/api/vms/{id}/onboarding{query}")
}

fn path(id: &HandoffId, rest: &str) -> String {
    format!("/api/handoffs/{id}{rest}")
}

/// Path of a part from `offset` on. The hash is an opaque word here; anything but hex is dropped so that it
/// cannot reach another path.
pub(crate) fn part_path(id: &HandoffId, sha256: &str, offset: u64) -> String {
    let hex: String = sha256.chars().filter(char::is_ascii_hexdigit).collect();
    match offset {
        0 => path(id, &format!("/parts/{hex}")),
        _ => path(id, &format!("/parts/{hex}?offset={offset}")),
    }
}
