//! A working state is built beside what is there, and its fingerprint computed from that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions, Permissions};
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ff_protocol::project::Project;
use ff_protocol::{ErrorCode, HandoffId};

use super::capture::{DIR_MODE, expected};
use super::print::{Printed, identify};
use super::reuse::{Linked, are_as_linked, reuse};
use super::walk::{Ignored, LIMITS, Node, Tree, walk};
use super::{State, archive, below, inside, invalid, operation};
use crate::core::private_dir;
use crate::error::{Error, IoContext, Result};
use crate::git::{BlobFile, Git, Name};
use crate::handoff::spool::{check_room, megabytes};
use crate::project::remove_dir;

/// A place beside the worktrees of a project where one hand-off builds.
pub(in crate::handoff) struct Staging {
    pub(super) dir: PathBuf,
}

/// What a worktree is going to hold.
pub(super) type Listing = BTreeMap<Name, Node>;

/// A file or link whose bytes git has stored: its name, their id, what it is to be.
pub(super) type Stored = (Name, String, Node);

impl Staging {
    /// That of a hand-off.
    pub(in crate::handoff) fn of(project: &Project, id: &HandoffId) -> Self {
        let base = Path::new(&project.worktree_base_path);
        Self {
            dir: base.join(format!(".arriving-{id}")),
        }
    }

    /// Removes it with all it holds; fine when it is not there.
    pub(in crate::handoff) fn remove(&self) -> Result<()> {
        remove_dir(&self.dir)
    }

    /// Whether it was built to the end.
    pub(in crate::handoff) fn is_built(&self) -> bool {
        self.listing_file().is_file()
    }

    /// Whether it was built to the end, and what it shares with the copy in a directory is still
    /// there and as it was.
    pub(in crate::handoff) fn is_as_built(&self, copy: &Path) -> Result<bool> {
        let linked = self.linked_file();
        Ok(self.is_built() && linked.is_file() && are_as_linked(copy, &read_json(&linked)?))
    }

    pub(super) fn files(&self) -> PathBuf {
        self.dir.join("files")
    }

    pub(super) fn index(&self) -> PathBuf {
        self.dir.join("index")
    }

    fn linked_file(&self) -> PathBuf {
        self.dir.join("linked.json")
    }

    fn listing_file(&self) -> PathBuf {
        self.dir.join("listing.json")
    }

    /// Builds a state whose objects are in `repo`, and returns the fingerprint of what then lies
    /// there. Files that an earlier copy has with the same bytes and permissions are linked from
    /// there: they need not be written again.
    ///
    /// # Errors
    /// `invalid` for a state that cannot be followed, `corrupted` when something is missing.
    pub(in crate::handoff) async fn build(
        &self,
        git: &Git,
        repo: &Path,
        state: &State,
        archive: Option<&Path>,
        earlier: Option<&Path>,
    ) -> Result<String> {
        self.remove()?;
        private_dir(&self.files())?;
        let (index, scratch) = (self.index(), self.dir.join("scratch"));
        private_dir(&scratch)?;
        git.write_index(repo, &index, state.head(), &state.index, &scratch)
            .await?;
        remove_dir(&scratch)?;
        let entries = git.index_entries(repo, Some(&index)).await?;
        entries.iter().try_for_each(|entry| inside(&entry.path))?;

        let mut listing = archive.map_or_else(|| Ok(Listing::new()), archive::list)?;
        let absent: BTreeSet<&Name> = state.files.absent.iter().collect();
        let mut stored = Vec::new();
        for (name, (entry, node)) in expected(&entries) {
            if absent.contains(name) || listing.contains_key(name) {
                continue;
            }
            let node = match (node, state.files.modes.get(name)) {
                (Node::File { size, .. }, Some(mode)) => Node::File {
                    mode: mode & 0o777,
                    size,
                },
                (node, _) => node,
            };
            listing.insert(name.clone(), node);
            stored.push((name.clone(), entry.id.clone(), node));
        }
        add_parents(&mut listing)?;
        let weight = check_weight(git, repo, &stored, &listing).await?;
        let has = format!("the files of the workspace take {}", megabytes(weight));
        check_room(&self.dir, weight, &has)?;

        for (name, node) in &listing {
            if matches!(node, Node::Dir { .. }) {
                private_dir(&below(&self.files(), name))?;
            }
        }
        let mut linked = Linked::new();
        if let Some(earlier) = earlier {
            (linked, stored) = self.link_stored(earlier, stored).await?;
        }
        // Links come last, so that nothing is written through one.
        let links = self.write_stored(git, repo, &stored).await?;
        let links = links.into_iter().chain(self.unpack(archive)?);
        for (name, target) in links {
            let path = below(&self.files(), &name);
            std::os::unix::fs::symlink(&target, &path)
                .context(|| format!("cannot write {}", path.display()))?;
        }
        operation::write(&self.dir.join("operation"), &state.operation)?;
        // The disk works while the fingerprint is computed.
        let (print, ()) =
            tokio::try_join!(self.print(git, repo, state, &listing), self.begin_sync())?;
        write_json(&self.linked_file(), &linked)?;
        self.write_listing(&listing)?;
        sync_all(&self.dir)?;
        Ok(print)
    }

