//! What this machine notes of each hand-off besides the core's record: which cloud it was begun
//! with, and whether its commit may have been asked for. A note stays until that cloud has heard
//! how the hand-off ended.
//!
//! Each is a file of its own, so that several `ff` processes never write over each other's.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ff_protocol::HandoffId;
use serde::{Deserialize, Serialize};

use crate::files;
use crate::settings::Cloud;

/// Whether ownership may have moved already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Commit {
    /// Nobody has asked for the commit: it cannot happen.
    NotAsked,
    /// It may have been asked for, perhaps without an answer: only the server knows.
    MaybeAsked,
}

/// A note on one hand-off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// Where it was begun; no other server can tell how it ended.
    pub cloud: Cloud,
    /// Whether its commit may have been asked for.
    pub commit: Commit,
}

/// The notes of this machine.
#[derive(Debug, Clone)]
pub struct Notes {
    dir: PathBuf,
}

impl Notes {
    /// The notes beside the local records.
    pub fn in_dir(data_dir: &Path) -> Self {
        Self {
            dir: data_dir.join("moves"),
        }
    }

    /// The note on a hand-off. It is written before the first call to a server, so without one
    /// no server was asked for anything.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn get(&self, id: &HandoffId) -> anyhow::Result<Option<Note>> {
        let path = self.path(id);
        let text =
            files::read_if_there(&path).with_context(|| format!("cannot read {}", path.display()));
        text?
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .with_context(|| format!("{} is not a note on a move", path.display()))
    }

    /// Notes where a hand-off begins. One that is taken up again keeps its note.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin(&self, id: &HandoffId, cloud: &Cloud) -> anyhow::Result<()> {
        if self.get(id)?.is_some() {
            return Ok(());
        }
        self.set(id, cloud, Commit::NotAsked)
    }

    /// Notes that the commit is about to be asked for.
    ///
    /// # Errors
    /// It cannot be written; then the commit must not be asked for.
    pub fn ask_commit(&self, id: &HandoffId, cloud: &Cloud) -> anyhow::Result<()> {
        self.set(id, cloud, Commit::MaybeAsked)
    }

    fn set(&self, id: &HandoffId, cloud: &Cloud, commit: Commit) -> anyhow::Result<()> {
        let note = Note {
            cloud: cloud.clone(),
            commit,
        };
        let path = self.path(id);
        files::write_private(&path, &serde_json::to_string(&note)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Takes a note away: its cloud has heard how the hand-off ended.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self, id: &HandoffId) -> anyhow::Result<()> {
        let path = self.path(id);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// All notes.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn all(&self) -> anyhow::Result<Vec<(HandoffId, Note)>> {
        let entries = match std::fs::read_dir(&self.dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(|| format!("cannot read {}", self.dir.display()))?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".json"));
            let Some(id) = id.and_then(|id| id.parse::<HandoffId>().ok()) else {
                continue;
            };
            // Another `ff` may have removed it meanwhile.
            if let Some(note) = self.get(&id)? {
                all.push((id, note));
            }
        }
        Ok(all)
    }

    fn path(&self, id: &HandoffId) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cloud(url: &str) -> Cloud {
        Cloud {
            url: url.into(),
            user_id: "me".parse().unwrap(),
        }
    }

    #[test]
    fn a_note_keeps_where_it_began_and_that_the_commit_was_asked() {
        let dir = tempfile::tempdir().unwrap();
        let notes = Notes::in_dir(dir.path());
        let (first, second) = (HandoffId::generate(), HandoffId::generate());
        assert_eq!(notes.all().unwrap(), []);
        notes.begin(&first, &cloud("http://a")).unwrap();
        notes.begin(&second, &cloud("http://a")).unwrap();
        notes.ask_commit(&first, &cloud("http://a")).unwrap();
        notes.begin(&first, &cloud("http://b")).unwrap();
        let note = notes.get(&first).unwrap().unwrap();
        assert_eq!(
            (note.cloud, note.commit),
            (cloud("http://a"), Commit::MaybeAsked)
        );
        for _ in 0..2 {
            notes.remove(&first).unwrap();
        }
        assert_eq!(notes.get(&first).unwrap(), None);
        let left = notes.all().unwrap();
        assert_eq!((left.len(), &left[0].0), (1, &second));
        assert_eq!(left[0].1.commit, Commit::NotAsked);
    }
}
