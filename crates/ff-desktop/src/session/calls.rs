//! What is asked of the sessions of a workspace, at whichever side holds it.

use ff_core::session::Sessions;
use ff_core::store::Store;
use ff_protocol::session::{
    Answer, Capabilities, Configure, Prompt, Session, SessionDetail, StartSession, Stopped,
    UserRequest,
};
use ff_protocol::{SessionId, WorkspaceId};

use super::follow::Events;
use super::host::{Host, PAGE, none};
use crate::context::Context;

impl Host<'_> {
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

    /// Ends the session's process, and takes back messages that wait.
    ///
    /// # Errors
    /// As [`Self::interrupt`].
    pub async fn stop(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
    ) -> anyhow::Result<Stopped> {
        Ok(match self {
            Self::Here(context) => running(context).await?.stop(workspace, session).await?,
            Self::Engine(engine, _) => engine.stop_session(workspace, session).await?,
        })
    }

    /// Stops the session for good.
    ///
    /// # Errors
    /// As [`Self::interrupt`].
    pub async fn close(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
    ) -> anyhow::Result<Stopped> {
        Ok(match self {
            Self::Here(context) => running(context).await?.close(workspace, session).await?,
            Self::Engine(engine, _) => engine.close_session(workspace, session).await?,
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
    let unfinished = store.unfinished(id).await?;
    Ok(SessionDetail {
        session,
        messages,
        unfinished,
    })
}
