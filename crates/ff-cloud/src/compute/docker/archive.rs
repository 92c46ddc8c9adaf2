//! Files into and out of a container that does not run, as tar archives.

use std::io::Read;
use std::path::Path;

use bollard::query_parameters::{DownloadFromContainerOptions, UploadToContainerOptions};
use bytes::Bytes;
use futures_util::TryStreamExt;

use super::engine::{CallError, Engine};
use crate::compute::ComputeError;

/// One file.
#[derive(Debug)]
pub struct FileEntry<'a> {
    /// Absolute path of the file; its directory must be there.
    pub path: &'a Path,
    /// Owner and group.
    pub uid: u64,
    /// Permissions.
    pub mode: u32,
    /// Content.
    pub content: &'a [u8],
}

/// Lays a file into the container, over the one that is there.
pub async fn upload(
    engine: &Engine,
    container: &str,
    file: FileEntry<'_>,
) -> Result<(), ComputeError> {
    let archive = pack(&file).map_err(|error| ComputeError::Failed {
        provider: super::PROVIDER,
        action: "pack a file for a container",
        message: error.to_string(),
    })?;
    let dir = file.path.parent().unwrap_or(Path::new("/"));
    let options = UploadToContainerOptions {
        path: dir.to_string_lossy().into_owned(),
        // The owner is the one the archive says.
        copy_uidgid: None,
        no_overwrite_dir_non_dir: Some("true".to_owned()),
    };
    let docker = engine.client().await?;
    let body = bollard::body_full(Bytes::from(archive));
    let question = docker.upload_to_container(container, Some(options), body);
    engine.call("put a file into a container", question).await?;
    Ok(())
}

/// Reads a file of the container, of `limit` bytes at most.
pub async fn download(
    engine: &Engine,
    container: &str,
    path: &str,
    limit: usize,
) -> Result<Vec<u8>, DownloadError> {
    let options = DownloadFromContainerOptions {
        path: path.to_owned(),
    };
    let docker = engine.client().await.map_err(DownloadError::Call)?;
    let question = docker
        .download_from_container(container, Some(options))
        .try_fold(Vec::new(), async |mut archive, piece| {
            // The tar header and one block on top of the limit: enough to tell.
            if archive.len() <= limit + 4096 {
                archive.extend_from_slice(&piece);
            }
            Ok(archive)
        });
    let archive = engine
        .call("get a file out of a container", question)
        .await
        .map_err(DownloadError::Call)?;
    unpack(&archive, limit).map_err(DownloadError::Unpack)
}

/// Why a file could not be read.
#[derive(Debug)]
pub enum DownloadError {
    /// The engine refused.
    Call(CallError),
    /// What came is not one file within the limit.
    Unpack(std::io::Error),
}

fn pack(file: &FileEntry<'_>) -> std::io::Result<Vec<u8>> {
    let name = file
        .path
        .file_name()
        .ok_or_else(|| std::io::Error::other("the path names no file"))?;
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_uid(file.uid);
    header.set_gid(file.uid);
    header.set_mode(file.mode);
    header.set_mtime(0);
    header.set_size(file.content.len() as u64);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, name, file.content)?;
    builder.into_inner()
}

fn unpack(archive: &[u8], limit: usize) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Archive::new(archive);
    let entry = archive
        .entries()?
        .next()
        .ok_or_else(|| std::io::Error::other("the archive is empty"))??;
    let size = entry.header().size()?;
    if !entry.header().entry_type().is_file() || size > limit as u64 {
        return Err(std::io::Error::other(
            "it is not a plain file, or larger than expected",
        ));
    }
    let mut content = Vec::new();
    entry.take(limit as u64).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_reads_back_with_owner_and_mode() {
        let file = FileEntry {
            path: Path::new("/var/lib/x/token"),
            uid: 1000,
            mode: 0o400,
            content: b"secret",
        };
        let packed = pack(&file).unwrap();
        assert_eq!(unpack(&packed, 6).unwrap(), b"secret");
        assert!(unpack(&packed, 5).is_err());
        let mut archive = tar::Archive::new(packed.as_slice());
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path().unwrap(), Path::new("token"));
        let header = entry.header();
        assert_eq!(
            (
                header.uid().unwrap(),
                header.gid().unwrap(),
                header.mode().unwrap()
            ),
            (1000, 1000, 0o400)
        );
    }
}
