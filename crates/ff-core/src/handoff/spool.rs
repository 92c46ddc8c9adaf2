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

const BUFFER: usize = 128 * 1024;

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

    /// Copies a stream in and returns the part, whose name is given; more than `limit` bytes, or
    /// another hash than the expected one, are refused.
    pub(super) async fn store(
        &self,
        name: &str,
        expected: Option<&str>,
        limit: u64,
        mut from: impl AsyncRead + Unpin,
    ) -> Result<Part> {
        let scratch = self.scratch(&uuid::Uuid::new_v4().to_string());
        let file = tempfile_at(&scratch).await?;
        let copied = copy(file, limit, &mut from, name).await;
        match copied {
            Ok((sha256, _)) if expected.is_some_and(|expected| expected != sha256) => {
                let _ = std::fs::remove_file(&scratch);
                Err(corrupted(name))
            }
            Ok((sha256, size)) => self.adopt(&scratch, name, sha256, size),
            Err(error) => {
                let _ = std::fs::remove_file(&scratch);
                Err(error)
            }
        }
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

async fn copy(
    mut file: tokio::fs::File,
    limit: u64,
    from: &mut (impl AsyncRead + Unpin),
    name: &str,
) -> Result<(String, u64)> {
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0u64, vec![0; BUFFER]);
    loop {
        let n = from
            .read(&mut buffer)
            .await
            .context(|| format!("part {name} broke off"))?;
        if n == 0 {
            break;
        }
        size += n as u64;
        if size > limit {
            let detail = format!("part {name} is larger than {limit} bytes");
            return Err(Error::refused(ErrorCode::TooLarge, detail));
        }
        hash.update(&buffer[..n]);
        file.write_all(&buffer[..n])
            .await
            .context(|| format!("cannot write {name}"))?;
    }
    file.sync_all()
        .await
        .context(|| format!("cannot write {name}"))?;
    Ok((hex::encode(hash.finalize()), size))
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