    async fn begin_sync(&self) -> Result<()> {
        let dir = self.dir.clone();
        let task = tokio::task::spawn_blocking(move || sync_all(&dir));
        let ended = task.await.map_err(std::io::Error::other);
        ended.context(|| "writing to the disk broke down".to_owned())?
    }

    /// Links what an earlier copy has as well; returns that, and what is left to be written.
    async fn link_stored(
        &self,
        earlier: &Path,
        stored: Vec<Stored>,
    ) -> Result<(Linked, Vec<Stored>)> {
        let (from, to) = (earlier.to_owned(), self.files());
        let task = tokio::task::spawn_blocking(move || reuse(&from, &to, stored));
        let ended = task.await.map_err(std::io::Error::other);
        ended.context(|| "linking the files broke down".to_owned())
    }

    /// Writes the files that git has stored; returns the links among them.
    async fn write_stored(
        &self,
        git: &Git,
        repo: &Path,
        stored: &[Stored],
    ) -> Result<Vec<(Name, PathBuf)>> {
        let links = self.dir.join("links");
        private_dir(&links)?;
        let files = stored.iter().enumerate().map(|(at, (name, id, node))| {
            let (path, mode) = match node {
                Node::File { mode, .. } => (below(&self.files(), name), *mode),
                _ => (links.join(at.to_string()), 0o600),
            };
            let id = id.clone();
            BlobFile { id, path, mode }
        });
        git.write_blobs(repo, files.collect(), make).await?;
        let mut found = Vec::new();
        for (at, (name, _, node)) in stored.iter().enumerate() {
            if *node == Node::Link {
                let path = links.join(at.to_string());
                let mut file = File::open(&path).context(|| "cannot read a link".to_owned())?;
                found.push((name.clone(), archive::target(&mut file)?));
            }
        }
        remove_dir(&links)?;
        Ok(found)
    }

    /// Writes the files that came as bytes; returns the links among them.
    fn unpack(&self, archive: Option<&Path>) -> Result<Vec<(Name, PathBuf)>> {
        let mut links = Vec::new();
        let Some(archive) = archive else {
            return Ok(links);
        };
        archive::for_each(archive, false, |name, node, from: &mut dyn Read| {
            match node {
                Node::File { mode, .. } => {
                    let path = below(&self.files(), &name);
                    let mut file = make(&path, mode)?;
                    std::io::copy(from, &mut file)
                        .context(|| format!("cannot write {}", path.display()))?;
                }
                Node::Link => links.push((name, archive::target(from)?)),
                Node::Dir { .. } | Node::Repository => {}
            }
            Ok(())
        })?;
        Ok(links)
    }

