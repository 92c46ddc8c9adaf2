//! The engine API: sessions and terminals of a workspace.

use ff_protocol::session::{Answer, Prompt, Session, SessionDetail, StartSession, Stopped};
use ff_protocol::terminal::{CreateTerminal, RenameTerminal, Terminal};
use ff_protocol::workspace::Workspace;
use ff_protocol::{Page, SessionId, TerminalId, VmId, WorkspaceId};
use reqwest::Method;
use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::http::{Auth, Http, SHORT, WAKE};

/// Most pages of one list we follow.
const PAGES: usize = 1000;

/// Where a terminal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminalPlace {
    /// In a workspace's checkout.
    Workspace(WorkspaceId),
    /// In a VM's home directory.
    Vm(VmId),
}

impl TerminalPlace {
    /// Path of its terminals.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Workspace(id) => format!("/api/workspaces/{id}/terminals"),
            Self::Vm(id) => format!("/api/vms/{id}/terminals"),
        }
    }
}

/// Client of an engine: a desktop's, or a VM's behind its cloud server.
#[derive(Debug, Clone)]
pub struct EngineClient {
    pub(crate) http: Http,
    wake: bool,
}

impl EngineClient {
    /// A client of the engine at `base_url` (`http://host:port`). Connects to nothing yet.
    ///
    /// # Errors
    /// [`crate::ClientError::Address`] when the address cannot be used.
    pub fn new(base_url: &str, auth: Auth) -> Result<Self> {
        let http = Http::new(base_url, auth)?;
        Ok(Self { http, wake: false })
    }

    /// The same client, whose reads of sessions and terminals wake a sleeping VM too
    /// (`?wake=true`).
    pub fn waking(&self) -> Self {
        let mut waking = self.clone();
        waking.wake = true;
        waking
    }

    pub(crate) fn read(&self, path: String) -> String {
        match self.wake {
            true => path + "?wake=true",
            false => path,
        }
    }

    /// The workspaces the engine holds. (A cloud server answers this path with its own list,
    /// [`crate::CloudClient::workspaces`].)
    pub async fn workspaces(&self) -> Result<Vec<Workspace>> {
        self.http.all("/api/workspaces").await
    }

    /// One workspace the engine holds.
    pub async fn workspace(&self, id: &WorkspaceId) -> Result<Workspace> {
        self.http.get(&format!("/api/workspaces/{id}"), SHORT).await
    }

    /// The workspace's sessions. A read: on a cloud server it is refused with `suspended` while
    /// the VM sleeps.
    pub async fn sessions(&self, workspace: &WorkspaceId) -> Result<Vec<Session>> {
        self.http.all(&self.read(sessions(workspace))).await
    }

    /// One session with its messages. A read, as [`Self::sessions`].
    pub async fn session(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
    ) -> Result<SessionDetail> {
        let path = self.read(format!("{}/{session}", sessions(workspace)));
        self.http.get(&path, WAKE).await
    }

    /// Starts a session, with or without a first prompt.
    pub async fn start_session(
        &self,
        workspace: &WorkspaceId,
        start: &StartSession,
    ) -> Result<Session> {
        self.http.post(&sessions(workspace), start, WAKE).await
    }

    /// Gives the session its next prompt.
    pub async fn prompt(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        prompt: &Prompt,
    ) -> Result<Session> {
        let path = format!("{}/{session}/messages", sessions(workspace));
        self.http.post(&path, prompt, WAKE).await
    }

    /// Ends the running turn; the session stays.
    pub async fn interrupt(&self, workspace: &WorkspaceId, session: &SessionId) -> Result<Session> {
        let path = format!("{}/{session}/interrupt", sessions(workspace));
        self.http.post_empty(&path, WAKE).await
    }

    /// Ends everything that runs in a workspace that is being moved; what waits goes with it. (A
    /// cloud server has no such call.)
    pub async fn rest(&self, workspace: &WorkspaceId) -> Result<()> {
        let path = format!("/api/workspaces/{workspace}/rest");
        self.http
            .unit(self.http.request(Method::POST, &path), WAKE)
            .await
    }

    /// Ends the session's process, and takes back the messages that wait.
    pub async fn stop_session(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
    ) -> Result<Stopped> {
        let path = format!("{}/{session}/stop", sessions(workspace));
        self.http.post_empty(&path, WAKE).await
    }

    /// Answers a question or permission request.
    pub async fn answer(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        answer: &Answer,
    ) -> Result<()> {
        let path = format!("{}/{session}/answers", sessions(workspace));
        let request = self.http.request(Method::POST, &path).json(answer);
        self.http.unit(request, WAKE).await
    }

    /// The open terminals of a place.
    pub async fn terminals(&self, place: &TerminalPlace) -> Result<Vec<Terminal>> {
        self.http.all(&self.read(place.path())).await
    }

    /// Opens a terminal.
    pub async fn create_terminal(
        &self,
        place: &TerminalPlace,
        create: &CreateTerminal,
    ) -> Result<Terminal> {
        self.http.post(&place.path(), create, WAKE).await
    }

    /// Gives a terminal another name.
    pub async fn rename_terminal(
        &self,
        place: &TerminalPlace,
        terminal: &TerminalId,
        rename: &RenameTerminal,
    ) -> Result<Terminal> {
        let path = format!("{}/{terminal}", place.path());
        let request = self.http.request(Method::PATCH, &path).json(rename);
        self.http.send(request, WAKE).await
    }

    /// Closes a terminal; its programs get a hang-up.
    pub async fn close_terminal(&self, place: &TerminalPlace, terminal: &TerminalId) -> Result<()> {
        let path = format!("{}/{terminal}", place.path());
        let request = self.http.request(Method::DELETE, &path);
        self.http.unit(request, WAKE).await
    }
}

pub(crate) fn sessions(workspace: &WorkspaceId) -> String {
    format!("/api/workspaces/{workspace}/sessions")
}

impl Http {
    /// Every row of a list, page after page.
    pub(crate) async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        let mut page: Page<T> = self.get(path, WAKE).await?;
        let mut items = page.items;
        for _ in 1..PAGES {
            let Some(next) = page.next.take() else {
                return Ok(items);
            };
            let request = self
                .request(Method::GET, path)
                .query(&[("after", next.as_str())]);
            page = self.send(request, WAKE).await?;
            items.append(&mut page.items);
        }
        Err(self.unexpected(None, "its list does not end".into()))
    }
}
