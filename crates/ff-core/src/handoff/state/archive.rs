//! `files.tar`: plain files, symbolic links and directories, nothing else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tar::{Archive, Builder, EntryType, Header};

use super::print::{BlobHash, Ids, changed};
use super::walk::{LIMITS, Node};
use super::{below, inside, invalid};
use crate::error::{Error, IoContext, Result};
use crate::git::Name;

const BUFFER: usize = 128 * 1024;
/// Longest name of a thing and what comes with it, in bytes; it is held in memory.
const LONGEST_NAME: u64 = 64 << 10;

/// Writes things of a worktree into an archive; what is written is checked against `ids`.
///
/// # Errors
/// `conflict` for a file that is no longer what it was.
pub(super) fn write(
    dir: &Path,
    things: &[(Name, Node)],
    ids: &Ids,
    id_length: usize,
    file: &Path,
) -> Result<()> {
    let what = || format!("cannot write {}", file.display());
    let out = File::create(file).context(what)?;
    let mut tar = Builder::new(BufWriter::with_capacity(BUFFER, out));
    for (name, node) in things {
        let path = below(dir, name);
        let mut header = Header::new_gnu();
        match node {
            Node::File { mode, size } => {
                header.set_entry_type(EntryType::Regular);
                header.set_mode(*mode);
                header.set_size(*size);
                let from =
                    File::open(&path).context(|| format!("cannot read {}", path.display()))?;
                let mut from = Hashed {
                    from: from.take(*size),
                    hash: BlobHash::new(id_length, *size),
                };
                tar.append_data(&mut header, name.path(), &mut from)
                    .context(what)?;
                if ids.get(name) != Some(&from.hash.hex()) {
                    return Err(changed(name));
                }
            }
            Node::Link => {
                header.set_entry_type(EntryType::Symlink);
                header.set_mode(0o777);
                header.set_size(0);
                let target = std::fs::read_link(&path)
                    .context(|| format!("cannot read {}", path.display()))?;
                tar.append_link(&mut header, name.path(), &target)
                    .context(what)?;
            }
            Node::Dir { mode } => {
                header.set_entry_type(EntryType::Directory);
                header.set_mode(*mode);
                header.set_size(0);
                tar.append_data(&mut header, name.path(), std::io::empty())
                    .context(what)?;
            }
            Node::Repository => {}
        }
    }
    let mut out = tar.into_inner().context(what)?;
    out.flush().context(what)
}

struct Hashed<R> {
    from: R,
    hash: BlobHash,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.hash.update(&buffer[..n]);
        Ok(n)
    }
}

/// What an archive holds, each thing once.
///
/// # Errors
/// `invalid` for a path that leaves the worktree, a thing that is none of the three, or more than
/// the limits allow.
pub(super) fn list(file: &Path) -> Result<BTreeMap<Name, Node>> {
    check_names(file)?;
    let mut nodes = BTreeMap::new();
    let mut total = 0u64;
    for_each(file, true, |name, node, _| {
        if let Node::File { size, .. } = node {
            total = total.saturating_add(size);
        }
        if nodes.insert(name.clone(), node).is_some() {
            return Err(invalid(&format!("{} comes twice", name.shown())));
        }
        if nodes.len() > LIMITS.paths || total > LIMITS.total {
            return Err(invalid("its files are too many or too large"));
        }
        Ok(())
    })?;
    Ok(nodes)
}

/// Refuses names that would fill the memory as soon as they are read.
fn check_names(file: &Path) -> Result<()> {
    let mut archive = open(file)?;
    for entry in archive.entries_with_seek().map_err(unreadable)?.raw(true) {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.header().entry_type();
        let names = kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions();
        if names && entry.size() > LONGEST_NAME {
            return Err(invalid(&format!("it has a name of {} bytes", entry.size())));
        }
    }
    Ok(())
}

fn open(file: &Path) -> Result<Archive<BufReader<File>>> {
    let opened = File::open(file).context(|| format!("cannot read {}", file.display()))?;
    Ok(Archive::new(BufReader::with_capacity(BUFFER, opened)))
}

fn unreadable(error: std::io::Error) -> Error {
    invalid(&format!("its files cannot be read: {error}"))
}

/// Gives each thing of an archive with its bytes to a function; a link's are its target.
pub(super) fn for_each(
    file: &Path,
    skip_bytes: bool,
    mut each: impl FnMut(Name, Node, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let mut archive = open(file)?;
    let entries = if skip_bytes {
        archive.entries_with_seek()
    } else {
        archive.entries()
    };
    for entry in entries.map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let mut name = entry.path_bytes().into_owned();
        let kind = entry.header().entry_type();
        if kind == EntryType::Directory && name.last() == Some(&b'/') {
            name.pop();
        }
        let name = Name(name);
        inside(&name)?;
        let mode = entry.header().mode().map_err(unreadable)? & 0o777;
        let size = entry.size();
        let node = match kind {
            EntryType::Regular => Node::File { mode, size },
            EntryType::Symlink if size == 0 => Node::Link,
            EntryType::Directory if size == 0 => Node::Dir { mode },
            other => {
                let name = name.shown();
                return Err(invalid(&format!(
                    "{name} is neither file, link nor directory but {other:?}"
                )));
            }
        };
        if node == Node::Link {
            let target = entry.link_name_bytes();
            let target = target.filter(|target| !target.is_empty() && !target.contains(&0));
            let target = target.ok_or_else(|| invalid("a link leads nowhere"))?;
            each(name, node, &mut target.as_ref())?;
        } else {
            each(name, node, &mut entry)?;
        }
    }
    Ok(())
}

/// Reads the target of a link.
pub(super) fn target(from: &mut dyn Read) -> Result<std::path::PathBuf> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)
        .map_err(|error| Error::io("cannot read a link", error))?;
    Ok(std::ffi::OsStr::from_bytes(&bytes).into())
}
