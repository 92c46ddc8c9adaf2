//! The side that holds a workspace, as far as its sessions go.

use std::path::PathBuf;

use ff_client::EngineClient;
use ff_core::session::Sessions;
use ff_core::store::Store;
use ff_protocol::session::{
    Answer, Capabilities, Configure, Prompt, Session, SessionDetail, StartSession, UserRequest,
};
use ff_protocol::workspace::Owner;
use ff_protocol::{SessionId, WorkspaceId};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::find::{self, Known};
use crate::serving;
use crate::session::follow::Events;

/// Entries read at once.
pub(super) const PAGE: u64 = 1000;

/// The side that holds a workspace.
pub enum Host<'a> {
    /// This machine: sessions run inside this process.
    Here(&'a Context),
    /// An engine that another process runs.
    Engine(EngineClient, Place),
}

/// Where an engine of another process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On this machine: the `ff serve` over this data directory.
    Serve(PathBuf),
    /// In the user's VM.
    Cloud,
}

impl<'a> Host<'a> {
    /// The side that owns the workspace.
    ///
    /// # Errors
    /// It is the cloud and none is connected or it has no such workspace, or another desktop.
    pub async fn of(context: &'a Context, known: &Known) -> anyhow::Result<Self> {
        let me = context.store().await?.installation_id().await?;
        let (owner, _) = known.owner();
        match &owner {
            Owner::Cloud if known.is_missing() => Err(known.missing().into()),
            Owner::Cloud => Self::of_cloud(context),
            Owner::Desktop(id) if *id == me => Self::of_this_machine(context).await,
            Owner::Desktop(_) => {
                let text = format!("workspace {} is on another machine ({owner})", known.name());
                Err(Failure::new(Exit::Refused, text)
                    .hint("send it to the cloud from there, or work on it there")
                    .next(format!("ff workspace show {}", known.id))
                    .into())
            }
        }
    }

    /// This machine's sessions run in the `ff serve` if there is one, else in this process.
    ///
    /// # Errors
    /// `ff serve` is only just starting, or stopping.
    pub async fn of_this_machine(context: &'a Context) -> anyhow::Result<Self> {
        let data_dir = context.data_dir();
        Ok(match serving::find(data_dir).await? {
            Some(client) => Self::Engine(client, Place::Serve(data_dir.to_owned())),
            None => Self::Here(context),
        })
    }

    /// The user's VM.
    ///
    /// # Errors
    /// No cloud is connected.
    pub fn of_cloud(context: &Context) -> anyhow::Result<Self> {
        let client = context.cloud()?.client;
        Ok(Self::Engine(client.engine().clone(), Place::Cloud))
    }

    /// The same side; one that sleeps is woken by reads too.
    pub fn waking(self) -> Self {
        match self {
            Self::Engine(engine, Place::Cloud) => Self::Engine(engine.waking(), Place::Cloud),
            other => other,
        }
    }

    /// Settles what a crash of an earlier process left: what a session was before is only then
    /// what its next turn is told apart from.
    ///
    /// # Errors
    /// Another process runs sessions here.
    pub async fn settle(&self) -> anyhow::Result<()> {
        if let Self::Here(context) = self {
            context.running_core().await?;
        }
        Ok(())
    }

