//! A database is copied while its program may be running.
//!
//! SQLite itself would write beside a database that it only reads (`-shm`, a recovered journal), so
//! the files are read as files. What was read is used only if nothing changed while it was: then
//! database and log are of one moment, and SQLite finds the last commit in the copy.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ff_protocol::ErrorCode;
use rustix::io::Errno;
use rustix::process::{Flock, FlockType, fcntl_getlk};
use sha2::{Digest, Sha256};

use crate::error::{Error, IoContext, Result};

/// Files beside a database that belong to its state, by what is added to its name.
const BESIDE: [&str; 2] = ["-wal", "-journal"];
/// How often a copy is tried.
const TRIES: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(250);
/// Largest database that is read, with its log, in bytes.
const LARGEST: u64 = 4 << 30;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Bytes that SQLite locks (its file `os.h`): whoever is about to write, and whoever writes, keeps
/// readers out by these.
const PENDING: (u64, u64) = (0x4000_0000, 1);
const SHARED: (u64, u64) = (0x4000_0002, 510);

/// Copies a database into a directory; the path of the copy. Blocks: not for the runtime's threads.
///
/// # Errors
/// `not_found`; `invalid` when it is no SQLite database; `busy` while it is locked or goes on
/// changing.
pub(super) fn copy(source: &Path, dir: &Path) -> Result<PathBuf> {
    let copy = dir.join("copy.db");
    let mut locked = false;
    for attempt in 0..TRIES {
        if attempt > 0 {
            std::thread::sleep(BETWEEN);
        }
        locked = is_locked(source)?;
        if locked {
            continue;
        }
        let before = read(source, Some(&copy))?;
        if before == read(source, None)? && !is_locked(source)? {
            return Ok(copy);
        }
    }
    let what = match locked {
        true => "is locked by another program",
        false => "goes on being written to",
    };
    let detail = format!(
        "the database {} {what}; nothing was imported",
        source.display()
    );
    Err(Error::refused(ErrorCode::Busy, detail)
        .hint("close the program that uses it, or wait until it rests, and try again"))
}

/// Whether a program keeps readers out of the database.
fn is_locked(source: &Path) -> Result<bool> {
    let file = open(source)?;
    for (start, length) in [PENDING, SHARED] {
        let mut wanted = Flock::from(FlockType::ReadLock);
        (wanted.start, wanted.length) = (start, length);
        match fcntl_getlk(&file, &wanted) {
            Ok(holder) if holder.is_some() => return Ok(true),
            // A file system without locks has nobody who holds one.
            Ok(_) | Err(Errno::NOTSUP | Errno::NOLCK | Errno::INVAL) => {}
            Err(error) => {
                let what = format!("cannot ask for locks of {}", source.display());
                return Err(Error::io(what, error.into()));
            }
        }
    }
    Ok(false)
}

/// Hashes of the database and what lies beside it; copied as well, if there is a place for it.
fn read(source: &Path, copy: Option<&Path>) -> Result<Vec<Option<[u8; 32]>>> {
    let mut hashes = vec![Some(read_file(source, copy, open(source)?)?)];
    for suffix in BESIDE {
        let (from, to) = (
            beside(source, suffix),
            copy.map(|copy| beside(copy, suffix)),
        );
        hashes.push(match File::open(&from) {
            Ok(file) => Some(read_file(&from, to.as_deref(), file)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if let Some(old) = to.filter(|old| old.exists()) {
                    fs::remove_file(&old).context(|| format!("cannot remove {}", old.display()))?;
                }
                None
            }
            Err(error) => return Err(Error::io(format!("cannot read {}", from.display()), error)),
        });
    }
    Ok(hashes)
}

fn read_file(source: &Path, copy: Option<&Path>, mut file: File) -> Result<[u8; 32]> {
    let size = file.metadata().map_or(0, |meta| meta.len());
    if size > LARGEST {
        let detail = format!("{} is larger than {} GiB", source.display(), LARGEST >> 30);
        return Err(Error::refused(ErrorCode::TooLarge, detail));
    }
    let mut hash = Hashing(Sha256::new());
    let reading = || format!("cannot read {}", source.display());
    match copy {
        None => std::io::copy(&mut file, &mut hash).context(reading)?,
        Some(copy) => {
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let target = options.open(copy);
            let target = target.context(|| format!("cannot write {}", copy.display()))?;
            std::io::copy(&mut file, &mut Tee(target, &mut hash)).context(reading)?
        }
    };
    Ok(hash.0.finalize().into())
}

fn open(source: &Path) -> Result<File> {
    let shown = source.display();
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::refused(ErrorCode::NotFound, format!("there is no file {shown}"))
        }
        _ => Error::io(format!("cannot read {shown}"), error),
    };
    // Before it is opened: a pipe would wait for somebody to write.
    if !fs::metadata(source).map_err(failed)?.is_file() {
        let detail = format!("{shown} is not a file");
        return Err(Error::refused(ErrorCode::Invalid, detail));
    }
    File::open(source).map_err(failed)
}

/// Whether a file begins as SQLite's do.
pub(super) fn is_database(copy: &Path) -> bool {
    let mut head = [0; 16];
    let read =
        File::open(copy).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut head));
    read.is_ok() && &head == MAGIC
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Tee<'a>(File, &'a mut Hashing);

impl Write for Tee<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.0.write(bytes)?;
        self.1.write_all(&bytes[..written])?;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}
