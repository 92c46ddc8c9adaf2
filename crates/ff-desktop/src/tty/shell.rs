//! Terminals: finding one by its name, or opening it, wherever it runs.

use std::path::PathBuf;

use anyhow::Context as _;
use ff_client::socket::TerminalOptions;
use ff_client::{EngineClient, TerminalPlace};
use ff_core::Core;
use ff_core::workspace::ensure_owned;
use ff_protocol::ErrorCode;
use ff_protocol::WorkspaceId;
use ff_protocol::terminal::{CreateTerminal, Terminal};

use crate::failure::{Exit, Failure};
use crate::tty::line::Line;
use crate::tty::raw;

/// Which terminal, and how it is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Its name; without it another one is opened.
    pub name: Option<&'a str>,
    /// Nothing is typed into it, and it is not opened if it is not there.
    pub read_only: bool,
    /// Whether somebody looks at it, for whom a screen is drawn anew, or a pipe, which gets what the
    /// programs wrote.
    pub on_a_screen: bool,
}

/// A terminal with a viewer.
pub struct Opened {
    /// The terminal.
    pub terminal: Terminal,
    /// The viewer.
    pub line: Line,
    /// Where it runs.
    pub place: Place,
    /// Whether it was opened now.
    pub new: bool,
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
        let name = terminal.name.replace('\'', r"'\''");
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

/// A terminal in a place that an engine of another process holds.
///
/// # Errors
/// The engine cannot be reached, or has no place for one more.
pub async fn elsewhere(
    engine: &EngineClient,
    place: TerminalPlace,
    wanted: Wanted<'_>,
) -> anyhow::Result<Opened> {
    let (terminal, new) = found_or_made(engine, &place, wanted).await?;
    let options = TerminalOptions {
        size: raw::size(),
        // Of a new one everything there is: so its first lines are lines, and no picture of them.
        from: new.then(|| (terminal.incarnation.clone(), 0)),
        read_only: wanted.read_only,
        redraw: wanted.on_a_screen,
    };
    let socket = engine
        .attach(&place, &terminal.id, options)
        .await
        .context("attaching to the terminal")?;
    Ok(Opened {
        terminal,
        line: Line::Cloud(socket),
        place: Place::Engine(engine.clone(), place),
        new,
    })
}

/// The terminal of this name, or a new one, and whether it is new.
async fn found_or_made(
    engine: &EngineClient,
    place: &TerminalPlace,
    wanted: Wanted<'_>,
) -> anyhow::Result<(Terminal, bool)> {
    let create = CreateTerminal {
        name: wanted.name.map(str::to_owned),
        size: raw::size(),
    };
    let mut taken = false;
    loop {
        if let Some(name) = wanted.name
            && let Some(terminal) = living(engine, place, name).await?
        {
            return Ok((terminal, false));
        }
        if let (Some(name), true) = (wanted.name, wanted.read_only) {
            let text = format!("there is no terminal `{name}` to look at");
            return Err(Failure::new(Exit::NotFound, text)
                .next("ff terminal list")
                .into());
        }
        match engine.create_terminal(place, &create).await {
            Ok(terminal) => return Ok((terminal, true)),
            // Somebody else has just opened it.
            Err(error) if error.code() == Some(ErrorCode::Conflict) && !taken => taken = true,
            Err(error) => return Err(error).context("opening a terminal"),
        }
    }
}

/// The living terminal of this name or id. A place that sleeps is woken for it: one that is frozen
/// has its terminals still.
pub async fn living(
    engine: &EngineClient,
    place: &TerminalPlace,
    name: &str,
) -> anyhow::Result<Option<Terminal>> {
    let all = engine.waking().terminals(place).await?;
    let mut living: Vec<Terminal> = all.into_iter().filter(|t| t.exit_code.is_none()).collect();
    let at = living
        .iter()
        .position(|t| t.name == name)
        .or_else(|| living.iter().position(|t| t.id.as_str() == name));
    Ok(at.map(|at| living.swap_remove(at)))
}

/// A terminal in a workspace of this machine, in this process.
///
/// # Errors
/// The workspace cannot be acted on now, or no terminal can be opened.
pub async fn here(
    core: &Core,
    workspace: &WorkspaceId,
    wanted: Wanted<'_>,
) -> anyhow::Result<Opened> {
    if wanted.read_only {
        let text = "a terminal on this machine has one viewer, the command that opened it";
        return Err(Failure::new(Exit::Refused, text)
            .hint("under `ff serve` terminals go on by themselves, with any number of viewers")
            .into());
    }
    let workspace = ensure_owned(core.store(), core.owner(), workspace).await?;
    let size = raw::size();
    let cwd = PathBuf::from(workspace.worktree_path.unwrap_or_default());
    let create = CreateTerminal {
        name: wanted.name.map(str::to_owned),
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
        line: Line::here(&handle, size)?,
        terminal,
        place: Place::Here,
        new: true,
    })
}
