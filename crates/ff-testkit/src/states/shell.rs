//! Where a piece of `bash` runs.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};

/// A directory in which pieces of `bash` are run.
pub trait Shell {
    /// Runs a piece and returns what it printed.
    ///
    /// # Errors
    /// It ended with another code than 0.
    fn run(&self, script: &str) -> Result<Vec<u8>>;
}

/// A directory of this machine, for a user with this home.
#[derive(Debug, Clone)]
pub struct Here {
    /// The user's home.
    pub home: PathBuf,
    /// The directory.
    pub dir: PathBuf,
}

impl Shell for Here {
    fn run(&self, script: &str) -> Result<Vec<u8>> {
        let output = Command::new("bash")
            .args(["-c", script])
            .current_dir(&self.dir)
            .env("HOME", &self.home)
            .env("LC_ALL", "C")
            .env("GIT_EDITOR", "true")
            .stdin(Stdio::null())
            .output()
            .context("cannot run bash")?;
        checked(script, output)
    }
}

/// A directory in a container, for the user of the VM.
#[derive(Debug, Clone)]
pub struct Inside {
    /// The container, by its name or id.
    pub container: String,
    /// The directory, as a word of `bash`.
    pub dir: String,
}

impl Shell for Inside {
    fn run(&self, script: &str) -> Result<Vec<u8>> {
        let script = format!("cd {}\nexport LC_ALL=C GIT_EDITOR=true\n{script}", self.dir);
        let output = Command::new("docker")
            .args(["exec", &self.container, "bash", "-c", &script])
            .stdin(Stdio::null())
            .output()
            .context("cannot run docker")?;
        checked(&script, output)
    }
}

/// What a piece printed, if it went well.
fn checked(script: &str, output: Output) -> Result<Vec<u8>> {
    ensure!(
        output.status.success(),
        "{}: {}{}\n{script}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}
