//! The engine API: what else can be done with a session than to talk to it.

use ff_protocol::session::{Capabilities, Configure, JournalEntry, Session, Stopped, UserRequest};
use ff_protocol::{Page, SessionId, WorkspaceId};
use reqwest::Method;

use crate::engine::{EngineClient, sessions};
use crate::error::Result;
use crate::http::WAKE;

impl EngineClient {
    /// Changes a session's name, model or permissions; what is absent stays.
    pub async fn configure(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        configure: &Configure,
    ) -> Result<Session> {
        let path = format!("{}/{session}", sessions(workspace));
        let request = self.http.request(Method::PATCH, &path).json(configure);
        self.http.send(request, WAKE).await
    }

    /// Starts the session's CLI if it does not run, and lets messages that were held go on.
    pub async fn resume(&self, workspace: &WorkspaceId, session: &SessionId) -> Result<Session> {
        let path = format!("{}/{session}/resume", sessions(workspace));
        self.http.post_empty(&path, WAKE).await
    }

    /// Ends the session for good; what was said stays.
    pub async fn close_session(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
    ) -> Result<Stopped> {
        let path = format!("{}/{session}/close", sessions(workspace));
        self.http.post_empty(&path, WAKE).await
    }

    /// The session's messages that come after `after` in the journal, `limit` at most. A read,
    /// as [`Self::sessions`].
    pub async fn messages(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        after: u64,
        limit: u64,
    ) -> Result<Page<JournalEntry>> {
        let path = self.read(format!("{}/{session}/messages", sessions(workspace)));
        let place = [("after", after), ("limit", limit)];
        let request = self.http.request(Method::GET, &path).query(&place);
        self.http.send(request, WAKE).await
    }

    /// The questions and permission requests that wait for an answer. A read, as
    /// [`Self::sessions`].
    pub async fn requests(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
    ) -> Result<Vec<UserRequest>> {
        let path = format!("{}/{session}/requests", sessions(workspace));
        self.http.all(&self.read(path)).await
    }

    /// What the session's CLI offers: commands and models. A read, as [`Self::sessions`].
    pub async fn capabilities(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
    ) -> Result<Capabilities> {
        let path = self.read(format!("{}/{session}/capabilities", sessions(workspace)));
        self.http.get(&path, WAKE).await
    }
}
