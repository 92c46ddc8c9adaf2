//! The spool: a bundle's parts as private files named by their SHA-256.

use std::path::{Path, PathBuf};

use ff_protocol::ErrorCode;
use ff_protocol::HandoffId;
use ff_protocol::handoff::{Part, is_sha256};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::core::private_dir;
use crate::error::{Error, IoContext, Result};
use crate::project::remove_dir;

/// Name of the git bundle among the parts.
pub(super) const REPO: &str = "repo.bundle";
/// Name of the journal among the parts.
pub(super) const JOURNAL: &str = "journal.jsonl";
/// Prefix of the CLI's transcripts among the parts.
pub(super) const TRANSCRIPTS: &str = "transcripts/";
/// Largest part that is taken in, in bytes.
pub(super) const MAX_PART: u64 = 8 << 30;
/// What is left of a disk must not be less, in bytes.
const SPARE: u64 = 256 << 20;

const BUFFER: usize = 128 * 1024;

/// Refuses what the disk of a directory has no room for.
///
/// # Errors
/// `too_large`, with what it `has`.
pub(super) fn check_room(dir: &Path, bytes: u64, has: &str) -> Result<()> {
    let disk = rustix::fs::statvfs(dir)
        .map_err(std::io::Error::from)
        .context(|| format!("cannot look at the disk of {}", dir.display()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if bytes.saturating_add(SPARE) <= free {
        return Ok(());
    }
    let detail = format!(
        "{has}, and the disk there has {} left, of which {} are to stay free",
        megabytes(free),
        megabytes(SPARE)
    );
    Err(Error::refused(ErrorCode::TooLarge, detail).hint("make room there, then try again"))
}

/// For people, upwards: 0 is said of nothing only.
pub(super) fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

/// The parts of one hand-off on this machine.
pub(super) struct Spool {
    dir: PathBuf,
}

impl Spool {
    pub(super) fn of(data_dir: &Path, id: &HandoffId) -> Self {
        Self {
            dir: data_dir.join("spool").join(id.as_str()),
        }
    }

    pub(super) fn create(&self) -> Result<()> {
        private_dir(&self.dir)
    }

    pub(super) fn remove(&self) -> Result<()> {
        remove_dir(&self.dir)
    }

    /// Path of a stored part.
    pub(super) fn part(&self, sha256: &str) -> Result<PathBuf> {
        if !is_sha256(sha256) {
            return Err(Error::refused(
                ErrorCode::BadRequest,
                "a part is named by its SHA-256 in hex",
            ));
        }
        Ok(self.dir.join(sha256))
    }

    /// A file inside the spool for something still being made.
    pub(super) fn scratch(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.part"))
    }

    /// Copies a stream in and returns the part, whose name is given; more than `limit` bytes are
    /// refused.
    pub(super) async fn store(
        &self,
        name: &str,
        limit: u64,
        mut from: impl AsyncRead + Unpin,
    ) -> Result<Part> {
        let scratch = self.scratch(&uuid::Uuid::new_v4().to_string());
        let mut file = tempfile_at(&scratch).await?;
        let mut hash = Sha256::new();
        let copied = copy(&mut from, limit, Some(&mut file), &mut hash, name).await;
        let synced = file.sync_all().await;
        match (copied, synced) {
            (Ok(size), Ok(())) => self.adopt(&scratch, name, hex::encode(hash.finalize()), size),
            (copied, synced) => {
                let _ = std::fs::remove_file(&scratch);
                synced.context(|| format!("cannot write {name}"))?;
                Err(copied.map_or_else(|error| error, |_| corrupted(name)))
            }
        }
    }

    /// Where a part that arrives is collected.
    fn arriving(&self, sha256: &str) -> Result<PathBuf> {
        Ok(self.part(sha256)?.with_extension("arriving"))
    }

    /// Bytes of a part that have arrived, from its beginning.
    pub(super) fn arrived(&self, part: &Part) -> Result<u64> {
        let size = |path: PathBuf| std::fs::metadata(path).map(|meta| meta.len());
        match size(self.part(&part.sha256)?) {
            Ok(size) => Ok(size),
            Err(_) => Ok(size(self.arriving(&part.sha256)?).unwrap_or_default()),
        }
    }

    /// Refuses a bundle that the disk has no room for, beside what has arrived of it.
    pub(super) fn check_room(&self, parts: &[Part]) -> Result<()> {
        let mut missing = 0u64;
        for part in parts {
            missing = missing.saturating_add(part.size.saturating_sub(self.arrived(part)?));
        }
        // Once spooled, once restored.
        let twice = missing.saturating_mul(2);
        let has = format!("what has still to come takes {}", megabytes(twice));
        check_room(&self.dir, twice, &has)
    }

    /// Takes a part in from `offset` on, after what has arrived of it, and refuses it unless all of
    /// it is what its hash says. What came before a cut stays, so that the rest may follow.
    ///
    /// # Errors
    /// `conflict` when less than `offset` has arrived; `too_large`, `corrupted`.
    pub(super) async fn take(
        &self,
        part: &Part,
        offset: u64,
        mut from: impl AsyncRead + Unpin,
    ) -> Result<()> {
        let (path, name) = (self.arriving(&part.sha256)?, &part.name);
        if self.part(&part.sha256)?.is_file() {
            return Ok(());
        }
        let what = || format!("cannot write part {name}");
        let mut file = tokio::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .await
            .context(what)?;
        let there = file.metadata().await.context(what)?.len();
        if there < offset {
            let detail = format!("{there} bytes of part {name} have arrived, not {offset}");
            return Err(Error::refused(ErrorCode::Conflict, detail).hint("ask what has arrived"));
        }
        file.set_len(offset).await.context(what)?;
        let mut hash = Sha256::new();
        copy(&mut file, u64::MAX, None, &mut hash, name).await?;
        let limit = part.size.saturating_sub(offset);
        let came = copy(&mut from, limit, Some(&mut file), &mut hash, name).await;
        file.sync_all().await.context(what)?;
        drop(file);
        let size = offset + came?;
        let sha256 = hex::encode(hash.finalize());
        if sha256 == part.sha256 {
            return self.adopt(&path, name, sha256, size).map(drop);
        }
        // A body that ends too early may go on; what is whole and wrong begins anew.
        if part.size != u64::MAX && size < part.size {
            let detail = format!("part {name} broke off after {size} of {} bytes", part.size);
            return Err(Error::refused(ErrorCode::Corrupted, detail).hint("send the rest of it"));
        }
        std::fs::remove_file(&path).context(what)?;
        Err(corrupted(name))
    }

    /// Takes a finished scratch file in as a part.
    pub(super) async fn store_scratch(&self, scratch: &Path, name: &str) -> Result<Part> {
        let (sha256, size) = hash_file(scratch).await?;
        let file = std::fs::File::open(scratch).context(|| format!("cannot read {name}"))?;
        file.sync_all().context(|| format!("cannot write {name}"))?;
        self.adopt(scratch, name, sha256, size)
    }

    fn adopt(&self, scratch: &Path, name: &str, sha256: String, size: u64) -> Result<Part> {
        let target = self.part(&sha256)?;
        std::fs::rename(scratch, target).context(|| format!("cannot keep {name}"))?;
        sync_dir(&self.dir)?;
        Ok(Part {
            name: name.to_owned(),
            sha256,
            size,
        })
    }

    /// Reads a part again and refuses it unless it is what its name and size say.
    pub(super) async fn verify(&self, part: &Part) -> Result<PathBuf> {
        let path = self.part(&part.sha256)?;
        if !path.is_file() {
            let detail = format!("part {} of the bundle has not arrived", part.name);
            return Err(Error::refused(ErrorCode::Corrupted, detail));
        }
        let (sha256, size) = hash_file(&path).await?;
        if sha256 != part.sha256 || size != part.size {
            return Err(corrupted(&part.name));
        }
        Ok(path)
    }
}

/// Writes a directory's entries through to the disk.
pub(super) fn sync_dir(dir: &Path) -> Result<()> {
    let opened = std::fs::File::open(dir).and_then(|dir| dir.sync_all());
    opened.context(|| format!("cannot write {}", dir.display()))
}

pub(super) fn corrupted(name: &str) -> Error {
    Error::refused(
        ErrorCode::Corrupted,
        format!("part {name} is not what was sent: its hash differs"),
    )
    .hint("run the same command again: the part is sent anew")
}

async fn tempfile_at(path: &Path) -> Result<tokio::fs::File> {
    tokio::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .await
        .context(|| format!("cannot write {}", path.display()))
}

/// Copies what is read, hashing it; returns its size. More than `limit` bytes are refused.
async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    limit: u64,
    mut to: Option<&mut tokio::fs::File>,
    hash: &mut Sha256,
    name: &str,
) -> Result<u64> {
    let (mut size, mut buffer) = (0u64, vec![0; BUFFER]);
    loop {
        let n = from
            .read(&mut buffer)
            .await
            .context(|| format!("part {name} broke off"))?;
        if n == 0 {
            return Ok(size);
        }
        size += n as u64;
        if size > limit {
            let detail = format!("part {name} is larger than it should be");
            return Err(Error::refused(ErrorCode::TooLarge, detail));
        }
        hash.update(&buffer[..n]);
        if let Some(file) = &mut to {
            file.write_all(&buffer[..n])
                .await
                .context(|| format!("cannot write part {name}"))?;
        }
    }
}

async fn hash_file(path: &Path) -> Result<(String, u64)> {
    let mut file = tokio::fs::File::open(path)
        .await
        .context(|| format!("cannot read {}", path.display()))?;
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0u64, vec![0; BUFFER]);
    loop {
        let n = file
            .read(&mut buffer)
            .await
            .context(|| format!("cannot read {}", path.display()))?;
        if n == 0 {
            return Ok((hex::encode(hash.finalize()), size));
        }
        size += n as u64;
        hash.update(&buffer[..n]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_input_handoff_3_what_the_disk_has_no_room_for_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        check_room(dir.path(), 0, "it has 0 bytes").unwrap();
        let refused = check_room(dir.path(), u64::MAX / 2, "it has a lot").unwrap_err();
        assert_eq!(refused.code(), ErrorCode::TooLarge);
        assert!(refused.to_string().contains("it has a lot"), "{refused}");
    }
}
