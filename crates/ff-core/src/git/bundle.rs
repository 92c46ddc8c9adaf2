//! Git bundles: the commits that the other side lacks.

use std::collections::HashSet;
use std::path::Path;

use ff_protocol::ErrorCode;

use super::Git;
use crate::error::{Error, Result};

/// At most this many commits are named to the other side; refs beyond it only make the bundle
/// larger than it needs to be.
const MAX_TIPS: usize = 2000;

impl Git {
    /// Commits that branches, remote branches and tags of a repository point to.
    pub async fn tips(&self, repo: &Path) -> Result<Vec<String>> {
        let text = self
            .command(repo)
            .args([
                "for-each-ref",
                "--sort=-creatordate",
                "--format=%(objecttype) %(objectname) %(*objectname)",
            ])
            .text()
            .await?;
        let mut seen = HashSet::new();
        let commits = text.lines().filter_map(|line| {
            let mut words = line.split(' ');
            match (words.next()?, words.next()?, words.next()) {
                ("commit", id, _) => Some(id.to_owned()),
                ("tag", _, Some(id)) if !id.is_empty() => Some(id.to_owned()),
                _ => None,
            }
        });
        Ok(commits
            .filter(|id| seen.insert(id.clone()))
            .take(MAX_TIPS)
            .collect())
    }

    /// Writes the commits of a branch that are not reachable from `have` into a bundle file.
    /// `false`, and no file, when there are none.
    pub async fn bundle(
        &self,
        dir: &Path,
        branch: &str,
        have: &[String],
        file: &Path,
    ) -> Result<bool> {
        let mut known = Vec::new();
        for id in have.iter().filter(|id| is_object_id(id)).take(MAX_TIPS) {
            if self.commit(dir, id).await?.is_some() {
                known.push(id.as_str());
            }
        }
        let reference = format!("refs/heads/{branch}");
        let mut range = vec!["rev-list", "--max-count=1", &reference, "--not"];
        range.extend(&known);
        if self.command(dir).args(range).text().await?.is_empty() {
            return Ok(false);
        }
        let create = ["bundle", "create", "--quiet"].map(std::ffi::OsStr::new);
        let mut args: Vec<&std::ffi::OsStr> = create.to_vec();
        args.extend([file.as_os_str(), reference.as_ref(), "--not".as_ref()]);
        args.extend(known.iter().map(std::ffi::OsStr::new));
        self.command(dir).network().args(args).done().await?;
        Ok(true)
    }

    /// Fetches a branch from a bundle file to a private ref, checking every object.
    ///
    /// # Errors
    /// `corrupted` when the bundle cannot be read or lacks what it builds on.
    pub async fn unbundle(&self, repo: &Path, file: &Path, branch: &str, to: &str) -> Result<()> {
        let spec = format!("+refs/heads/{branch}:{to}");
        let output = self
            .command(repo)
            .network()
            .durable()
            .config("fetch.fsckObjects", "true")
            .config("protocol.file.allow", "always")
            .args(
                ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]
                    .map(std::ffi::OsStr::new),
            )
            .args([file.as_os_str(), spec.as_ref()])
            .output()
            .await?;
        if output.ok {
            return Ok(());
        }
        let said = output.stderr.lines().next().unwrap_or_default().to_owned();
        Err(Error::refused(
            ErrorCode::Corrupted,
            format!("the bundle cannot be read: {said}"),
        ))
    }

    /// Points a private ref at a commit that must be here.
    pub async fn keep(&self, repo: &Path, name: &str, commit: &str) -> Result<()> {
        self.command(repo)
            .durable()
            .args(["update-ref", name, commit])
            .done()
            .await
    }
}

fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}
