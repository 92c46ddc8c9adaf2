//! `ff terminal list`.

use ff_client::{EngineClient, TerminalPlace};
use ff_protocol::ErrorCode;
use ff_protocol::terminal::Terminal;
use serde::Serialize;

use super::target::{self, Target};
use crate::cli::ListTerminals;
use crate::context::Context;
use crate::find;
use crate::output::{say, table};
use crate::session::host::{Host, Place as Side};
use crate::vm;

/// How the VM's home is called.
const VM: &str = "vm";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// The workspace's name, or `vm`.
    place: String,
    #[serde(flatten)]
    terminal: Terminal,
}

/// Lists the terminals of a place, or of all there are; wakes nothing.
pub async fn run(context: &Context, args: ListTerminals) -> anyhow::Result<()> {
    let mut seen = Seen::default();
    match args.place() {
        Some(place) => {
            if let Target::Engine(engine, place) = target::find(context, &place).await? {
                let name = args.workspace.as_deref().unwrap_or(VM);
                seen.look(&engine, &place, name).await?;
            }
        }
        None => all(context, &mut seen).await?,
    }
    if seen.asleep {
        say("your VM is asleep: `ff terminal --vm` wakes it");
    }
    context.out.result(&seen.rows, || text(&seen.rows))
}

/// A place that does not answer is told on stderr and left out.
async fn all(context: &Context, seen: &mut Seen) -> anyhow::Result<()> {
    let mut cloud_is_silent = false;
    if let Some(cloud) = context.cloud_if_connected()? {
        let looked = async {
            let Some(vm) = vm::find(&cloud).await? else {
                return Ok(());
            };
            let place = TerminalPlace::Vm(vm.id);
            seen.look(cloud.client.engine(), &place, VM).await
        };
        if let Err(error) = looked.await {
            not_seen(VM, &error);
            cloud_is_silent = true;
        }
    }
    for known in find::workspaces(context).await? {
        // One on another machine has none that could be seen from here.
        let Ok(Host::Engine(engine, side)) = Host::of(context, &known).await else {
            continue;
        };
        if side == Side::Cloud && (seen.asleep || cloud_is_silent) {
            continue;
        }
        let place = TerminalPlace::Workspace(known.id.clone());
        if let Err(error) = seen.look(&engine, &place, known.name()).await {
            not_seen(known.name(), &error);
        }
    }
    Ok(())
}

fn not_seen(place: &str, error: &anyhow::Error) {
    say(format!(
        "note: the terminals of {place} cannot be seen: {error}"
    ));
}

/// Terminals found so far, and whether the VM is asleep, where nobody looks.
#[derive(Default)]
struct Seen {
    rows: Vec<Row>,
    asleep: bool,
}

impl Seen {
    /// Adds the terminals of a place whose shell runs.
    async fn look(
        &mut self,
        engine: &EngineClient,
        place: &TerminalPlace,
        name: &str,
    ) -> anyhow::Result<()> {
        let terminals = match engine.terminals(place).await {
            Ok(terminals) => terminals,
            Err(error) if error.code() == Some(ErrorCode::Suspended) => {
                self.asleep = true;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let living = terminals.into_iter().filter(|t| t.exit_code.is_none());
        self.rows.extend(living.map(|terminal| Row {
            place: name.to_owned(),
            terminal,
        }));
        Ok(())
    }
}

fn text(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no terminals".into();
    }
    let cells = rows.iter().map(|row| {
        let Terminal { name, size, .. } = &row.terminal;
        let opened = row.terminal.created_at.format("%Y-%m-%d %H:%M:%S UTC");
        vec![
            row.place.clone(),
            name.clone(),
            format!("{}x{}", size.cols, size.rows),
            opened.to_string(),
            row.terminal.id.to_string(),
        ]
    });
    let cells: Vec<Vec<String>> = cells.collect();
    table(&["PLACE", "NAME", "SIZE", "OPENED", "ID"], &cells)
}
