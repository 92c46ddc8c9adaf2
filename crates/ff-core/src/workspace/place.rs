//! Where a worktree lies, and that nothing leads out of there.
//!
//! A worktree is `BASE/workspace-ID`, nothing else. Before it is made or removed the place is
//! checked as it is on disk: the base is the directory that its path says after every link is
//! followed, and the worktree itself is no link. Names and branches never become part of a path.

use std::path::{Path, PathBuf};

use ff_protocol::project::Project;
use ff_protocol::{ErrorCode, WorkspaceId};

use crate::core::private_dir;
use crate::error::{Error, IoContext, Result};

/// Where a workspace's worktree lies on this machine.
pub(crate) fn worktree_path(project: &Project, id: &WorkspaceId) -> PathBuf {
    Path::new(&project.worktree_base_path).join(format!("workspace-{id}"))
}

/// Makes the base if it is not there, and checks that a worktree may be made at a path in it.
///
/// # Errors
/// `conflict` when the path is not a plain place in the base.
pub(crate) fn prepare(base: &Path, path: &Path) -> Result<()> {
    private_dir(base)?;
    check(base, path)
}

/// Checks that a path is directly in the base, and that no link leads it elsewhere. There may be
/// nothing at the path.
///
/// # Errors
/// `conflict` when it is not.
pub(crate) fn check(base: &Path, path: &Path) -> Result<()> {
    let outside = |why: &str| {
        let detail = format!("{} is no place for a worktree: {why}", path.display());
        Err(Error::refused(ErrorCode::Conflict, detail)
            .hint("put a plain directory there, or remove what is in its place"))
    };
    let plain = |path: &Path| {
        path.components()
            .all(|part| !matches!(part, std::path::Component::ParentDir))
    };
    if !base.is_absolute() || !plain(base) || !plain(path) {
        return outside("it is not written out");
    }
    let named = path.file_name().is_some_and(|name| path == base.join(name));
    if !named {
        return outside("it is not directly in the directory for worktrees");
    }
    let meta = match std::fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(Error::io(
                format!("cannot look at {}", path.display()),
                error,
            ));
        }
    };
    if meta.is_symlink() {
        return outside("it is a link");
    }
    if !meta.is_dir() {
        return outside("it is not a directory");
    }
    let real = |path: &Path| {
        std::fs::canonicalize(path).context(|| format!("cannot look at {}", path.display()))
    };
    match real(path)?.parent() == Some(&real(base)?) {
        true => Ok(()),
        false => outside("it leads elsewhere"),
    }
}

/// A script file of a checkout, by its path in there.
///
/// # Errors
/// `invalid` when the path leads out of the checkout, or to no readable file.
pub(crate) fn script_in(checkout: &Path, path: &str) -> Result<PathBuf> {
    let bad = |why: &str| {
        let detail = format!("the script `{path}` cannot be used: {why}");
        Error::refused(ErrorCode::Invalid, detail)
    };
    check_script_path(path)?;
    let full = checkout.join(path);
    let real = std::fs::canonicalize(&full).map_err(|error| bad(&error.to_string()))?;
    let top = std::fs::canonicalize(checkout).map_err(|error| bad(&error.to_string()))?;
    if !real.starts_with(&top) {
        return Err(bad("it lies outside of the checkout"));
    }
    if !real.is_file() {
        return Err(bad("it is not a file"));
    }
    std::fs::File::open(&real).map_err(|error| bad(&error.to_string()))?;
    Ok(real)
}

/// Checks a script's path without looking at any checkout.
///
/// # Errors
/// `invalid` when it is not relative or goes up.
pub(crate) fn check_script_path(path: &str) -> Result<()> {
    let plain = Path::new(path).components().all(|part| {
        matches!(
            part,
            std::path::Component::Normal(_) | std::path::Component::CurDir
        )
    });
    if plain && !path.trim().is_empty() {
        return Ok(());
    }
    let detail = format!("the script `{path}` cannot be used: it is no path inside of a checkout");
    Err(Error::refused(ErrorCode::Invalid, detail)
        .hint("name it relative to the top of the checkout"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_a_plain_place_directly_in_the_base_will_do() {
        let dir = tempfile::tempdir().unwrap();
        let (base, other) = (dir.path().join("base"), dir.path().join("other"));
        for made in [&base, &other, &base.join("there")] {
            std::fs::create_dir(made).unwrap();
        }
        std::fs::write(base.join("file"), "").unwrap();
        symlink(&other, base.join("link")).unwrap();
        symlink(&base, dir.path().join("base-link")).unwrap();
        for good in [base.join("new"), base.join("there")] {
            check(&base, &good).unwrap();
        }
        // A base that is itself reached by a link is where it says.
        let linked = dir.path().join("base-link");
        check(&linked, &linked.join("there")).unwrap();
        for bad in [
            base.join("link"),
            base.join("file"),
            base.join("there/deeper"),
            base.join("../other"),
            base.clone(),
            other.clone(),
            PathBuf::from("base/new"),
        ] {
            let error = check(&base, &bad).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Conflict, "{}", bad.display());
        }
        assert!(check(Path::new("base"), Path::new("base/new")).is_err());
    }

    #[test]
    fn scripts_stay_in_their_checkout() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        std::fs::create_dir_all(top.join("sub")).unwrap();
        std::fs::write(top.join("sub/a.sh"), "").unwrap();
        std::fs::write(dir.path().join("out.sh"), "").unwrap();
        symlink("../out.sh", top.join("link.sh")).unwrap();
        assert!(script_in(&top, "./sub/a.sh").is_ok());
        for bad in [
            "../out.sh",
            "sub/../../out.sh",
            "/etc/passwd",
            "link.sh",
            "sub",
            "no.sh",
            "",
        ] {
            let error = script_in(&top, bad).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Invalid, "{bad}");
        }
    }
}
