//! The user's repository, with a file that no other run has.

use std::path::{Path, PathBuf};

use anyhow::Result;
use uuid::Uuid;

use super::process::Run;
use crate::github::GitHub;

/// Prefix by which the scripted model knows the file it is to read.
pub(super) const NOTE_PREFIX: &str = "note-";

pub(super) struct Fixture {
    /// The cloud user.
    pub(super) user: String,
    /// Repository name at the git host.
    pub(super) repository: String,
    /// Name of the file with the note.
    pub(super) note_file: String,
    /// Its content.
    pub(super) note: String,
    /// Name of the file that holds a second, unpushed note.
    pub(super) unpushed_file: String,
}

fn random() -> String {
    Uuid::new_v4().simple().to_string()[..12].to_owned()
}

impl Fixture {
    pub(super) fn random() -> Self {
        Self {
            user: format!("ada-{}", random()),
            repository: format!("demo-{}", random()),
            note_file: format!("{NOTE_PREFIX}{}.txt", random()),
            note: format!("the word of this run is {}", random()),
            unpushed_file: format!("local-{}.txt", random()),
        }
    }

    pub(super) fn checkout(&self, home: &Path) -> PathBuf {
        home.join("src").join(&self.repository)
    }

    /// The address a desktop user would have: SSH, which the VM has no key for.
    pub(super) fn remote(&self) -> String {
        format!("git@github.com:octo/{}.git", self.repository)
    }

    pub(super) async fn make_repository(&self, github: &GitHub, home: &Path) -> Result<()> {
        let bare = github.create_repo("octo", &self.repository).await?;
        let dir = self.checkout(home);
        std::fs::create_dir_all(&dir)?;
        let identity = [
            ("user.name", "Ada Tester"),
            ("user.email", "ada@example.test"),
        ];
        for (key, value) in identity {
            git(home, home, &["config", "--global", key, value]).await?;
        }
        git(home, &dir, &["init", "--quiet", "--initial-branch=main"]).await?;
        std::fs::write(dir.join("README.md"), "A repository for one journey.\n")?;
        std::fs::write(dir.join(&self.note_file), format!("{}\n", self.note))?;
        git(home, &dir, &["add", "--all"]).await?;
        git(home, &dir, &["commit", "--quiet", "--message", "Begin"]).await?;
        git(home, &dir, &["remote", "add", "origin", &self.remote()]).await?;
        git(
            home,
            &dir,
            &["push", "--quiet", &bare.to_string_lossy(), "main"],
        )
        .await?;
        Ok(())
    }
}

/// Runs git as the journey's user and returns what it printed.
pub(super) async fn git(home: &Path, dir: &Path, args: &[&str]) -> Result<String> {
    Run::new("git")
        .args(args)
        .env("HOME", home)
        .dir(dir)
        .text()
        .await
}
