//! `ff export [FILE]`.

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
    let Some(file) = args.file else {
        return context.out.result(&backup, || text);
    };
    let file = std::path::absolute(file)?;
    if file.exists() && !args.force {
        let detail = format!("{} is there already", file.display());
        return Err(Failure::new(Exit::Refused, detail)
            .hint("--force replaces it")
            .next("ff export --help")
            .into());
    }
    files::write_private(&file, &text)
        .with_context(|| format!("cannot write {}", file.display()))?;
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
