//! Files that an earlier copy has already are linked from there, not written again.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::below;
use super::print::{each, identify_one};
use super::stage::Stored;
use super::walk::{BITS, Node};
use crate::git::Name;

/// What was linked, and how each looked then.
pub(super) type Linked = BTreeMap<Name, Look>;

/// What changes with a file's content: whoever writes to it moves its `ctime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Look {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Look {
    fn of(meta: &Metadata) -> Self {
        Self {
            inode: meta.ino(),
            size: meta.len(),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// Links files of an earlier copy to where they are wanted, if they have the bytes and permissions
/// that are wanted; returns these, and what is left to be written. One that cannot be linked,
/// whatever the reason, is written.
pub(super) fn reuse(from: &Path, to: &Path, wanted: Vec<Stored>) -> (Linked, Vec<Stored>) {
    let looks = each(&wanted, |thing| Ok(link(from, to, thing))).unwrap_or_default();
    let mut looks = looks.into_iter();
    let (mut linked, mut left) = (Linked::new(), Vec::new());
    for thing in wanted {
        match looks.next().flatten() {
            Some(look) => drop(linked.insert(thing.0, look)),
            None => left.push(thing),
        }
    }
    (linked, left)
}

/// Whether the files that were linked are still those of the copy, and as they were.
pub(super) fn are_as_linked(copy: &Path, linked: &Linked) -> bool {
    linked.iter().all(|(name, look)| {
        let meta = std::fs::symlink_metadata(below(copy, name));
        meta.is_ok_and(|meta| Look::of(&meta) == *look)
    })
}

fn link(from: &Path, to: &Path, (name, id, node): &Stored) -> Option<Look> {
    let Node::File { mode, .. } = node else {
        return None;
    };
    let meta = |name: &Name| std::fs::symlink_metadata(below(from, name)).ok();
    let there = meta(name)?;
    let is_plain = there.is_file() && there.permissions().mode() & BITS == *mode;
    let mut parents = name.parents();
    if !is_plain || !parents.all(|parent| meta(&parent).is_some_and(|it| it.is_dir())) {
        return None;
    }
    let (mode, size) = (*mode, there.len());
    let found = identify_one(from, name, Node::File { mode, size }, id.len()).ok()?;
    if found != *id {
        return None;
    }
    std::fs::hard_link(below(from, name), below(to, name)).ok()?;
    Some(Look::of(&meta(name)?))
}
