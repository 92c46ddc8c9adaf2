//! Contents of files as git stores them, without filters.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::Git;
use crate::error::{Error, IoContext, Result};

/// Git is given up when it prints nothing for this long.
const SILENCE: Duration = Duration::from_secs(60);
const BUFFER: usize = 128 * 1024;

impl Git {
    /// Writes the stored bytes of one file after the other: `next` makes the file that the bytes
    /// of the id at that place in `ids` go to.
    ///
    /// # Errors
    /// One is not stored here, or a file cannot be written.
    pub(crate) async fn write_blobs(
        &self,
        repo: &Path,
        ids: &[&str],
        mut next: impl FnMut(usize) -> Result<File>,
    ) -> Result<()> {
        let command = self.command(repo).args(["cat-file", "--batch"]);
        let mut child = command.talk()?;
        let lost = || Error::Git {
            command: "cat-file".to_owned(),
            stderr: "it ended too early".to_owned(),
        };
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(lost());
        };
        let ask = async {
            for id in ids {
                stdin.write_all(id.as_bytes()).await?;
                stdin.write_all(b"\n").await?;
            }
            drop(stdin);
            std::io::Result::Ok(())
        };
        let ask = async { ask.await.context(|| "cannot ask git for files".to_owned()) };
        let mut from = BufReader::with_capacity(BUFFER, stdout);
        let write = async {
            for at in 0..ids.len() {
                let mut file = next(at)?;
                copy_blob(&mut from, &mut file).await?;
            }
            Result::Ok(())
        };
        tokio::try_join!(ask, write)?;
        child.wait().await.context(|| "cannot run git".to_owned())?;
        Ok(())
    }
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
