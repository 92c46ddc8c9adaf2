//! The agent's API, as the server uses it.

use std::time::Duration;

use ff_protocol::agent::{
    HEALTH_PATH, HELLO_PATH, Health, Hello, QUIESCE_PATH, Quiesce, Quiesced, REPORTS_PATH,
};
use ff_protocol::handoff::{Export, Finish, Manifest, Offered, Receive, Received, Restored};
use ff_protocol::ownership::{Claim, Claims, Reclaim, Ruling};
use ff_protocol::workspace::Workspace;
use ff_protocol::{HandoffId, VmId, WorkspaceId};
use futures_util::Stream;
use reqwest::Method;
use reqwest::header::HeaderMap;

use crate::cloud::part_path;
use crate::error::{ClientError, Result};
use crate::http::{Auth, Connections, Http, LONG, SHORT, WAKE};
use crate::ndjson;
use crate::proof;
use crate::raw::{ByteStream, RawRequest, RawResponse};
use crate::secret::Secret;
use crate::socket::{RawSocket, WsStream};

/// Client of the agent in one VM.
#[derive(Debug, Clone)]
pub struct AgentClient {
    vm_id: VmId,
    token: Secret,
    http: Http,
}

impl AgentClient {
    /// A client of the agent of `vm_id` at `base_url`. Connects to nothing yet. Nothing but
    /// [`Self::hello`] may be called before that has succeeded: container addresses are reused
    /// at once, and every other call shows the token.
    pub fn new(vm_id: VmId, base_url: &str, token: Secret) -> Result<Self> {
        Self::over(&Connections::new()?, vm_id, base_url, token)
    }

    /// As [`Self::new`], over connections that other clients use too.
    pub fn over(
        connections: &Connections,
        vm_id: VmId,
        base_url: &str,
        token: Secret,
    ) -> Result<Self> {
        let auth = Auth::Bearer(token.clone());
        let http = Http::over(connections.clone(), base_url, auth)?.telling_deadlines();
        Ok(Self { vm_id, token, http })
    }

    /// The VM this is the agent of.
    pub fn vm_id(&self) -> &VmId {
        &self.vm_id
    }

    /// Asks the agent for its proof over `nonce` (fresh, hex) and verifies it. Sends no token.
    ///
    /// # Errors
    /// [`ClientError::Unexpected`] when another VM's agent, or no agent of ours, answers.
    pub async fn hello(&self, nonce: &str) -> Result<Hello> {
        let bare = self.http.anonymous();
        let request = bare
            .request(Method::GET, HELLO_PATH)
            .query(&[("nonce", nonce)]);
        let hello: Hello = bare.send(request, SHORT).await?;
        if hello.vm_id != self.vm_id
            || !proof::verify(&self.token, &self.vm_id, nonce, &hello.proof)
        {
            let detail = "it did not prove to be this VM's agent".into();
            return Err(self.http.unexpected(None, detail));
        }
        Ok(hello)
    }

    /// What the agent says of itself and of the work in its VM.
    pub async fn health(&self) -> Result<Health> {
        self.http.get(HEALTH_PATH, SHORT).await
    }

    /// Health reports as they come: one at once, one at each change, and one every few seconds.
    /// Has no deadline after the head of the answer: how long silence may last is the caller's
    /// matter, who may have frozen the VM.
    pub async fn reports(
        &self,
    ) -> Result<impl Stream<Item = Result<Health>> + Send + Unpin + use<>> {
        let head = tokio::time::timeout(SHORT, async {
            let request = self.http.request(Method::GET, REPORTS_PATH);
            self.http.checked(request, SHORT).await
        });
        let response = head
            .await
            .unwrap_or_else(|_| Err(self.http.timeout(SHORT)))?;
        let chunks = self.http.chunks(response, Duration::MAX);
        Ok(ndjson::values(self.http.clone(), chunks))
    }

    /// Asks the agent to execute nothing more that changes anything. The same id again renews.
    ///
    /// # Errors
    /// `busy` with the causes in its text when something works, was at work too short a time
    /// ago, or would be lost.
    pub async fn quiesce(&self, quiesce: &Quiesce, within: Duration) -> Result<Quiesced> {
        self.http.post(QUIESCE_PATH, quiesce, within).await
    }

