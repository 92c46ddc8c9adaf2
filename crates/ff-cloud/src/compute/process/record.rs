//! What is written down about a VM's process, so that a server finds it again after a restart.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use ff_protocol::VmId;
use serde::{Deserialize, Serialize};

use crate::identity::write_whole;

/// A machine: what a server has to know to find its process, and no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Id of the machine, new whenever it is made.
    pub id: String,
    /// Id of the image it was made from, or last started from.
    #[serde(default)]
    pub image: String,
    /// How often it was started.
    pub starts: u64,
    /// Its latest run.
    pub run: Run,
}

/// A run of a machine's agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Run {
    /// There was none.
    Never,
    /// About to begin: if nothing newer is written, a process may be there that nobody noted.
    Begun {
        /// Loopback port it was given.
        port: u16,
    },
    /// It began as this process.
    Process {
        /// Loopback port it was given.
        port: u16,
        /// Number of the process, and of its group.
        pid: i32,
        /// When it began, in clock ticks since the system's start.
        began: u64,
        /// Which start of the system that was.
        boot: String,
    },
    /// It is over.
    Ended {
        /// Exit code, as shells give it, where it is known.
        exit_code: Option<i64>,
    },
}

/// The directory of a VM's home and machine.
#[derive(Debug, Clone)]
pub struct Place(PathBuf);

impl Place {
    /// The VM's place below the provider's directory. An id is a plain file name.
    pub fn of(root: &Path, vm: &VmId) -> Self {
        Self(root.join(vm.as_str()))
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// The home of the VM's user.
    pub fn home(&self) -> PathBuf {
        self.0.join("home")
    }

    /// A home that is being removed.
    pub fn old_home(&self) -> PathBuf {
        self.0.join("home.gone")
    }

    /// The token for the next start.
    pub fn token(&self) -> PathBuf {
        self.0.join("token")
    }

    /// What the agent says.
    pub fn log(&self) -> PathBuf {
        self.0.join("agent.log")
    }

    fn record(&self) -> PathBuf {
        self.0.join("machine.json")
    }

    /// The machine, if there is one.
    pub fn read(&self) -> io::Result<Option<Record>> {
        let path = self.record();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let damaged = |error| io::Error::other(format!("{} is damaged: {error}", path.display()));
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }

    /// Writes the machine down: on disk when this returns.
    pub fn write(&self, record: &Record) -> io::Result<()> {
        write_whole(&self.record(), &serde_json::to_vec(record)?)
    }

    /// Removes the machine and what belongs to it; the home stays.
    pub fn forget(&self) -> io::Result<()> {
        for path in [self.token(), self.log(), self.record()] {
            gone(std::fs::remove_file(path))?;
        }
        self.leave()
    }

    /// Removes the directory once nothing is left in it.
    pub fn leave(&self) -> io::Result<()> {
        match std::fs::remove_dir(&self.0) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
            removed => gone(removed),
        }
    }
}

/// Takes something that is not there for removed.
pub fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
