//! The side that holds a workspace, as far as its sessions go: this machine or the cloud.

use ff_client::CloudClient;
use ff_core::store::Store;
use ff_protocol::session::{Answer, Prompt, Session, SessionDetail, StartSession};
use ff_protocol::workspace::Owner;
use ff_protocol::{SessionId, WorkspaceId};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::find::{self, Known};
use crate::session::follow::Events;

/// Entries read at once.
const PAGE: u64 = 1000;

/// The side that holds a workspace.
pub enum Host<'a> {
    /// This machine: sessions run inside this process.
    Here(&'a Context),
    /// The user's VM.
    Cloud(CloudClient),
}

impl<'a> Host<'a> {
    /// The side that owns the workspace.
    ///
    /// # Errors
    /// It is the cloud and none is connected, or another desktop.
    pub async fn of(context: &'a Context, known: &Known) -> anyhow::Result<Self> {
        let me = context.store().await?.installation_id().await?;
        let (owner, _) = known.owner();
        match &owner {
            Owner::Cloud => Ok(Self::Cloud(context.cloud()?.client)),
            Owner::Desktop(id) if *id == me => Ok(Self::Here(context)),
            Owner::Desktop(_) => {
                let text = format!("workspace {} is on another machine ({owner})", known.name());
                Err(Failure::new(Exit::Refused, text)
                    .hint("send it to the cloud from there, or work on it there")
                    .next(format!("ff workspace show {}", known.id))
                    .into())
            }
        }
    }

    /// Whether sessions run inside this process.
    pub fn is_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }

    /// The workspace's sessions.
    ///
    /// # Errors
    /// They cannot be read; the VM may sleep.
    pub async fn sessions(&self, workspace: &WorkspaceId) -> anyhow::Result<Vec<Session>> {
        Ok(match self {
            Self::Here(context) => context.store().await?.sessions(workspace).await?,
            Self::Cloud(client) => client.engine().sessions(workspace).await?,
        })
    }

    /// One session with its messages.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub async fn session(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
    ) -> anyhow::Result<SessionDetail> {
        match self {
            Self::Here(context) => local_session(context.store().await?, workspace, session).await,
            Self::Cloud(client) => Ok(client.engine().session(workspace, session).await?),
        }
    }

    /// Starts a session.
    ///
    /// # Errors
    /// The workspace cannot be acted on now, or the CLI does not start.
    pub async fn start(
        &self,
        workspace: &WorkspaceId,
        start: StartSession,
    ) -> anyhow::Result<Session> {
        Ok(match self {
            Self::Here(context) => {
                let core = context.running_core().await?;
                core.sessions().start(workspace, start).await?
            }
            Self::Cloud(client) => client.engine().start_session(workspace, &start).await?,
        })
    }

    /// Gives a session its next prompt.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn prompt(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        prompt: Prompt,
    ) -> anyhow::Result<Session> {
        Ok(match self {
            Self::Here(context) => {
                let core = context.running_core().await?;
                core.sessions().prompt(workspace, session, prompt).await?
            }
            Self::Cloud(client) => client.engine().prompt(workspace, session, &prompt).await?,
        })
    }

    /// Ends the running turn.
    ///
    /// # Errors
    /// There is no such session, or the side that holds it does not answer.
    pub async fn interrupt(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
    ) -> anyhow::Result<Session> {
        Ok(match self {
            Self::Here(context) => {
                let core = context.running_core().await?;
                core.sessions().interrupt(workspace, session, None).await?
            }
            Self::Cloud(client) => client.engine().interrupt(workspace, session).await?,
        })
    }

    /// Ends the session's process.
    ///
    /// # Errors
    /// As [`Self::interrupt`].
    pub async fn stop(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
    ) -> anyhow::Result<Session> {
        Ok(match self {
            Self::Here(context) => {
                let core = context.running_core().await?;
                core.sessions().stop(workspace, session).await?
            }
            Self::Cloud(client) => client.engine().stop_session(workspace, session).await?,
        })
    }

    /// Answers a permission request or question.
    ///
    /// # Errors
    /// The request is unknown or closed.
    pub async fn answer(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        answer: Answer,
    ) -> anyhow::Result<()> {
        match self {
            Self::Here(context) => {
                let core = context.running_core().await?;
                core.sessions().answer(workspace, session, answer).await?
            }
            Self::Cloud(client) => client.engine().answer(workspace, session, &answer).await?,
        }
        Ok(())
    }

    /// What happens in the workspace from now on.
    ///
    /// # Errors
    /// The cloud cannot be reached.
    pub async fn events(&self, workspace: &WorkspaceId) -> anyhow::Result<Events> {
        Ok(match self {
            Self::Here(context) => {
                let core = context.running_core().await?;
                Events::here(core.clone(), workspace.clone())
            }
            Self::Cloud(client) => Events::Cloud(client.engine().follow(workspace, None).await?),
        })
    }
}

/// The workspace a text means, and the side that holds it.
///
/// # Errors
/// None is meant, or its side cannot be used.
pub async fn of_workspace<'a>(
    context: &'a Context,
    text: &str,
) -> anyhow::Result<(Known, Host<'a>)> {
    let known = find::workspace(context, text).await?;
    let host = Host::of(context, &known).await?;
    Ok((known, host))
}

/// As [`of_workspace`], with the session another text means.
///
/// # Errors
/// As [`of_workspace`]; or no session is meant.
pub async fn of_session<'a>(
    context: &'a Context,
    workspace: &str,
    session: &str,
) -> anyhow::Result<(Known, Host<'a>, SessionId)> {
    let (known, host) = of_workspace(context, workspace).await?;
    let sessions = host.sessions(&known.id).await?;
    let id = find::session(session, workspace, &sessions)?;
    Ok((known, host, id))
}

async fn local_session(
    store: &Store,
    workspace: &WorkspaceId,
    id: &SessionId,
) -> anyhow::Result<SessionDetail> {
    let session = store.session(workspace, id).await?.ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("there is no session {id}"))
            .next(format!("ff session list {workspace}"))
    })?;
    let mut messages = Vec::new();
    let mut after = 0;
    loop {
        let page = store.entries(workspace, Some(id), after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        messages.extend(page);
    }
    Ok(SessionDetail { session, messages })
}
