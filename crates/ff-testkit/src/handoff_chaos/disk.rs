//! A disk of its own for a directory: a file system in memory whose size can be what is on it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Room that is there while the disk is not full; only what is used takes memory.
const ROOM: &str = "size=2g";
/// What is written while it is being filled makes another try necessary.
const TRIES: usize = 20;

/// A disk. Dropping it takes it away.
#[derive(Debug)]
pub(super) struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Gives an empty directory a disk of its own.
    ///
    /// # Errors
    /// Nobody but root may.
    pub(super) fn mount(at: &Path) -> Result<Self> {
        let options = format!("{ROOM},mode=700");
        mount(at, &options).context(
            "a disk that can be full needs root; try: `unshare --user --map-root-user --mount` before the command",
        )?;
        Ok(Self { at: at.to_owned() })
    }

    /// Gives a directory a disk of its own, with all that is in it.
    ///
    /// # Errors
    /// Nobody but root may.
    pub(super) fn over(at: &Path) -> Result<Self> {
        let kept = tempfile::tempdir()?;
        let (from, to) = (at.join("."), kept.path().join("all"));
        copy(&from, &to)?;
        let disk = Self::mount(at)?;
        copy(&to.join("."), at)?;
        Ok(disk)
    }

    /// Leaves no room on it.
    ///
    /// # Errors
    /// It cannot be made so small.
    pub(super) fn fill(&self) -> Result<()> {
        let mut last = Ok(());
        for _ in 0..TRIES {
            let there = rustix::fs::statvfs(&self.at)?;
            let used = (there.f_blocks - there.f_bfree) * there.f_frsize;
            last = mount(&self.at, &format!("remount,size={used}"));
            if last.is_ok() {
                break;
            }
        }
        last
    }

    /// Gives it room again.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn free(&self) -> Result<()> {
        mount(&self.at, &format!("remount,{ROOM}"))
    }
}

fn mount(at: &Path, options: &str) -> Result<()> {
    let output = Command::new("mount")
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(at)
        .output()
        .context("cannot run mount")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "mount {}: {said}", at.display());
    Ok(())
}

/// Copies a directory with owners and modes, its own among them.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let output = Command::new("cp")
        .arg("--archive")
        .args([from, to])
        .output();
    let output = output.context("cannot run cp")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cp {}: {said}", from.display());
    Ok(())
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}
