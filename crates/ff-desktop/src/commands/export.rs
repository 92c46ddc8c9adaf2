//! `ff export [FILE]`.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;
use ff_core::backup::format::Backup;

use crate::cli::ExportArgs;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::fields;

/// Writes everything here as a backup that the original application imports.
pub async fn run(context: &Context, args: ExportArgs) -> anyhow::Result<()> {
    let core = context.core().await?;
    let backup = core.export_backup().await?;
    let workspaces = core.workspaces().await?;
    let away = workspaces
        .iter()
        .filter(|w| w.owner != *core.owner())
        .count();
    if away > 0 {
        context.out.say(format!(
            "note: {away} workspace(s) are not here, and exported as this machine last knew them; `ff pull` them first"
        ));
    }
    let text = serde_json::to_string_pretty(&backup)?;
    let Some(file) = args.file.filter(|file| file != Path::new("-")) else {
        return context.out.result(&backup, || text);
    };
    let file = std::path::absolute(file)?;
    write(&file, &text, args.force)?;
    let summary = summary(&backup, &file);
    context.out.result(&summary, || {
        fields(&[
            ("file", summary["file"].as_str().map(str::to_owned)),
            ("projects", Some(summary["projects"].to_string())),
            ("workspaces", Some(summary["workspaces"].to_string())),
            ("sessions", Some(summary["agentSessions"].to_string())),
            ("terminals", Some(summary["terminalSessions"].to_string())),
        ])
    })
}

fn write(file: &Path, text: &str, replace: bool) -> anyhow::Result<()> {
    let shown = file.display();
    let refused = |detail: String| Failure::new(Exit::Refused, detail).next("ff export --help");
    match files::write_chosen(file, text, replace) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let detail = format!("{shown} is there already");
            Err(refused(detail).hint("--force replaces it").into())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let detail = format!("the directory of {shown} is not there");
            Err(refused(detail).hint("make it first").into())
        }
        Err(error) if error.kind() == ErrorKind::IsADirectory => {
            Err(refused(format!("{shown} is a directory")).into())
        }
        Err(error) => Err(error).with_context(|| format!("cannot write {shown}")),
    }
}

fn summary(backup: &Backup, file: &Path) -> serde_json::Value {
    let data = &backup.data;
    serde_json::json!({
        "file": file.display().to_string(),
        "projects": data.projects.len(),
        "workspaces": data.workspaces.len(),
        "agentSessions": data.agent_sessions.len(),
        "terminalSessions": data.terminal_sessions.len(),
        "userSettings": data.user_settings.is_some(),
    })
}
