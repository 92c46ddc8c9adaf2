//! What a bundle may say: everything in it comes from another machine.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use ff_protocol::handoff::{BUNDLE_FORMAT, Manifest};
use ff_protocol::session::JournalEntry;
use ff_protocol::{ErrorCode, HandoffId, SessionId};

use super::conversation::{CONVERSATION, LARGEST};
use super::spool::{JOURNAL, REPO, Spool, TRANSCRIPTS};
use super::state::{FILES, LARGEST_STATE, STATE, State};
use crate::error::{Error, IoContext, Result};
use crate::session::check_word;
use crate::session::transcript::is_conversation_id;

/// Longest line of a journal, in bytes: the CLI's longest line and what we put around it.
pub(super) const LONGEST_LINE: u64 = 20 << 20;
/// Largest journal, in bytes; it is held in memory while it is written.
const LARGEST_JOURNAL: u64 = 512 << 20;
/// Longest name of a file in a path, in bytes.
const LONGEST_NAME: usize = 200;

/// Checks everything in a manifest that will become a path, a ref, an argument or a key.
///
/// # Errors
/// `invalid`, with what is wrong.
pub(super) fn check_manifest(manifest: &Manifest, id: &HandoffId, epoch: u64) -> Result<()> {
    if manifest.format != BUNDLE_FORMAT {
        let why = format!("its format {} is not {BUNDLE_FORMAT}", manifest.format);
        return Err(invalid(&why));
    }
    if manifest.handoff_id != *id || manifest.epoch != epoch {
        return Err(invalid("it belongs to another hand-off"));
    }
    if manifest.workspace.project_id != manifest.project.id {
        return Err(invalid("its workspace belongs to another project"));
    }
    for session in &manifest.sessions {
        if session.workspace_id != manifest.workspace.id {
            return Err(invalid("it has sessions of another workspace"));
        }
        if !is_conversation_id(&session.provider_session_id) {
            return Err(invalid("a session has no proper id"));
        }
        check_word("name", session.name.as_deref())?;
        check_word("model", session.model.as_deref())?;
    }
    let mut names = HashSet::new();
    for part in &manifest.parts {
        let known = match part.name.strip_prefix(TRANSCRIPTS) {
            Some(name) => is_transcript_name(name, manifest),
            None => match part.name.as_str() {
                REPO | FILES => true,
                STATE => part.size <= LARGEST_STATE,
                JOURNAL => part.size <= LARGEST_JOURNAL,
                CONVERSATION => part.size <= LARGEST,
                _ => false,
            },
        };
        if !known || !names.insert(part.name.as_str()) {
            return Err(invalid(&format!(
                "it has a part with the name {:?}",
                part.name
            )));
        }
    }
    Ok(())
}

/// `<conversation>.jsonl` or a file below `<conversation>/`, of a session in the manifest: the
/// CLI reads other files of that directory by itself.
fn is_transcript_name(name: &str, manifest: &Manifest) -> bool {
    let ids = || {
        manifest
            .sessions
            .iter()
            .map(|session| session.provider_session_id.as_str())
    };
    let mut parts = Vec::new();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) if part.len() <= LONGEST_NAME => parts.push(part),
            _ => return false,
        }
    }
    match parts.as_slice() {
        [file] => ids().any(|id| **file == *format!("{id}.jsonl")),
        [dir, ..] => ids().any(|id| **dir == *id),
        [] => false,
    }
}

/// Reads the journal of a bundle, entry by entry: `seq` without gaps, only sessions of the
/// manifest.
///
/// # Errors
/// `invalid` for anything else.
pub(super) fn read_journal(spool: &Spool, manifest: &Manifest) -> Result<Vec<JournalEntry>> {
    let Some(part) = manifest.parts.iter().find(|part| part.name == JOURNAL) else {
        return Ok(Vec::new());
    };
    let known: HashSet<&SessionId> = manifest
        .sessions
        .iter()
        .map(|session| &session.id)
        .collect();
    let file = std::fs::File::open(spool.part(&part.sha256)?)
        .context(|| "cannot read the journal".to_owned())?;
    let mut reader = BufReader::new(file);
    let (mut entries, mut line): (Vec<JournalEntry>, _) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        let read = reader
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line);
        if read.context(|| "cannot read the journal".to_owned())? == 0 {
            return Ok(entries);
        }
        let next = entries.len() as u64 + 1;
        let entry: JournalEntry = serde_json::from_slice(&line).map_err(|error| {
            invalid(&format!(
                "entry {next} of its journal cannot be read: {error}"
            ))
        })?;
        if entry.seq != next || !known.contains(&entry.session_id) {
            return Err(invalid(&format!(
                "entry {next} of its journal is out of place"
            )));
        }
        entries.push(entry);
    }
}

/// Path of a part by its name; `None` when the bundle has none of that name.
pub(super) fn part_path(spool: &Spool, manifest: &Manifest, name: &str) -> Result<Option<PathBuf>> {
    let part = manifest.parts.iter().find(|part| part.name == name);
    part.map(|part| spool.part(&part.sha256)).transpose()
}

/// Reads the working state of a bundle.
///
/// # Errors
/// `invalid` when it has none, or one that cannot be followed.
pub(super) fn read_state(spool: &Spool, manifest: &Manifest) -> Result<State> {
    let path = part_path(spool, manifest, STATE)?;
    let path = path.ok_or_else(|| invalid("it has no working state"))?;
    let state = State::read(&path)?;
    if state.branch_commit != manifest.git.head {
        return Err(invalid("its branch is at another commit than its state"));
    }
    Ok(state)
}

pub(super) fn invalid(why: &str) -> Error {
    let detail = format!("the bundle's manifest cannot be followed: {why}");
    Error::refused(ErrorCode::Invalid, detail)
}
