//! `ff ratchet on|off WORKSPACE`.

use super::pr;
use crate::cli::RatchetCommand;
use crate::context::Context;
use crate::session::host;

/// Switches a workspace's ratchet and shows its state.
pub async fn run(context: &Context, command: RatchetCommand) -> anyhow::Result<()> {
    let (known, host) = host::of_workspace(context, command.workspace()).await?;
    let on = matches!(command, RatchetCommand::On(_));
    let status = host.switch_ratchet(&known.id, on).await?;
    pr::show(context, known.name(), &status)
}
