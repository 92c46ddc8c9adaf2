//! Contents of files as git stores them, without filters.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Child;
use tokio::task::JoinSet;

use super::Git;
use crate::error::{Error, IoContext, Result};

/// Git is given up when it prints nothing for this long.
const SILENCE: Duration = Duration::from_secs(60);
const BUFFER: usize = 128 * 1024;

/// As many gits read at a time: each takes a core to unpack what it reads.
const READERS: usize = 2;

/// A file that gets the bytes that git has stored under an id.
pub(crate) struct BlobFile {
    pub(crate) id: String,
    pub(crate) path: PathBuf,
    pub(crate) mode: u32,
}

impl Git {
    /// Writes the stored bytes of files; `make` makes a file with its mode.
    ///
    /// # Errors
    /// One is not stored here, or a file cannot be written.
    pub(crate) async fn write_blobs(
        &self,
        repo: &Path,
        mut files: Vec<BlobFile>,
        make: fn(&Path, u32) -> Result<File>,
    ) -> Result<()> {
        let share = files.len().div_ceil(READERS).max(1);
        let mut readers = JoinSet::new();
        while !files.is_empty() {
            let rest = files.split_off(share.min(files.len()));
            let mine = std::mem::replace(&mut files, rest);
            let command = self.command(repo).args(["cat-file", "--batch"]);
            readers.spawn(write_some(command.talk()?, mine, make));
        }
        while let Some(ended) = readers.join_next().await {
            let ended = ended.map_err(std::io::Error::other);
            ended.context(|| "writing the files broke down".to_owned())??;
        }
        Ok(())
    }
}

/// Has one `git cat-file --batch` give the bytes of some files.
async fn write_some(
    mut git: Child,
    files: Vec<BlobFile>,
    make: fn(&Path, u32) -> Result<File>,
) -> Result<()> {
    let (Some(mut stdin), Some(stdout)) = (git.stdin.take(), git.stdout.take()) else {
        return Err(Error::Git {
            command: "cat-file".to_owned(),
            stderr: "it ended too early".to_owned(),
        });
    };
    let ask = async {
        for file in &files {
            stdin.write_all(file.id.as_bytes()).await?;
            stdin.write_all(b"\n").await?;
        }
        drop(stdin);
        std::io::Result::Ok(())
    };
    let ask = async { ask.await.context(|| "cannot ask git for files".to_owned()) };
    let mut from = BufReader::with_capacity(BUFFER, stdout);
    let write = async {
        for file in &files {
            let mut into = make(&file.path, file.mode)?;
            copy_blob(&mut from, &mut into).await?;
        }
        Result::Ok(())
    };
    tokio::try_join!(ask, write)?;
    git.wait().await.context(|| "cannot run git".to_owned())?;
    Ok(())
}

/// Copies what follows a line `ID blob SIZE`.
async fn copy_blob(
    from: &mut BufReader<tokio::process::ChildStdout>,
    file: &mut File,
) -> Result<()> {
    let broken = |said: &str| Error::Git {
        command: "cat-file".to_owned(),
        stderr: said.to_owned(),
    };
    let mut line = Vec::new();
    timely(from.read_until(b'\n', &mut line)).await?;
    let text = String::from_utf8_lossy(&line);
    let words: Vec<&str> = text.trim_end().split(' ').collect();
    let [_, "blob", size] = words.as_slice() else {
        return Err(broken(text.trim_end()));
    };
    let mut left: u64 = size.parse().map_err(|_| broken("no size"))?;
    while left > 0 {
        let piece = timely(from.fill_buf()).await?;
        if piece.is_empty() {
            return Err(broken("it ended too early"));
        }
        let take = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
        file.write_all(&piece[..take])
            .context(|| "cannot write a file".to_owned())?;
        from.consume(take);
        left -= take as u64;
    }
    timely(from.read_u8()).await?;
    Ok(())
}

async fn timely<T>(step: impl Future<Output = std::io::Result<T>>) -> Result<T> {
    match tokio::time::timeout(SILENCE, step).await {
        Ok(done) => done.context(|| "cannot read from git".to_owned()),
        Err(_) => Err(Error::refused(
            ff_protocol::ErrorCode::Timeout,
            "git cat-file says nothing any more",
        )),
    }
}
