//! Locks between `ff` processes of one user: the system frees them when their process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::files;

const TRIES: u32 = 30;
const BETWEEN: Duration = Duration::from_millis(100);

/// A lock that is held while this lives.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code)] File);

/// Takes the named lock, or nothing while another process holds it.
///
/// # Errors
/// The lock's file cannot be made.
pub fn try_take(data_dir: &Path, name: &str) -> anyhow::Result<Option<Lock>> {
    let file = open(data_dir, name)?;
    let taken = file.try_lock();
    taken_or_busy(file, taken, name)
}

/// Whether another process holds the named lock. Asking takes it from nobody.
///
/// # Errors
/// The lock's file cannot be made.
pub fn is_held(data_dir: &Path, name: &str) -> anyhow::Result<bool> {
    let file = open(data_dir, name)?;
    let shared = file.try_lock_shared();
    Ok(taken_or_busy(file, shared, name)?.is_none())
}

/// Takes the named lock, or nothing if others still hold it after a few seconds.
///
/// # Errors
/// The lock's file cannot be made.
pub async fn take_soon(data_dir: &Path, name: &str) -> anyhow::Result<Option<Lock>> {
    for _ in 0..TRIES {
        if let Some(lock) = try_take(data_dir, name)? {
            return Ok(Some(lock));
        }
        tokio::time::sleep(BETWEEN).await;
    }
    try_take(data_dir, name)
}

fn taken_or_busy(
    file: File,
    taken: Result<(), TryLockError>,
    name: &str,
) -> anyhow::Result<Option<Lock>> {
    match taken {
        Ok(()) => Ok(Some(Lock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot take the lock {name}"))
        }
    }
}

fn open(data_dir: &Path, name: &str) -> anyhow::Result<File> {
    let dir = data_dir.join("locks");
    files::private_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let path = dir.join(name);
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = try_take(dir.path(), "a").unwrap();
        assert!(first.is_some());
        assert!(is_held(dir.path(), "a").unwrap());
        assert!(try_take(dir.path(), "a").unwrap().is_none());
        assert!(try_take(dir.path(), "b").unwrap().is_some());
        drop(first);
        assert!(!is_held(dir.path(), "a").unwrap());
        assert!(try_take(dir.path(), "a").unwrap().is_some());
    }
}
