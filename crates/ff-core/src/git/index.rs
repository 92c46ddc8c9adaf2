//! The index, entry by entry: all stages, modes and flags.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Git, Name};
use crate::error::{Error, IoContext, Result};

/// Flags as `ls-files --debug` prints them (read-cache-ll.h).
const ASSUME_UNCHANGED: u32 = 0x8000;
const INTENT_TO_ADD: u32 = 1 << 29;
const SKIP_WORKTREE: u32 = 1 << 30;

/// Mode of a plain file, an executable one, a symbolic link and a submodule.
pub(crate) const PLAIN: u32 = 0o100_644;
pub(crate) const EXECUTABLE: u32 = 0o100_755;
pub(crate) const LINK: u32 = 0o120_000;
pub(crate) const SUBMODULE: u32 = 0o160_000;

/// One entry of an index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub(crate) path: Name,
    /// 0, or 1 to 3 in a conflict.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) stage: u8,
    pub(crate) mode: u32,
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) assume_unchanged: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) skip_worktree: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) intent_to_add: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What an index has that its commit has not, and the other way round.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexDelta {
    /// Entries that are not as in the commit.
    pub(crate) entries: Vec<Entry>,
    /// Paths of the commit that are gone, or stand in `entries`.
    pub(crate) removed: Vec<Name>,
    /// Stages of conflicts that were resolved, which `git checkout -m` brings back.
    pub(crate) resolved: Vec<Entry>,
}

impl Git {
    /// The entries of a worktree's index, or of an index file.
    pub(crate) async fn index_entries(
        &self,
        dir: &Path,
        file: Option<&Path>,
    ) -> Result<Vec<Entry>> {
        let args = ["ls-files", "--stage", "--debug", "-z"];
        let text = self.command(dir).index(file).args(args).bytes().await?;
        parse_debug(&text).ok_or_else(unreadable)
    }

    /// The stages of resolved conflicts that an index remembers.
    pub(crate) async fn resolved_stages(
        &self,
        dir: &Path,
        file: Option<&Path>,
    ) -> Result<Vec<Entry>> {
        let args = ["ls-files", "--resolve-undo", "-z"];
        let text = self.command(dir).index(file).args(args).bytes().await?;
        let lines = text.split(|b| *b == 0).filter(|line| !line.is_empty());
        lines
            .map(parse_stage)
            .collect::<Option<_>>()
            .ok_or_else(unreadable)
    }

    /// What a worktree's index has besides a commit.
    pub(crate) async fn index_delta(
        &self,
        dir: &Path,
        commit: &str,
        entries: &[Entry],
    ) -> Result<IndexDelta> {
        let mut tree = self.tree_entries(dir, commit).await?;
        let mut delta = IndexDelta {
            resolved: self.resolved_stages(dir, None).await?,
            ..IndexDelta::default()
        };
        let resolved: BTreeSet<&Name> = delta.resolved.iter().map(|entry| &entry.path).collect();
        let mut kept = BTreeSet::new();
        for entry in entries {
            if tree.get(&entry.path) == Some(entry) && !resolved.contains(&entry.path) {
                kept.insert(&entry.path);
            } else {
                delta.entries.push(entry.clone());
            }
        }
        tree.retain(|path, _| !kept.contains(path));
        delta.removed = tree.into_keys().collect();
        Ok(delta)
    }

    async fn tree_entries(&self, dir: &Path, commit: &str) -> Result<BTreeMap<Name, Entry>> {
        let args = ["ls-tree", "-r", "-z", "--full-tree", commit];
        let text = self.command(dir).args(args).bytes().await?;
        let lines = text.split(|b| *b == 0).filter(|line| !line.is_empty());
        lines
            .map(|line| parse_tree(line).map(|entry| (entry.path.clone(), entry)))
            .collect::<Option<_>>()
            .ok_or_else(unreadable)
    }

