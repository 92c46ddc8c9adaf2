//! What lies in a worktree and belongs to the workspace: everything but what git passes over.

use std::collections::{BTreeMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use ff_protocol::ErrorCode;
use serde::{Deserialize, Serialize};

use super::below;
use crate::error::{Error, IoContext, Result};
use crate::git::Name;

/// Permission bits that travel.
pub(super) const BITS: u32 = 0o777;

/// A thing in a worktree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Node {
    File {
        mode: u32,
        size: u64,
    },
    Link,
    Dir {
        mode: u32,
    },
    /// The directory of a submodule that is not checked out, or of a repository in the worktree.
    Repository,
}

/// A worktree's contents by path.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) nodes: BTreeMap<Name, Node>,
    /// What stays behind: ignored, or nothing that can travel; and whether it is a directory.
    pub(super) stays: Vec<(Name, bool)>,
}

/// Which of the ignored paths travel all the same.
#[derive(Debug, Default)]
pub(super) struct Ignored {
    pub(super) paths: HashSet<Name>,
    pub(super) carried: Vec<Name>,
}

impl Ignored {
    fn is_carried(&self, name: &Name) -> bool {
        self.carried.iter().any(|it| it == name || is_in(name, it))
    }

    fn leads_to_carried(&self, name: &Name) -> bool {
        self.carried.iter().any(|it| is_in(it, name))
    }
}

/// Whether a path lies below another one.
pub(super) fn is_in(name: &Name, dir: &Name) -> bool {
    let rest = name.0.strip_prefix(dir.0.as_slice());
    rest.is_some_and(|rest| rest.first() == Some(&b'/'))
}

/// Walks a worktree. Reads no file.
pub(super) fn walk(dir: &Path, ignored: &Ignored) -> Result<Tree> {
    let mut tree = Tree::default();
    // A directory, and whether git passes over what is in it.
    let mut open = vec![(Name::default(), false)];
    while let Some((at, passed_over)) = open.pop() {
        let here = below(dir, &at);
        let what = || format!("cannot read {}", here.display());
        for found in std::fs::read_dir(&here).context(what)? {
            let found = found.context(what)?;
            let file_name = found.file_name();
            if file_name == ".git" {
                if !at.0.is_empty() {
                    tree.nodes.insert(at.clone(), Node::Repository);
                }
                continue;
            }
            let mut name = at.0.clone();
            if !name.is_empty() {
                name.push(b'/');
            }
            name.extend_from_slice(file_name.as_bytes());
            let name = Name(name);
            let meta = found.metadata().context(what)?;
            let kind = meta.file_type();
            let is_ignored = passed_over || ignored.paths.contains(&name);
            let stays = is_ignored && !ignored.is_carried(&name);
            if stays && !(kind.is_dir() && ignored.leads_to_carried(&name)) {
                tree.stays.push((name, kind.is_dir()));
                continue;
            }
            let mode = meta.permissions().mode() & BITS;
            let node = if kind.is_dir() {
                open.push((name.clone(), is_ignored));
                Node::Dir { mode }
            } else if kind.is_symlink() {
                Node::Link
            } else if kind.is_file() {
                let size = meta.size();
                Node::File { mode, size }
            } else {
                tree.stays.push((name, false));
                continue;
            };
            tree.nodes.insert(name, node);
        }
    }
    tree.stays.sort();
    Ok(tree)
}

/// What a workspace may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) paths: usize,
    pub(super) file: u64,
    pub(super) total: u64,
}

pub(super) const LIMITS: Limits = Limits {
    paths: 500_000,
    file: 4 << 30,
    total: 8 << 30,
};

impl Tree {
    /// Refuses more than the limits allow, naming it.
    ///
    /// # Errors
    /// `too_large`.
    pub(super) fn check(&self, limits: Limits) -> Result<()> {
        let too_large = |detail: String| {
            let hint = "have git ignore what need not move, or remove it";
            Err(Error::refused(ErrorCode::TooLarge, detail).hint(hint))
        };
        if self.nodes.len() > limits.paths {
            let (found, most) = (self.nodes.len(), limits.paths);
            return too_large(format!(
                "the workspace has {found} files and directories, at most {most} can move"
            ));
        }
        let mut total = 0u64;
        for (name, node) in &self.nodes {
            let Node::File { size, .. } = node else {
                continue;
            };
            if *size > limits.file {
                let (name, most) = (name.shown(), limits.file);
                return too_large(format!(
                    "{name} has {size} bytes, a file of at most {most} can move"
                ));
            }
            total = total.saturating_add(*size);
        }
        if total > limits.total {
            let mut files: Vec<_> = self.nodes.iter().filter_map(largest).collect();
            files.sort_by(|a, b| b.cmp(a));
            let named: Vec<_> = files
                .iter()
                .take(3)
                .map(|(size, name)| format!("{} ({size})", name.shown()))
                .collect();
            let (named, most) = (named.join(", "), limits.total);
            return too_large(format!(
                "the files of the workspace have {total} bytes, at most {most} can move; the largest are {named}"
            ));
        }
        Ok(())
    }
}

fn largest<'a>((name, node): (&'a Name, &Node)) -> Option<(u64, &'a Name)> {
    match node {
        Node::File { size, .. } => Some((*size, name)),
        _ => None,
    }
}
