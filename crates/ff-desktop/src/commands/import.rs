//! `ff import FILE` and `ff import --from-database PATH`.

use std::path::{Path, PathBuf};

use ff_core::Core;
use ff_core::backup::{
    self,
    report::{Counts, Report},
};

use crate::clean::clean;
use crate::cli::ImportArgs;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::table;
use crate::tty::input;

/// Takes over what the original application has.
pub async fn run(context: &Context, args: ImportArgs) -> anyhow::Result<()> {
    let core = context.core().await?;
    let report = match (args.file, args.from_database) {
        (_, Some(database)) => core.import_database(&absolute(database)?).await?,
        (Some(file), None) if file == Path::new("-") => from_stdin(core).await?,
        (Some(file), None) => core.import_backup(&absolute(file)?).await?,
        (None, None) => Report::default(),
    };
    context.out.result(&report, || text(&report))
}

async fn from_stdin(core: &Core) -> anyhow::Result<Report> {
    let most = usize::try_from(backup::LARGEST)?;
    let text = input::all(most).await.ok_or_else(|| {
        let text = format!("stdin is larger than {} MiB", most >> 20);
        Failure::new(Exit::Refused, text).next("ff import --help")
    })?;
    Ok(core.import_backup_text(text, "what came on stdin").await?)
}

/// Errors name the file as it can be found from anywhere.
fn absolute(path: PathBuf) -> anyhow::Result<PathBuf> {
    Ok(std::path::absolute(path)?)
}

fn text(report: &Report) -> String {
    let kinds = [
        ("projects", report.projects),
        ("workspaces", report.workspaces),
        ("sessions", report.agent_sessions),
        ("closed sessions", report.closed_sessions),
        ("terminals", report.terminal_sessions),
        ("settings", report.user_settings),
    ];
    let row = |(kind, counts): &(&str, Counts)| {
        let numbers = [counts.imported, counts.updated, counts.skipped];
        let cells = numbers.map(|number| number.to_string());
        [vec![(*kind).to_owned()], cells.to_vec()].concat()
    };
    let rows: Vec<Vec<String>> = kinds.iter().map(row).collect();
    let mut text = table(&["", "IMPORTED", "UPDATED", "SKIPPED"], &rows);
    text.push_str(&format!("\nmessages from transcripts: {}", report.messages));
    for note in &report.notes {
        let of = [note.kind, &note.id].join(" ");
        text.push_str(&clean(&format!("\nnote: {}: {}", of.trim_end(), note.text)));
    }
    text
}