    /// Writes an index file: a commit's tree with what is different. `scratch` is an empty
    /// directory of one's own.
    pub(crate) async fn write_index(
        &self,
        repo: &Path,
        file: &Path,
        commit: &str,
        delta: &IndexDelta,
        scratch: &Path,
    ) -> Result<()> {
        let plain = || {
            let command = self.command(repo).index(Some(file));
            let off = [
                "core.sparseCheckout",
                "core.splitIndex",
                "core.untrackedCache",
                "index.sparse",
            ];
            off.iter()
                .fold(command, |command, key| command.config(key, "false"))
        };
        plain().args(["read-tree", commit]).done().await?;
        let update = |flag: &'static [&'static str], input: Vec<u8>| async move {
            if input.is_empty() {
                return Ok(());
            }
            let args = ["update-index", "-z"].iter().chain(flag);
            plain().args(args).input(input).done().await
        };
        update(&["--index-info"], index_info(delta, commit.len())).await?;
        self.add_intents(repo, file, delta, scratch).await?;
        let with = |flag: fn(&Entry) -> bool| {
            let mut names = Vec::new();
            for entry in delta.entries.iter().filter(|entry| flag(entry)) {
                names.extend_from_slice(&entry.path.0);
                names.push(0);
            }
            names
        };
        let assumed = with(|entry| entry.assume_unchanged);
        update(&["--assume-unchanged", "--stdin"], assumed).await?;
        let skipped = with(|entry| entry.skip_worktree);
        update(&["--skip-worktree", "--stdin"], skipped).await
    }

    /// `git add -N` is the only way to such an entry: it is told of a worktree that holds these
    /// files alone, empty.
    async fn add_intents(
        &self,
        repo: &Path,
        file: &Path,
        delta: &IndexDelta,
        scratch: &Path,
    ) -> Result<()> {
        let intents: Vec<&Entry> = delta.entries.iter().filter(|e| e.intent_to_add).collect();
        if intents.is_empty() {
            return Ok(());
        }
        let what = || format!("cannot write in {}", scratch.display());
        let mut names = Vec::new();
        for entry in intents {
            let path = scratch.join(OsStr::from_bytes(&entry.path.0));
            std::fs::create_dir_all(path.parent().unwrap_or(scratch)).context(what)?;
            if entry.mode == LINK {
                std::os::unix::fs::symlink("x", &path).context(what)?;
            } else {
                use std::os::unix::fs::OpenOptionsExt;
                std::fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(entry.mode & 0o755)
                    .open(&path)
                    .context(what)?;
            }
            names.extend_from_slice(&entry.path.0);
            names.push(0);
        }
        let git_dir = self.git_dir(repo).await?;
        self.command(scratch)
            .index(Some(file))
            .env("GIT_DIR", git_dir)
            .env("GIT_WORK_TREE", scratch)
            .env("GIT_LITERAL_PATHSPECS", "1")
            .config("core.sparseCheckout", "false")
            .config("core.fileMode", "true")
            .args(["add", "-N", "-f"])
            .args(["--pathspec-from-file=-", "--pathspec-file-nul"])
            .input(names)
            .done()
            .await
    }
}

/// Lines of `update-index --index-info`: a stage in place of the merged entry, and a merged entry
/// in place of stages, which git then remembers as resolved.
fn index_info(delta: &IndexDelta, id_length: usize) -> Vec<u8> {
    let mut lines = Vec::new();
    let mut line = |mode: u32, id: &str, stage: u8, path: &Name| {
        lines.extend_from_slice(format!("{mode:o} {id} {stage}\t").as_bytes());
        lines.extend_from_slice(&path.0);
        lines.push(0);
    };
    let none = "0".repeat(id_length);
    for path in &delta.removed {
        line(0, &none, 0, path);
    }
    let undone: BTreeSet<&Name> = delta.resolved.iter().map(|entry| &entry.path).collect();
    for path in &undone {
        line(0, &none, 0, path);
    }
    for entry in &delta.resolved {
        line(entry.mode, &entry.id, entry.stage, &entry.path);
    }
    for path in undone {
        line(0, &none, 0, path);
    }
    for entry in delta.entries.iter().filter(|entry| !entry.intent_to_add) {
        line(entry.mode, &entry.id, entry.stage, &entry.path);
    }
    lines
}

/// `MODE TYPE ID<tab>PATH`.
fn parse_tree(line: &[u8]) -> Option<Entry> {
    let (head, path) = split(line, b'\t')?;
    let mut words = std::str::from_utf8(head).ok()?.split(' ');
    let (mode, _, id) = (words.next()?, words.next()?, words.next()?);
    entry(mode, id, 0, path)
}

/// `MODE ID STAGE<tab>PATH`.
fn parse_stage(line: &[u8]) -> Option<Entry> {
    let (head, path) = split(line, b'\t')?;
    let mut words = std::str::from_utf8(head).ok()?.split(' ');
    let (mode, id, stage) = (words.next()?, words.next()?, words.next()?);
    entry(mode, id, stage.parse().ok()?, path)
}

/// A line of `ls-files --stage`, ended by NUL, and five lines about it, the last one with its
/// flags.
fn parse_debug(mut text: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !text.is_empty() {
        let (line, rest) = split(text, 0)?;
        let mut entry = parse_stage(line)?;
        text = rest;
        for _ in 0..5 {
            let (line, rest) = split(text, b'\n')?;
            text = rest;
            let line = std::str::from_utf8(line).ok()?;
            if let Some((_, flags)) = line.split_once("flags: ") {
                let flags = u32::from_str_radix(flags.trim(), 16).ok()?;
                entry.assume_unchanged = flags & ASSUME_UNCHANGED != 0;
                entry.skip_worktree = flags & SKIP_WORKTREE != 0;
                entry.intent_to_add = flags & INTENT_TO_ADD != 0;
            }
        }
        entries.push(entry);
    }
    Some(entries)
}

fn entry(mode: &str, id: &str, stage: u8, path: &[u8]) -> Option<Entry> {
    Some(Entry {
        path: Name(path.to_vec()),
        stage,
        mode: u32::from_str_radix(mode, 8).ok()?,
        id: id.to_owned(),
        assume_unchanged: false,
        skip_worktree: false,
        intent_to_add: false,
    })
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|b| *b == at)?;
    Some((&text[..end], &text[end + 1..]))
}

fn unreadable() -> Error {
    Error::Git {
        command: "ls-files".to_owned(),
        stderr: "its list has another form than git 2.39 to 2.47 give it".to_owned(),
    }
}
