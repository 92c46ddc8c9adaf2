//! The fingerprint of a working state, from what is on the disk.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::operation::GitFile;
use super::walk::{Node, Tree};
use super::{Checkout, below};
use crate::error::{Error, IoContext, Result};
use crate::git::{Entry, Name, Sparse};

/// Files are read by at most this many threads.
const MAX_THREADS: usize = 4;
const BUFFER: usize = 128 * 1024;

/// Ids that git would give the raw bytes of files and links.
pub(super) type Ids = BTreeMap<Name, String>;

/// What a fingerprint is made of.
pub(super) struct Printed<'a> {
    pub(super) head: &'a str,
    pub(super) index: &'a [Entry],
    pub(super) resolved: &'a [Entry],
    pub(super) tree: &'a Tree,
    pub(super) ids: &'a Ids,
    pub(super) operation: &'a [GitFile],
    pub(super) sparse: Option<&'a Sparse>,
}

impl Checkout<'_> {
    /// Reads everything and returns the fingerprint: SHA-256, hex.
    ///
    /// # Errors
    /// `conflict` for what could not move.
    pub(in crate::handoff) async fn print(&self) -> Result<String> {
        let scan = self.scan().await?;
        let ids = identify(self.dir, &scan.tree, scan.head.len()).await?;
        Ok(Printed {
            head: &scan.head,
            index: &scan.index,
            resolved: &self.git.resolved_stages(self.dir, None).await?,
            tree: &scan.tree,
            ids: &ids,
            operation: &scan.operation,
            sparse: self.git.sparse(self.dir).await?.as_ref(),
        }
        .hash())
    }
}

impl Printed<'_> {
    pub(super) fn hash(&self) -> String {
        let mut hash = Sha256::new();
        let mut line = |words: String, bytes: &[u8]| {
            hash.update(words.as_bytes());
            // With its length, so that no two lists of fields give the same text.
            hash.update(bytes.len().to_le_bytes());
            hash.update(bytes);
        };
        line("head".to_owned(), self.head.as_bytes());
        for (kind, entries) in [("index", self.index), ("resolved", self.resolved)] {
            for entry in entries {
                let flags = [
                    entry.assume_unchanged,
                    entry.skip_worktree,
                    entry.intent_to_add,
                ];
                let (mode, id, stage) = (entry.mode, &entry.id, entry.stage);
                line(
                    format!("{kind} {mode:o} {id} {stage} {flags:?}"),
                    &entry.path.0,
                );
            }
        }
        for (name, node) in &self.tree.nodes {
            let id = self.ids.get(name).map_or("", String::as_str);
            let words = match node {
                Node::File { mode, .. } => format!("file {mode:o} {id}"),
                Node::Link => format!("link {id}"),
                Node::Dir { mode } => format!("dir {mode:o}"),
                Node::Repository => "repository".to_owned(),
            };
            line(words, &name.0);
        }
        for file in self.operation {
            let (name, content) = file.hashed();
            line(format!("operation {name}"), content);
        }
        if let Some(sparse) = self.sparse {
            line(format!("sparse {}", sparse.cone), &sparse.patterns.0);
        }
        hex::encode(hash.finalize())
    }
}

/// Computes the ids of all files and links of a tree, in the repository's kind of ids.
pub(super) async fn identify(dir: &Path, tree: &Tree, id_length: usize) -> Result<Ids> {
    let things: Vec<(Name, Node)> = tree
        .nodes
        .iter()
        .filter(|(_, node)| matches!(node, Node::File { .. } | Node::Link))
        .map(|(name, node)| (name.clone(), *node))
        .collect();
    let dir = dir.to_owned();
    let task = tokio::task::spawn_blocking(move || identify_all(&dir, &things, id_length));
    let ended = task.await.map_err(std::io::Error::other);
    ended.context(|| "reading the files broke down".to_owned())?
}

fn identify_all(dir: &Path, things: &[(Name, Node)], id_length: usize) -> Result<Ids> {
    let ids = each(things, |(name, node)| {
        Ok((name.clone(), identify_one(dir, name, *node, id_length)?))
    })?;
    Ok(ids.into_iter().collect())
}

/// Does the same with each thing, on as many threads as pay, and returns what came of it in the
/// order of the things.
pub(super) fn each<T: Sync, R: Send>(
    things: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let thread = || -> Result<Vec<(usize, R)>> {
        let mut found = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(thing) = things.get(at) else {
                return Ok(found);
            };
            found.push((at, work(thing)?));
        }
    };
    let mut all = std::thread::scope(|scope| {
        let threads = threads.min(MAX_THREADS);
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(thread)).collect();
        let mut found = Vec::with_capacity(things.len());
        for thread in all {
            let broken = |_| {
                Error::io(
                    "reading the files broke down",
                    std::io::ErrorKind::Other.into(),
                )
            };
            found.extend(thread.join().map_err(broken)??);
        }
        Ok::<_, Error>(found)
    })?;
    all.sort_unstable_by_key(|(at, _)| *at);
    Ok(all.into_iter().map(|(_, found)| found).collect())
}

pub(super) fn identify_one(
    dir: &Path,
    name: &Name,
    node: Node,
    id_length: usize,
) -> Result<String> {
    let path = below(dir, name);
    let what = || format!("cannot read {}", path.display());
    let Node::File { size, .. } = node else {
        let target = std::fs::read_link(&path).context(what)?;
        let target = target.as_os_str().as_bytes();
        let mut hash = BlobHash::new(id_length, target.len() as u64);
        hash.update(target);
        return Ok(hash.hex());
    };
    let mut file = std::fs::File::open(&path).context(what)?;
    let (mut hash, mut read, mut buffer) = (BlobHash::new(id_length, size), 0, vec![0; BUFFER]);
    loop {
        let n = file.read(&mut buffer).context(what)?;
        if n == 0 {
            break;
        }
        read += n as u64;
        hash.update(&buffer[..n]);
    }
    if read != size {
        return Err(changed(name));
    }
    Ok(hash.hex())
}

/// A file that was written to while it was read.
pub(super) fn changed(name: &Name) -> Error {
    super::survey::refused(
        format!(
            "{} changed while the workspace was being moved",
            name.shown()
        ),
        "run the same command again",
    )
}

/// The id of a blob, in either of git's two kinds.
pub(super) enum BlobHash {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl BlobHash {
    pub(super) fn new(id_length: usize, size: u64) -> Self {
        let mut hash = match id_length {
            64 => Self::Sha256(Sha256::new()),
            _ => Self::Sha1(Sha1::new()),
        };
        hash.update(format!("blob {size}\0").as_bytes());
        hash
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }

    pub(super) fn hex(self) -> String {
        match self {
            Self::Sha1(hash) => hex::encode(hash.finalize()),
            Self::Sha256(hash) => hex::encode(hash.finalize()),
        }
    }
}
