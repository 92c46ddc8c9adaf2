//! Where the terminals are that a command means.

use ff_client::{EngineClient, TerminalPlace};
use ff_protocol::WorkspaceId;
use ff_protocol::terminal::Terminal;

use crate::cli::{OneTerminal, TerminalPlaceArgs};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::session::host::{self, Host};
use crate::tty::shell;
use crate::vm;

/// A place for terminals.
pub enum Target<'a> {
    /// One that an engine of another process holds.
    Engine(EngineClient, TerminalPlace),
    /// A workspace of this machine, without `ff serve`.
    Here(&'a Context, WorkspaceId),
}

/// The place that is named.
///
/// # Errors
/// There is none such, or its side cannot be used.
pub async fn find<'a>(
    context: &'a Context,
    args: &TerminalPlaceArgs,
) -> anyhow::Result<Target<'a>> {
    let Some(workspace) = &args.workspace else {
        let cloud = context.cloud()?;
        let vm = vm::of_user(&cloud).await?;
        let place = TerminalPlace::Vm(vm.id);
        return Ok(Target::Engine(cloud.client.engine().clone(), place));
    };
    let (known, host) = host::of_workspace(context, workspace).await?;
    Ok(match host {
        Host::Engine(engine, _) => Target::Engine(engine, TerminalPlace::Workspace(known.id)),
        Host::Here(context) => Target::Here(context, known.id),
    })
}

/// The living terminal that is named, and where it is.
///
/// # Errors
/// There is none such.
pub async fn find_one(
    context: &Context,
    args: &OneTerminal,
) -> anyhow::Result<(EngineClient, TerminalPlace, Terminal)> {
    let none = || {
        let text = format!("there is no terminal `{}` there", args.name);
        Failure::new(Exit::NotFound, text).next("ff terminal list")
    };
    let Target::Engine(engine, place) = find(context, &args.place).await? else {
        let hint =
            "without `ff serve` a terminal on this machine ends with the command that opened it";
        return Err(none().hint(hint).into());
    };
    let terminal = shell::living(&engine, &place, &args.name).await?;
    let terminal = terminal.ok_or_else(none)?;
    Ok((engine, place, terminal))
}
