//! `ff workspace run start|stop|logs WORKSPACE`.

use std::time::Duration;

use ff_protocol::workspace::{RunScript, RunScriptStatus, Workspace};

use crate::clean::clean;
use crate::cli::RunCommand;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{fields, wire_name};
use crate::session::host::{Host, of_workspace};

/// A script that this process runs is looked at this often.
const BETWEEN: Duration = Duration::from_millis(200);

/// Starts, stops or shows the run script of a workspace.
pub async fn run(context: &Context, command: RunCommand) -> anyhow::Result<()> {
    match command {
        RunCommand::Start(args) => start(context, &args.workspace).await,
        RunCommand::Stop(args) => {
            let (known, host) = of_workspace(context, &args.workspace).await?;
            let workspace = host.run_stop(&known.id).await?;
            shown(context, &workspace)
        }
        RunCommand::Logs(args) => {
            let (known, host) = of_workspace(context, &args.workspace).await?;
            let logs = host.run_logs(&known.id).await?;
            context.out.result(&logs, || {
                let beside = match logs.post_run.is_empty() {
                    true => String::new(),
                    false => format!("\n--- postRun\n{}", clean(&logs.post_run)),
                };
                format!("{}\n{}{beside}", words(&logs.run_script), clean(&logs.run))
            })
        }
    }
}

async fn start(context: &Context, text: &str) -> anyhow::Result<()> {
    let (known, host) = of_workspace(context, text).await?;
    let workspace = host.run_start(&known.id).await?;
    shown(context, &workspace)?;
    if host.is_here() {
        return stay(context, &host, &workspace).await;
    }
    Ok(())
}

/// Without an engine that stays, the script runs as long as this command does.
async fn stay(context: &Context, host: &Host<'_>, workspace: &Workspace) -> anyhow::Result<()> {
    context
        .out
        .say("it runs until Ctrl-C; under `ff serve` it would go on by itself");
    let mut told = 0;
    loop {
        let stopping = context.stop().cancelled();
        let stops = tokio::time::timeout(BETWEEN, stopping).await.is_ok();
        if stops {
            host.run_stop(&workspace.id).await?;
        }
        let logs = host.run_logs(&workspace.id).await?;
        // The beginning of a long log is cut: what is new is then all there is.
        let text = clean(&logs.run);
        context.out.piece(text.get(told..).unwrap_or(&text))?;
        told = text.len();
        match logs.run_script.status {
            _ if stops => return Err(Failure::new(Exit::Interrupted, "interrupted").into()),
            RunScriptStatus::Completed | RunScriptStatus::Idle => return Ok(()),
            RunScriptStatus::Failed => {
                let text = "the run script failed";
                return Err(Failure::new(Exit::Failed, text).into());
            }
            _ => {}
        }
    }
}

fn shown(context: &Context, workspace: &Workspace) -> anyhow::Result<()> {
    context
        .out
        .result(workspace, || words(&workspace.run_script))
}

fn words(script: &RunScript) -> String {
    let address = script.port.map(|port| format!("http://localhost:{port}"));
    fields(&[
        ("run script", Some(wire_name(&script.status))),
        ("command", script.command.clone()),
        ("pid", script.pid.map(|pid| pid.to_string())),
        ("address", address),
    ])
}