    async fn print(
        &self,
        git: &Git,
        repo: &Path,
        state: &State,
        listing: &Listing,
    ) -> Result<String> {
        let mut tree = walk(&self.files(), &Ignored::default())?;
        let ids = identify(&self.files(), &tree, state.head().len()).await?;
        // Directories get their permissions last: one without may not be filled.
        for (name, node) in &mut tree.nodes {
            if let (Node::Dir { mode }, Some(Node::Dir { mode: wanted })) =
                (node, listing.get(name))
            {
                *mode = *wanted;
            }
        }
        let index = self.index();
        Ok(Printed {
            head: state.head(),
            index: &git.index_entries(repo, Some(&index)).await?,
            resolved: &git.resolved_stages(repo, Some(&index)).await?,
            tree: &tree,
            ids: &ids,
            operation: &operation::read_from(&self.dir.join("operation"))?,
            sparse: state.settings.sparse.as_ref(),
        }
        .hash())
    }

    fn write_listing(&self, listing: &Listing) -> Result<()> {
        write_json(&self.listing_file(), listing)
    }

    pub(super) fn listing(&self) -> Result<Listing> {
        read_json(&self.listing_file())
    }

    /// What is there of the listing's files, having not been moved yet.
    pub(super) fn left(&self) -> Result<Tree> {
        walk(&self.files(), &Ignored::default())
    }
}

/// Adds the directories that things lie in.
fn add_parents(listing: &mut Listing) -> Result<()> {
    let parents: BTreeSet<Name> = listing.keys().flat_map(Name::parents).collect();
    for name in parents {
        let node = listing.entry(name.clone());
        let node = node.or_insert(Node::Dir { mode: DIR_MODE });
        if !matches!(node, Node::Dir { .. }) {
            return Err(invalid(&format!("{} is no directory", name.shown())));
        }
    }
    Ok(())
}

/// Bytes that the files will have.
async fn check_weight(git: &Git, repo: &Path, stored: &[Stored], listing: &Listing) -> Result<u64> {
    let ids: Vec<String> = stored.iter().map(|(_, id, _)| id.clone()).collect();
    let (missing, total) = git.weigh_blobs(repo, &ids).await?;
    if let Some(id) = missing.first() {
        let detail = format!("content {id} is neither here nor in the bundle");
        return Err(Error::refused(ErrorCode::Corrupted, detail));
    }
    // Those that git has stored count as empty there.
    let size = |node: &Node| match node {
        Node::File { size, .. } => *size,
        _ => 0,
    };
    let total = total.saturating_add(listing.values().map(size).sum());
    if total > LIMITS.total || listing.len() > LIMITS.paths {
        return Err(invalid("its files are too many or too large"));
    }
    Ok(total)
}

/// Makes a file that was not there, with exactly these permissions.
fn make(path: &Path, mode: u32) -> Result<File> {
    let what = || format!("cannot write {}", path.display());
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(mode);
    let file = options.open(path).context(what)?;
    file.set_permissions(Permissions::from_mode(mode))
        .context(what)?;
    Ok(file)
}

/// Writes everything of the file system that holds a directory through to the disk.
pub(super) fn sync_all(dir: &Path) -> Result<()> {
    let what = || format!("cannot write {}", dir.display());
    let opened = File::open(dir).context(what)?;
    rustix::fs::syncfs(&opened)
        .map_err(std::io::Error::from)
        .context(what)
}

pub(super) fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<()> {
    let what = || format!("cannot write {}", path.display());
    let bytes = serde_json::to_vec(value).map_err(|source| Error::Data {
        what: path.display().to_string(),
        source,
    })?;
    let beside = path.with_extension("new");
    std::fs::write(&beside, bytes).context(what)?;
    File::open(&beside)
        .and_then(|file| file.sync_all())
        .context(what)?;
    std::fs::rename(&beside, path).context(what)
}

pub(super) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Data {
        what: path.display().to_string(),
        source,
    })
}