    /// Ends a quiesce; one that has ended is no error.
    pub async fn release(&self, id: &str, within: Duration) -> Result<()> {
        let path = format!("{QUIESCE_PATH}/{id}");
        let request = self.http.request(Method::DELETE, &path);
        self.http.unit(request, within).await
    }

    /// Makes the VM ready to receive a workspace: clones or fetches.
    pub async fn receive(&self, id: &HandoffId, receive: &Receive) -> Result<Received> {
        let path = format!("/api/handoffs/{id}/receive");
        self.http.post(&path, receive, LONG).await
    }

    /// Has the agent check what is to come, and tell what has come of it.
    pub async fn offer(&self, id: &HandoffId, manifest: &Manifest) -> Result<Offered> {
        let path = format!("/api/handoffs/{id}/offer");
        self.http.post(&path, manifest, SHORT).await
    }

    /// Has the agent check that the workspace is still what it spooled.
    pub async fn check(&self, id: &HandoffId) -> Result<()> {
        let path = format!("/api/handoffs/{id}/check");
        let request = self.http.request(Method::POST, &path);
        self.http.unit(request, WAKE).await
    }

    /// Restores the workspace from the parts sent before.
    pub async fn restore(&self, id: &HandoffId, manifest: &Manifest) -> Result<Restored> {
        let path = format!("/api/handoffs/{id}/restore");
        self.http.post(&path, manifest, LONG).await
    }

    /// Spools the workspace for a pull.
    pub async fn export(&self, id: &HandoffId, export: &Export) -> Result<Manifest> {
        let path = format!("/api/handoffs/{id}/export");
        self.http.post(&path, export, LONG).await
    }

    /// Tells how the hand-off ended.
    pub async fn finish(&self, id: &HandoffId, finish: Finish) -> Result<()> {
        let path = format!("/api/handoffs/{id}/finish");
        let request = self.http.request(Method::POST, &path).json(&finish);
        self.http.unit(request, SHORT).await
    }

    /// What the records in the VM say of who owns which workspace.
    pub async fn claims(&self) -> Result<Vec<Claim>> {
        let claims: Claims = self.http.get("/api/ownership", SHORT).await?;
        Ok(claims.claims)
    }

    /// Tells who owns a workspace; whatever acts on it in the VM without owning it is ended.
    pub async fn follow(&self, ruling: &Ruling) -> Result<()> {
        let path = format!("/api/workspaces/{}/owner", ruling.workspace_id);
        let request = self.http.request(Method::PUT, &path).json(ruling);
        self.http.unit(request, WAKE).await
    }

    /// Has the VM go on from its copy of a workspace.
    pub async fn reclaim(&self, id: &WorkspaceId, reclaim: &Reclaim) -> Result<Workspace> {
        let path = format!("/api/workspaces/{id}/reclaim");
        self.http.post(&path, reclaim, WAKE).await
    }

    /// Sends one part of a bundle from `offset` on, `size` bytes in pieces.
    pub async fn put_part(
        &self,
        id: &HandoffId,
        sha256: &str,
        (offset, size): (u64, u64),
        body: ByteStream,
    ) -> Result<()> {
        let path = part_path(id, sha256, offset);
        self.http.put_part(&path, size, body).await
    }

    /// Fetches one part of a bundle from `offset` on.
    pub async fn get_part(&self, id: &HandoffId, sha256: &str, offset: u64) -> Result<ByteStream> {
        self.http.get_part(&part_path(id, sha256, offset)).await
    }

    /// Passes a request on as it is and answers with whatever comes back.
    ///
    /// # Errors
    /// Only those of the transport: an error status is an answer here.
    pub async fn forward(&self, request: RawRequest) -> Result<RawResponse> {
        if !request.path_and_query.starts_with('/') {
            return Err(ClientError::Address {
                url: request.path_and_query,
                why: "a path begins with /",
            });
        }
        self.http.forward(request).await
    }

    /// Connects a WebSocket to a path of the agent, with `headers` besides our token.
    pub async fn dial(&self, path_and_query: &str, headers: HeaderMap) -> Result<WsStream> {
        self.http.dial(path_and_query, headers, SHORT).await
    }

    /// As [`Self::dial`], for frames that are passed on as they stand.
    pub async fn dial_raw(&self, path_and_query: &str, headers: HeaderMap) -> Result<RawSocket> {
        self.http.dial_raw(path_and_query, headers, SHORT).await
    }
}
