//! The `ff serve` of this machine: how others find it, and how it knows them.

pub mod gate;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use ff_client::{Auth, EngineClient, Secret};
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::failure::{Exit, Failure};
use crate::files;
use crate::locks::{self, Lock};

/// Lock of the process that serves, for as long as it does.
const LOCK: &str = "serve";
const TRIES: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(100);

/// Where it serves, and the token it wants to see. In a file that only the user can read.
#[derive(Serialize, Deserialize)]
struct Record {
    pid: u32,
    address: String,
    token: String,
}

/// The right to serve, and to tell where; what was told is taken back when this is dropped.
pub struct Serving {
    data_dir: PathBuf,
    _lock: Lock,
}

impl Serving {
    /// Takes the right to serve, and removes what a server that died has told.
    ///
    /// # Errors
    /// Another process serves already.
    pub async fn begin(data_dir: &Path) -> anyhow::Result<Self> {
        let Some(lock) = locks::take_soon(data_dir, LOCK).await? else {
            let failure = Failure::new(Exit::Refused, "`ff serve` runs already on this machine");
            return Err(failure
                .hint("every ff command finds it by itself")
                .next("ff workspace list")
                .into());
        };
        let serving = Self {
            data_dir: data_dir.to_owned(),
            _lock: lock,
        };
        serving.withdraw()?;
        Ok(serving)
    }

    /// Tells other `ff` processes of this user where it serves.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn announce(&self, address: &str, token: &Secret) -> anyhow::Result<()> {
        let record = Record {
            pid: std::process::id(),
            address: address.to_owned(),
            token: token.expose().to_owned(),
        };
        let path = path(&self.data_dir);
        files::write_private(&path, &serde_json::to_string(&record)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Takes back what was told.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn withdraw(&self) -> anyhow::Result<()> {
        let path = path(&self.data_dir);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Err(error) = self.withdraw() {
            tracing::debug!(?error, "what was told of the server stays");
        }
    }
}

/// Whether a process serves right now.
///
/// # Errors
/// The lock cannot be looked at.
pub fn is_on(data_dir: &Path) -> anyhow::Result<bool> {
    locks::is_held(data_dir, LOCK)
}

/// A client of the process that serves, if one does. A file that a dead one left is not believed:
/// its port and its token may be anybody's by now.
///
/// # Errors
/// It is only just starting, or stopping.
pub async fn find(data_dir: &Path) -> anyhow::Result<Option<EngineClient>> {
    for _ in 0..TRIES {
        if !is_on(data_dir)? {
            return Ok(None);
        }
        if let Some(record) = read(data_dir)?.filter(Record::lives) {
            let auth = Auth::Bearer(Secret::new(record.token));
            return Ok(Some(EngineClient::new(&record.address, auth)?));
        }
        tokio::time::sleep(BETWEEN).await;
    }
    Err(Failure::new(
        Exit::Refused,
        "`ff serve` is starting or stopping on this machine",
    )
    .hint("try again when it has")
    .into())
}

impl Record {
    fn lives(&self) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| test_kill_process(pid).is_ok())
    }
}

fn read(data_dir: &Path) -> anyhow::Result<Option<Record>> {
    let path = path(data_dir);
    let text =
        files::read_if_there(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("serve.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a server that was killed leaves it.
    fn left_behind(data_dir: &Path, pid: u32) {
        let record = Record {
            pid,
            address: "http://127.0.0.1:9".into(),
            token: "t".into(),
        };
        let text = serde_json::to_string(&record).unwrap();
        files::write_private(&path(data_dir), &text).unwrap();
    }

    #[tokio::test]
    async fn what_a_dead_server_left_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        left_behind(dir.path(), std::process::id());
        assert!(find(dir.path()).await.unwrap().is_none(), "nobody serves");
        let serving = Serving::begin(dir.path()).await.unwrap();
        assert!(read(dir.path()).unwrap().is_none(), "it was taken away");
        let mut gone = std::process::Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        left_behind(dir.path(), gone.id());
        assert!(find(dir.path()).await.is_err(), "its process is dead");
        serving
            .announce("http://127.0.0.1:9", &Secret::new("t"))
            .unwrap();
        assert!(find(dir.path()).await.unwrap().is_some());
        drop(serving);
        assert!(!path(dir.path()).exists());
    }
}
