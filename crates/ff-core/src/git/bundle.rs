//! Git bundles: the objects that the other side lacks.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::Path;

use ff_protocol::ErrorCode;

use super::Git;
use crate::error::{Error, IoContext, Result};

/// At most this many commits are named to the other side; refs beyond it only make the bundle
/// larger than it needs to be.
const MAX_TIPS: usize = 2000;
/// From this size on git passes an object through without holding it in memory.
const BIG_FILE: &str = "32m";
/// Most memory that git may take for one object of a bundle from elsewhere: twice what it takes for
/// those it deltifies.
const LARGEST_OBJECT: &str = "1g";

/// What a bundle is to hold, besides what its commits hold.
#[derive(Debug, Default)]
pub(crate) struct Cargo {
    /// Commits, with all that leads to them.
    pub(crate) commits: Vec<String>,
    /// Trees that no commit need have.
    pub(crate) trees: Vec<String>,
    /// Single files, such as what is staged.
    pub(crate) blobs: Vec<String>,
}

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

    /// Writes the objects that are not reachable from `have` into a bundle file; `false`, and no
    /// file, when there are none. The refs that git wants for it are made in a repository of
    /// their own, `scratch`, that borrows the objects: nothing is written to `dir`.
    ///
    /// # Errors
    /// `invalid` when the repository does not hold all of its history itself.
    pub(crate) async fn bundle(
        &self,
        dir: &Path,
        cargo: &Cargo,
        have: &[String],
        scratch: &Path,
        file: &Path,
    ) -> Result<bool> {
        self.borrow_objects(dir, scratch).await?;
        let mut tips = cargo.commits.clone();
        tips.extend(cargo.trees.iter().cloned());
        let known = self.of_kind(scratch, have, "commit").await?;
        if !cargo.blobs.is_empty() {
            tips.push(self.tree_of_blobs(scratch, &cargo.blobs).await?);
        }
        let (mut refs, mut range) = (String::new(), String::new());
        for (number, tip) in tips.iter().enumerate() {
            refs.push_str(&format!("create refs/ff/{number} {tip}\n"));
            range.push_str(&format!("refs/ff/{number}\n"));
        }
        for id in &known {
            range.push_str(&format!("^{id}\n"));
        }
        let make_refs = self.command(scratch).args(["update-ref", "--stdin"]);
        make_refs.input(refs.into_bytes()).done().await?;
        let count = ["rev-list", "--max-count=1", "--stdin"];
        let count = self.command(scratch).network().args(count);
        let lacking = count.input(range.clone().into_bytes()).text().await?;
        if lacking.is_empty() && cargo.blobs.is_empty() && cargo.trees.is_empty() {
            return Ok(false);
        }
        let create = ["bundle", "create", "--quiet"].map(OsStr::new);
        self.command(scratch)
            .network()
            .config("core.bigFileThreshold", BIG_FILE)
            .args(create.into_iter().chain([file.as_os_str()]))
            .args(["--stdin"])
            .input(range.into_bytes())
            .done()
            .await?;
        Ok(true)
    }

    async fn borrow_objects(&self, dir: &Path, scratch: &Path) -> Result<()> {
        let ask = async |args: &[&str]| self.command(dir).args(args).text().await;
        let kind = ask(&["rev-parse", "--show-object-format"]).await?;
        let objects = ["rev-parse", "--path-format=absolute", "--git-path"];
        let path = self.command(dir).args(objects).args(["objects"]);
        let mut path = path.bytes().await?;
        let shallow = ["rev-parse", "--is-shallow-repository"];
        if ask(&shallow).await? == "true" {
            let detail = "the repository is a shallow clone: it lacks a part of its history";
            let hint = "fetch the rest with `git fetch --unshallow`";
            return Err(Error::refused(ErrorCode::Invalid, detail).hint(hint));
        }
        let init = ["init", "--quiet", "--bare", "--template="].map(OsStr::new);
        let kind = format!("--object-format={kind}");
        self.command(dir)
            .args(init.into_iter().chain([kind.as_ref()]))
            .args([scratch.as_os_str()])
            .done()
            .await?;
        if path.last() != Some(&b'\n') {
            path.push(b'\n');
        }
        let info = scratch.join("objects/info");
        let what = || format!("cannot write {}", info.display());
        std::fs::create_dir_all(&info).context(what)?;
        std::fs::write(info.join("alternates"), path).context(what)
    }

    /// Full ids of those that name a `commit` or `tree` here; they may be shortened.
    pub(crate) async fn of_kind(
        &self,
        dir: &Path,
        ids: &[String],
        kind: &str,
    ) -> Result<Vec<String>> {
        let ids = ids.iter().filter(|id| is_hex(id)).take(MAX_TIPS);
        let mut lines = ids.cloned().collect::<Vec<_>>().join("\n");
        if lines.is_empty() {
            return Ok(Vec::new());
        }
        lines.push('\n');
        let check = ["cat-file", "--batch-check=%(objectname) %(objecttype)"];
        let check = self.command(dir).args(check).input(lines.into_bytes());
        let text = check.text().await?;
        let found = text.lines().filter_map(|line| line.split_once(' '));
        let found = found.filter(|(_, found)| *found == kind);
        Ok(found.map(|(id, _)| id.to_owned()).collect())
    }

    async fn tree_of_blobs(&self, scratch: &Path, blobs: &[String]) -> Result<String> {
        let mut lines = String::new();
        for (number, id) in blobs.iter().enumerate() {
            lines.push_str(&format!("100644 blob {id}\t{number}\n"));
        }
        let make = self.command(scratch).args(["mktree"]);
        make.input(lines.into_bytes()).text().await
    }

    /// Takes the objects of a bundle file in, checking each, and keeps `commits` under private
    /// refs below `prefix`; without a file they must be here.
    ///
    /// # Errors
    /// `corrupted` when the bundle cannot be read, lacks what it builds on, or a commit is
    /// neither in it nor here.
    pub(crate) async fn unbundle(
        &self,
        repo: &Path,
        file: Option<&Path>,
        commits: &[String],
        prefix: &str,
    ) -> Result<()> {
        let corrupted = |stderr: &str| {
            let said = stderr.lines().next().unwrap_or_default();
            let detail = format!("the bundle cannot be read: {said}");
            Error::refused(ErrorCode::Corrupted, detail)
        };
        if let Some(file) = file {
            let spec = format!("+refs/ff/*:{prefix}/bundle/*");
            let fetch = [
                "fetch",
                "--quiet",
                "--no-tags",
                "--no-write-fetch-head",
                "--no-recurse-submodules",
                "--no-auto-maintenance",
            ];
            let output = self
                .command(repo)
                .network()
                .durable()
                .config("fetch.fsckObjects", "true")
                .config("protocol.file.allow", "always")
                .config("core.bigFileThreshold", BIG_FILE)
                .env("GIT_ALLOC_LIMIT", LARGEST_OBJECT)
                .args(fetch.map(OsStr::new))
                .args([file.as_os_str(), spec.as_ref()])
                .output()
                .await?;
            if !output.ok {
                return Err(corrupted(&output.stderr));
            }
        }
        let mut refs = String::new();
        for (number, id) in commits.iter().enumerate() {
            refs.push_str(&format!("update {prefix}/{number} {id}\n"));
        }
        let keep = self.command(repo).durable().args(["update-ref", "--stdin"]);
        let output = keep.input(refs.into_bytes()).output().await?;
        if output.ok {
            return Ok(());
        }
        Err(corrupted(&output.stderr))
    }

    /// Which of these are no files that the repository has, and how large the others are, in
    /// bytes all together.
    pub(crate) async fn weigh_blobs(
        &self,
        repo: &Path,
        ids: &[String],
    ) -> Result<(Vec<String>, u64)> {
        if ids.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let mut lines = ids.join("\n");
        lines.push('\n');
        let check = ["cat-file", "--batch-check=%(objecttype) %(objectsize)"];
        let check = self.command(repo).network().args(check);
        let text = check.input(lines.into_bytes()).text().await?;
        let (mut missing, mut total) = (Vec::new(), 0u64);
        for (id, line) in ids.iter().zip(text.lines()) {
            match line.strip_prefix("blob ").map(str::parse::<u64>) {
                Some(Ok(size)) => total = total.saturating_add(size),
                _ => missing.push(id.clone()),
            }
        }
        Ok((missing, total))
    }

    /// Points a private ref at a commit that must be here.
    pub async fn keep(&self, repo: &Path, name: &str, commit: &str) -> Result<()> {
        self.command(repo)
            .durable()
            .args(["update-ref", name, commit])
            .done()
            .await
    }

    /// Deletes a ref, or all below a name.
    pub(crate) async fn delete_refs(&self, repo: &Path, prefix: &str) -> Result<()> {
        let list = ["for-each-ref", "--format=delete %(refname)", prefix];
        let refs = self.command(repo).args(list).bytes().await?;
        if refs.is_empty() {
            return Ok(());
        }
        let delete = self.command(repo).durable().args(["update-ref", "--stdin"]);
        delete.input(refs).done().await
    }
}

fn is_hex(text: &str) -> bool {
    (4..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a text may be the id of an object.
pub(crate) fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}
