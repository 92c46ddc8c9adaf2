//! Private files, never half-written.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes a directory that only its user can enter.
///
/// # Errors
/// It cannot be made.
pub fn private_dir(dir: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

/// Writes a file that only its user can read, with its directory. It is on disk when this
/// returns.
///
/// # Errors
/// The directory or file cannot be written.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    private_dir(dir)?;
    let fresh = path.with_extension(format!("json.{}", std::process::id()));
    // What a process of the same number left there is nobody's any more.
    let _ = std::fs::remove_file(&fresh);
    renamed(&fresh, text, path)?;
    File::open(dir)?.sync_all()
}

/// Writes a file where its user wants it, readable only by them; it is on disk when this returns.
/// A regular file that is there stays unless it is to be replaced, and then is whole at any time.
/// What is no regular file (a device, a pipe) is written into and stays what it is.
///
/// # Errors
/// `AlreadyExists`, `IsADirectory`; `NotFound` when its directory is not there; or it cannot be
/// written.
pub fn write_chosen(path: &Path, text: &str, replace: bool) -> std::io::Result<()> {
    // What a link leads to is meant, not the link.
    let path = match std::fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
        path => path?,
    };
    match std::fs::metadata(&path) {
        Ok(there) if there.is_dir() => return Err(ErrorKind::IsADirectory.into()),
        Ok(there) if !there.is_file() => {
            let mut file = OpenOptions::new().write(true).open(&path)?;
            return file.write_all(text.as_bytes());
        }
        Ok(_) if !replace => return Err(ErrorKind::AlreadyExists.into()),
        _ => {}
    }
    let dir = path.parent().unwrap_or(Path::new("."));
    let fresh = dir.join(format!(".ff-{}", uuid::Uuid::now_v7()));
    renamed(&fresh, text, &path)?;
    File::open(dir)?.sync_all()
}

/// Writes a file beside another and puts it in its place.
fn renamed(fresh: &Path, text: &str, path: &Path) -> std::io::Result<()> {
    let written = write_fresh(fresh, text, path);
    if written.is_err() {
        // Nothing of it is left; why it failed is told, not this.
        let _ = std::fs::remove_file(fresh);
    }
    written
}

fn write_fresh(fresh: &Path, text: &str, path: &Path) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(fresh, path)
}

/// Reads a file; `None` when it is not there.
///
/// # Errors
/// It cannot be read.
pub fn read_if_there(path: &Path) -> std::io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
