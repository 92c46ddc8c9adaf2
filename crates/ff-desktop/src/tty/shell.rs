//! Terminals: finding one by its name, or opening it, wherever it runs.

use std::path::PathBuf;

use anyhow::Context as _;
use ff_client::socket::TerminalOptions;
use ff_client::{ClientError, EngineClient, TerminalPlace};
use ff_core::Core;
use ff_core::workspace::ensure_owned;
use ff_protocol::terminal::{CreateTerminal, Terminal};
use ff_protocol::{ErrorCode, VmId, WorkspaceId};

use crate::tty::line::Line;
use crate::tty::raw;

/// A terminal with a viewer.
pub struct Opened {
    /// The terminal.
    pub terminal: Terminal,
    /// The viewer.
    pub line: Line,
    /// Where it runs.
    pub place: Place,
}

/// Where a terminal runs.
pub enum Place {
    /// In an engine of another process.
    Engine(EngineClient, TerminalPlace),
    /// In this process.
    Here,
}

impl Place {
    /// Removes a terminal whose shell has ended from its place's list.
    pub async fn forget(&self, terminal: &Terminal) {
        if let Self::Engine(engine, place) = self
            && let Err(error) = engine.close_terminal(place, &terminal.id).await
        {
            tracing::debug!(%error, "the ended terminal stays in the list");
        }
    }

    /// How to come back to a terminal one has detached from.
    pub fn way_back(&self, terminal: &Terminal) -> String {
        let name = &terminal.name;
        match self {
            Self::Engine(_, TerminalPlace::Vm(_)) => {
                format!("`ff terminal --vm --name '{name}'` comes back")
            }
            Self::Engine(_, TerminalPlace::Workspace(id)) => {
                format!("`ff terminal {id} --name '{name}'` comes back")
            }
            Self::Here => "a terminal on this machine ends with this command".into(),
        }
    }
}

/// A terminal in the home directory of a VM.
///
/// # Errors
/// The cloud cannot be reached, or the VM has no place for one more.
pub async fn in_vm(engine: &EngineClient, vm: &VmId, name: Option<&str>) -> anyhow::Result<Opened> {
    attached(engine, TerminalPlace::Vm(vm.clone()), name).await
}

/// A terminal in a workspace that an engine of another process holds.
///
/// # Errors
/// As [`in_vm`].
pub async fn in_workspace(
    engine: &EngineClient,
    workspace: &WorkspaceId,
    name: Option<&str>,
) -> anyhow::Result<Opened> {
    attached(engine, TerminalPlace::Workspace(workspace.clone()), name).await
}

async fn attached(
    engine: &EngineClient,
    place: TerminalPlace,
    name: Option<&str>,
) -> anyhow::Result<Opened> {
    let earlier = match name {
        Some(name) => find(engine, &place, name).await?,
        None => None,
    };
    let size = raw::size();
    let terminal = match earlier {
        Some(terminal) => terminal,
        None => {
            let create = CreateTerminal {
                name: name.map(str::to_owned),
                size,
            };
            engine
                .create_terminal(&place, &create)
                .await
                .context("opening a terminal")?
        }
    };
    let options = TerminalOptions {
        size,
        ..Default::default()
    };
    let socket = engine
        .attach(&place, &terminal.id, options)
        .await
        .context("attaching to the terminal")?;
    Ok(Opened {
        terminal,
        line: Line::Cloud(socket),
        place: Place::Engine(engine.clone(), place),
    })
}

/// The living terminal of this name. In a VM that sleeps none lives.
async fn find(
    engine: &EngineClient,
    place: &TerminalPlace,
    name: &str,
) -> Result<Option<Terminal>, ClientError> {
    let all = match engine.terminals(place).await {
        Ok(all) => all,
        Err(error) if error.code() == Some(ErrorCode::Suspended) => return Ok(None),
        Err(error) => return Err(error),
    };
    let living = |t: &Terminal| t.name == name && t.exit_code.is_none();
    Ok(all.into_iter().find(living))
}

/// A terminal in a workspace of this machine.
///
/// # Errors
/// The workspace cannot be acted on now, or no terminal can be opened.
pub async fn here(
    core: &Core,
    workspace: &WorkspaceId,
    name: Option<&str>,
) -> anyhow::Result<Opened> {
    let workspace = ensure_owned(core.store(), core.owner(), workspace).await?;
    let size = raw::size();
    let cwd = PathBuf::from(workspace.worktree_path.unwrap_or_default());
    let create = CreateTerminal {
        name: name.map(str::to_owned),
        size,
    };
    let terminal = core
        .terminals()
        .create(cwd, Some(workspace.id), create)
        .await?;
    let handle = core
        .terminals()
        .get(&terminal.id)
        .context("the terminal ended before it was seen")?;
    Ok(Opened {
        terminal,
        line: Line::here(&handle, size)?,
        place: Place::Here,
    })
}
