//! Paths of a backup are those of the machine that made it: kept if they are what they say here.

use std::fs;
use std::path::{Component, Path, PathBuf};

use ff_protocol::WorkspaceId;
use ff_protocol::project::Project;

/// A repository's main checkout: an absolute path of a directory with `.git` in it.
pub(super) fn repository(path: &str) -> Option<&str> {
    let dir = plain(path)?;
    (dir.is_dir() && dir.join(".git").exists()).then_some(path)
}

/// A directory for worktrees. One that holds the repository itself is none: what is cleared away
/// there must not be it.
pub(super) fn worktree_base<'a>(path: &'a str, repository: &str) -> Option<&'a str> {
    let base = fs::canonicalize(plain(path)?).ok()?;
    let repository = fs::canonicalize(repository).ok()?;
    (base.is_dir() && !repository.starts_with(base)).then_some(path)
}

/// A worktree of the project's repository, inside the project's directory for worktrees.
pub(super) fn worktree<'a>(path: &'a str, project: &Project) -> Option<&'a str> {
    let dir = plain(path)?;
    if !fs::symlink_metadata(dir).ok()?.is_dir() {
        return None;
    }
    let real = fs::canonicalize(dir).ok()?;
    let base = fs::canonicalize(&project.worktree_base_path).ok()?;
    let inside = real.starts_with(&base) && real != base;
    (inside && belongs(&real, Path::new(&project.repo_path))).then_some(path)
}

/// Whether git made the directory as a worktree of the repository: its `.git` is a file that points
/// into it.
fn belongs(worktree: &Path, repository: &Path) -> bool {
    let admin = || {
        let link = fs::read_to_string(worktree.join(".git")).ok()?;
        let target = PathBuf::from(link.strip_prefix("gitdir: ")?.trim_end());
        let worktrees = fs::canonicalize(repository.join(".git").join("worktrees")).ok()?;
        Some(fs::canonicalize(target).ok()?.starts_with(worktrees))
    };
    admin().unwrap_or(false)
}

/// Any directory.
pub(super) fn directory(path: &str) -> Option<&str> {
    plain(path)?.is_dir().then_some(path)
}

/// Any file.
pub(super) fn file(path: &str) -> Option<&str> {
    plain(path)?.is_file().then_some(path)
}

/// A file of a worktree, by its relative path.
pub(super) fn inside(worktree: &str, relative: &str) -> Option<PathBuf> {
    let relative = Path::new(relative);
    let all_normal = relative
        .components()
        .all(|c| matches!(c, Component::Normal(_)));
    let root = fs::canonicalize(worktree).ok()?;
    let file = all_normal.then(|| fs::canonicalize(root.join(relative)).ok())??;
    (file.starts_with(&root) && file.is_file()).then_some(file)
}

/// Where a workspace's worktree lies that the original made.
pub(super) fn usual_worktree(base: &str, id: &WorkspaceId) -> PathBuf {
    Path::new(base).join(format!("workspace-{id}"))
}

/// An absolute path without `.` and `..`.
fn plain(path: &str) -> Option<&Path> {
    let path = Path::new(path);
    let fits = |c: Component<'_>| matches!(c, Component::RootDir | Component::Normal(_));
    (path.is_absolute() && path.components().all(fits)).then_some(path)
}
