//! Whether a file is another one than before, without reading it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Inode, time of the last change in seconds and nanoseconds, and size.
pub(crate) type Stamp = (u64, i64, i64, u64);

/// The stamp of a file; `None` without one.
///
/// It is one `stat`, made on the task itself: at the limit of processes there is no thread to be
/// had for it.
pub(crate) fn of(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((
        metadata.ino(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.len(),
    ))
}