    /// Whether sessions run inside this process.
    pub fn is_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }

    /// What becomes of a session when this process ends.
    pub fn afterwards(&self) -> &'static str {
        match self {
            Self::Here(_) => "the session's process ends with this command; what was said is kept",
            Self::Engine(_, Place::Serve(_)) => "the session goes on under `ff serve`",
            Self::Engine(_, Place::Cloud) => "the session goes on in the cloud",
        }
    }

    /// The workspace's sessions.
    ///
    /// # Errors
    /// They cannot be read; the VM may sleep.
    pub async fn sessions(&self, workspace: &WorkspaceId) -> anyhow::Result<Vec<Session>> {
        Ok(match self {
            Self::Here(context) => context.store().await?.sessions(workspace).await?,
            Self::Engine(engine, _) => engine.sessions(workspace).await?,
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
            Self::Engine(engine, _) => Ok(engine.session(workspace, session).await?),
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
            Self::Here(context) => running(context).await?.start(workspace, start).await?,
            Self::Engine(engine, _) => engine.start_session(workspace, &start).await?,
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
                running(context)
                    .await?
                    .prompt(workspace, session, prompt)
                    .await?
            }
            Self::Engine(engine, _) => engine.prompt(workspace, session, &prompt).await?,
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
                running(context)
                    .await?
                    .interrupt(workspace, session, None)
                    .await?
            }
            Self::Engine(engine, _) => engine.interrupt(workspace, session).await?,
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
            Self::Here(context) => running(context).await?.stop(workspace, session).await?,
            Self::Engine(engine, _) => engine.stop_session(workspace, session).await?,
        })
    }

    /// Starts the session's process, and lets messages that were held go on.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn resume(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
    ) -> anyhow::Result<Session> {
        Ok(match self {
            Self::Here(context) => running(context).await?.resume(workspace, session).await?,
            Self::Engine(engine, _) => engine.resume(workspace, session).await?,
        })
    }

    /// Changes a session's model or permissions.
    ///
    /// # Errors
    /// A value is none that can be had, or as [`Self::interrupt`].
    pub async fn configure(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        configure: Configure,
    ) -> anyhow::Result<Session> {
        Ok(match self {
            Self::Here(context) => {
                running(context)
                    .await?
                    .configure(workspace, session, configure)
                    .await?
            }
            Self::Engine(engine, _) => engine.configure(workspace, session, &configure).await?,
        })
    }

    /// What waits for the user's answer in a session.
    ///
    /// # Errors
    /// As [`Self::interrupt`].
    pub async fn requests(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
    ) -> anyhow::Result<Vec<UserRequest>> {
        Ok(match self {
            Self::Here(context) => {
                running(context)
                    .await?
                    .requests(workspace, Some(session))
                    .await?
            }
            Self::Engine(engine, _) => engine.requests(workspace, session).await?,
        })
    }

    /// Commands and models of a session's CLI.
    ///
    /// # Errors
    /// As [`Self::interrupt`].
    pub async fn capabilities(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
    ) -> anyhow::Result<Capabilities> {
        Ok(match self {
            Self::Here(context) => {
                running(context)
                    .await?
                    .capabilities(workspace, session)
                    .await?
            }
            Self::Engine(engine, _) => engine.capabilities(workspace, session).await?,
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
                running(context)
                    .await?
                    .answer(workspace, session, answer)
                    .await?
            }
            Self::Engine(engine, _) => engine.answer(workspace, session, &answer).await?,
        }
        Ok(())
    }

    /// What happens in the workspace after this entry of the journal, or from now on. What is
    /// older may come too.
    ///
    /// # Errors
    /// The engine cannot be reached.
    pub async fn events(
        &self,
        workspace: &WorkspaceId,
        after: Option<u64>,
    ) -> anyhow::Result<Events> {
        match self {
            Self::Here(context) => {
                let core = context.running_core().await?;
                Events::here(core.clone(), workspace.clone(), after).await
            }
            Self::Engine(engine, place) => {
                Events::of_engine(engine, workspace, after, place.clone()).await
            }
        }
    }
}

/// The sessions of this process.
async fn running(context: &Context) -> anyhow::Result<&Sessions> {
    Ok(context.running_core().await?.sessions())
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
    found(known, host, workspace, session).await
}

/// As [`of_session`], for what wakes a VM that sleeps: looking for the session does so too.
///
/// # Errors
/// As [`of_session`].
pub async fn of_session_waking<'a>(
    context: &'a Context,
    workspace: &str,
    session: &str,
) -> anyhow::Result<(Known, Host<'a>, SessionId)> {
    let (known, host) = of_workspace(context, workspace).await?;
    host.settle().await?;
    found(known, host.waking(), workspace, session).await
}

async fn found<'a>(
    known: Known,
    host: Host<'a>,
    workspace: &str,
    session: &str,
) -> anyhow::Result<(Known, Host<'a>, SessionId)> {
    let sessions = host.sessions(&known.id).await?;
    let id = find::session(session, workspace, &sessions)?;
    Ok((known, host, id))
}

async fn local_session(
    store: &Store,
    workspace: &WorkspaceId,
    id: &SessionId,
) -> anyhow::Result<SessionDetail> {
    let session = store.session(workspace, id).await?;
    let session = session.ok_or_else(|| none(workspace, id))?;
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

/// The error of a session that is not there.
pub(super) fn none(workspace: &WorkspaceId, id: &SessionId) -> Failure {
    Failure::new(Exit::NotFound, format!("there is no session {id}"))
        .next(format!("ff session list {workspace}"))
}
