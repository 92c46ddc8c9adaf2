//! What an import did.

use serde::Serialize;

/// What became of the records of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// New here.
    pub imported: u64,
    /// Here before, and newer in the source.
    pub updated: u64,
    /// Left as they are, or left out; the notes say why where it is not "the same as here".
    pub skipped: u64,
}

/// Something the user should know of one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Kind of the record.
    pub kind: &'static str,
    /// Its id; empty for the whole import.
    pub id: String,
    /// What is to be known.
    pub text: String,
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Projects.
    pub projects: Counts,
    /// Workspaces with pull request, ratchet and run script.
    pub workspaces: Counts,
    /// Sessions.
    pub agent_sessions: Counts,
    /// Sessions that were closed in the original.
    pub closed_sessions: Counts,
    /// Terminals.
    pub terminal_sessions: Counts,
    /// The user's settings.
    pub user_settings: Counts,
    /// Messages entered from transcripts.
    pub messages: u64,
    /// What the user should know.
    pub notes: Vec<Note>,
}

/// What became of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Imported,
    Updated,
    Skipped,
}

impl Counts {
    pub(crate) fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Imported => self.imported += 1,
            Fate::Updated => self.updated += 1,
            Fate::Skipped => self.skipped += 1,
        }
    }
}

impl Report {
    pub(crate) fn note(&mut self, kind: &'static str, id: impl ToString, text: impl Into<String>) {
        self.notes.push(Note {
            kind,
            id: id.to_string(),
            text: text.into(),
        });
    }
}
