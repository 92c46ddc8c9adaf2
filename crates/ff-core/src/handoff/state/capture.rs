//! The parts of a bundle that hold the working state.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::print::{Ids, Printed, identify};
use super::survey::{Scan, Survey, refused};
use super::walk::{Node, Tree};
use super::{Checkout, Exceptions, LARGEST_STATE, State, archive, operation, shown};
use crate::error::{Error, IoContext, Result};
use crate::git::{Cargo, EXECUTABLE, Entry, IndexDelta, LINK, Name, PLAIN, SUBMODULE};

/// Permissions that a file or directory has unless something else is said.
pub(super) const FILE_MODE: u32 = 0o644;
pub(super) const EXECUTABLE_MODE: u32 = 0o755;
pub(super) const DIR_MODE: u32 = 0o755;

/// A working state, captured.
pub(in crate::handoff) struct Captured {
    /// The branch it is on, or that is being rebased in it.
    pub(in crate::handoff) branch: String,
    pub(in crate::handoff) state: State,
    /// The fingerprint of what was captured.
    pub(in crate::handoff) print: String,
    /// What the other side needs of git's objects.
    pub(in crate::handoff) cargo: Cargo,
}

impl Checkout<'_> {
    /// Captures a worktree: the state is returned and written to one file, the raw bytes that
    /// git has not stored to another.
    ///
    /// # Errors
    /// As [`survey`](Self::survey); `conflict` when something changed meanwhile.
    pub(in crate::handoff) async fn capture(
        &self,
        state_file: &Path,
        files: &Path,
    ) -> Result<Captured> {
        let Survey {
            branch,
            settings,
            scan,
            ..
        } = self.survey().await?;
        let full_name = format!("refs/heads/{branch}");
        let branch_commit = self.git.commit(self.dir, &full_name).await?;
        let branch_commit = branch_commit.ok_or_else(|| {
            let detail = format!("branch {branch} has no commit");
            refused(detail, "make a first commit")
        })?;
        let ids = identify(self.dir, &scan.tree, scan.head.len()).await?;
        let index = self.index(&scan).await?;
        let (exceptions, things) = exceptions(&scan.index, &scan.tree, &ids);
        self.archive(things, &ids, scan.head.len(), files).await?;

        let named = operation::ids(&scan.operation);
        let all = self.git.stashes(self.dir).await?;
        let state = State {
            detached: (scan.head != branch_commit).then(|| scan.head.clone()),
            branch_commit,
            commits: self.git.of_kind(self.dir, &named, "commit").await?,
            index,
            files: exceptions,
            stashes: all.into_iter().filter(|it| it.is_of(&branch)).collect(),
            operation: scan.operation.clone(),
            settings,
        };
        let print = Printed {
            head: &scan.head,
            index: &scan.index,
            resolved: &state.index.resolved,
            tree: &scan.tree,
            ids: &ids,
            operation: &scan.operation,
            sparse: state.settings.sparse.as_ref(),
        }
        .hash();
        let cargo = Cargo {
            commits: state.all_commits(),
            trees: self.git.of_kind(self.dir, &named, "tree").await?,
            blobs: blobs(&state.index),
        };
        write_state(&state, state_file)?;
        Ok(Captured {
            branch,
            state,
            print,
            cargo,
        })
    }

    /// The index as it differs from `HEAD`; what it names must be there.
    async fn index(&self, scan: &Scan) -> Result<IndexDelta> {
        let delta = self
            .git
            .index_delta(self.dir, &scan.head, &scan.index)
            .await?;
        let (missing, _) = self.git.weigh_blobs(self.dir, &blobs(&delta)).await?;
        let lost = delta
            .entries
            .iter()
            .chain(&delta.resolved)
            .find(|entry| missing.contains(&entry.id));
        match lost {
            None => Ok(delta),
            Some(entry) => {
                let detail = format!(
                    "the repository in {} has lost the staged content of {}",
                    shown(self.dir),
                    entry.path.shown()
                );
                Err(refused(detail, "stage it again with `git add`"))
            }
        }
    }

    async fn archive(
        &self,
        things: Vec<(Name, Node)>,
        ids: &Ids,
        id_length: usize,
        file: &Path,
    ) -> Result<()> {
        let needed = things.iter().filter_map(|(name, _)| {
            let id = ids.get(name)?;
            Some((name.clone(), id.clone()))
        });
        let (dir, needed, file) = (self.dir.to_owned(), needed.collect(), file.to_owned());
        let task = tokio::task::spawn_blocking(move || {
            archive::write(&dir, &things, &needed, id_length, &file)
        });
        let ended = task.await.map_err(std::io::Error::other);
        ended.context(|| "packing the files broke down".to_owned())?
    }
}

