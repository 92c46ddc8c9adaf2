//! The side that holds a workspace, as far as its sessions go.

use std::path::PathBuf;

use ff_client::EngineClient;
use ff_protocol::workspace::Owner;
use ff_protocol::{SessionId, WorkspaceId};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::find::{self, Known};
use crate::serving;

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
            Owner::Contested => {
                let text = format!("two sides say that they own workspace {}", known.name());
                Err(Failure::new(Exit::Refused, text)
                    .hint("decide on the machine whose copy is to go on")
                    .next(format!("ff workspace reclaim {}", known.id))
                    .into())
            }
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

    /// As [`Self::settle`], for commands that only read: what is shown is then true, unless another
    /// process runs sessions here and keeps it so.
    ///
    /// # Errors
    /// The records cannot be opened.
    pub async fn look(&self) -> anyhow::Result<()> {
        if let Self::Here(context) = self {
            context.core().await?;
        }
        Ok(())
    }

    /// Has what is entered from now on wait for whoever runs the sessions next: this process does not
    /// stay to do it.
    ///
    /// # Errors
    /// As [`Self::settle`].
    pub async fn rest(&self) -> anyhow::Result<()> {
        if let Self::Here(context) = self {
            context.running_core().await?.sessions().rest();
        }
        Ok(())
    }

    /// What to do about a login that is missing.
    pub fn to_log_in(&self) -> &'static str {
        match self {
            Self::Here(_) | Self::Engine(_, Place::Serve(_)) => {
                "run `claude auth login` on this machine"
            }
            Self::Engine(_, Place::Cloud) => "run `claude auth login` in `ff terminal --vm`",
        }
    }

    /// What becomes of a session when this process ends.
    pub fn afterwards(&self) -> &'static str {
        match self {
            Self::Here(_) => "the session's process ends with this command; what was said is kept",
            Self::Engine(_, Place::Serve(_)) => "the session goes on under `ff serve`",
            Self::Engine(_, Place::Cloud) => "the session goes on in the cloud",
        }
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

/// As [`of_workspace`], with the session another text means, to be looked at.
///
/// # Errors
/// As [`of_workspace`]; or no session is meant.
pub async fn of_session<'a>(
    context: &'a Context,
    workspace: &str,
    session: &str,
) -> anyhow::Result<(Known, Host<'a>, SessionId)> {
    let (known, host) = of_workspace(context, workspace).await?;
    host.look().await?;
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

/// The error of a session that is not there.
pub(super) fn none(workspace: &WorkspaceId, id: &SessionId) -> Failure {
    Failure::new(Exit::NotFound, format!("there is no session {id}"))
        .next(format!("ff session list {workspace}"))
}