/// Contents that an index names. An entry that is only intended has none.
fn blobs(delta: &IndexDelta) -> Vec<String> {
    let all = delta.entries.iter().chain(&delta.resolved);
    let stored = all.filter(|entry| entry.mode != SUBMODULE && !entry.intent_to_add);
    let ids: BTreeSet<&String> = stored.map(|entry| &entry.id).collect();
    ids.into_iter().cloned().collect()
}

/// Entries that stand for a file, each with the node it stands for.
pub(super) fn expected(index: &[Entry]) -> BTreeMap<&Name, (&Entry, Node)> {
    let stands = |entry: &&Entry| {
        entry.stage == 0 && !entry.skip_worktree && !entry.intent_to_add && entry.mode != SUBMODULE
    };
    let node = |entry: &Entry| match entry.mode {
        LINK => Some(Node::Link),
        PLAIN => Some(Node::File {
            mode: FILE_MODE,
            size: 0,
        }),
        EXECUTABLE => Some(Node::File {
            mode: EXECUTABLE_MODE,
            size: 0,
        }),
        _ => None,
    };
    index
        .iter()
        .filter(stands)
        .filter_map(|entry| Some((&entry.path, (entry, node(entry)?))))
        .collect()
}

/// What does not follow from the index: by name, and what has to go as bytes.
fn exceptions(index: &[Entry], tree: &Tree, ids: &Ids) -> (Exceptions, Vec<(Name, Node)>) {
    let expected = expected(index);
    let mut found = Exceptions::default();
    let mut things = Vec::new();
    let mut filled: BTreeSet<Name> = BTreeSet::new();
    for name in tree.nodes.keys() {
        filled.extend(name.parents());
    }
    for (name, node) in &tree.nodes {
        let same_bytes = expected
            .get(name)
            .filter(|(entry, _)| ids.get(name) == Some(&entry.id));
        match (node, same_bytes.map(|(_, wanted)| *wanted)) {
            (Node::Link, Some(Node::Link)) => {}
            (Node::File { mode, .. }, Some(Node::File { mode: wanted, .. })) => {
                if *mode != wanted {
                    found.modes.insert(name.clone(), *mode);
                }
            }
            (Node::Dir { mode }, _) if *mode == DIR_MODE && filled.contains(name) => {}
            _ => things.push((name.clone(), *node)),
        }
    }
    let is_thing =
        |name: &Name| matches!(tree.nodes.get(name), Some(Node::File { .. } | Node::Link));
    let absent = expected.into_keys().filter(|name| !is_thing(name));
    found.absent = absent.cloned().collect();
    (found, things)
}

fn write_state(state: &State, file: &Path) -> Result<()> {
    let bytes = serde_json::to_vec(state).map_err(|source| Error::Data {
        what: "the working state".to_owned(),
        source,
    })?;
    if bytes.len() as u64 > LARGEST_STATE {
        let size = bytes.len();
        let detail = format!(
            "the list of what is different from the last commit has {size} bytes, at most {LARGEST_STATE} can move"
        );
        return Err(
            Error::refused(ff_protocol::ErrorCode::TooLarge, detail).hint("commit a part of it")
        );
    }
    std::fs::write(file, bytes).context(|| format!("cannot write {}", file.display()))
}
