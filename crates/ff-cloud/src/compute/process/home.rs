//! Homes: directories of the server's user.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use super::record::{Place, gone};

/// Makes the home unless it is there; says whether it was made now.
pub fn ensure(place: &Place) -> io::Result<bool> {
    private_dir(place.dir())?;
    private_dir(&place.home())
}

/// Whether the home is there.
pub fn exists(place: &Place) -> io::Result<bool> {
    match fs::symlink_metadata(place.home()) {
        Ok(found) => Ok(found.is_dir()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes the home. It gets another name first, so that half a home is never taken for one.
pub fn remove(place: &Place) -> io::Result<()> {
    let old = place.old_home();
    remove_tree(&old)?;
    gone(fs::rename(place.home(), &old))?;
    remove_tree(&old)?;
    place.leave()
}

fn private_dir(path: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            match fs::symlink_metadata(path)?.is_dir() {
                true => Ok(false),
                false => Err(io::Error::other(format!(
                    "{} is no directory",
                    path.display()
                ))),
            }
        }
        Err(error) => Err(error),
    }
}

/// Tools leave directories that are not writable (Go's module cache): those are opened first.
fn remove_tree(path: &Path) -> io::Result<()> {
    match gone(fs::remove_dir_all(path)) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            open_up(path)?;
            gone(fs::remove_dir_all(path))
        }
        removed => removed,
    }
}

fn open_up(root: &Path) -> io::Result<()> {
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        fs::set_permissions(&dir, Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            // Not of what a link points to.
            if entry.file_type()?.is_dir() {
                dirs.push(entry.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_made_once_and_removed_whole_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::of(dir.path(), &"vm-1".parse().unwrap());
        assert!(!exists(&place).unwrap());
        assert!(ensure(&place).unwrap());
        assert!(!ensure(&place).unwrap());
        let mode = fs::metadata(place.home()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);

        let outside = dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        let locked = place.home().join("go/pkg/mod");
        fs::create_dir_all(&locked).unwrap();
        std::os::unix::fs::symlink(&outside, locked.join("link")).unwrap();
        fs::set_permissions(&locked, Permissions::from_mode(0o555)).unwrap();
        open_up(&place.home()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&locked), 0o700);
        assert_ne!(mode(&outside), 0o700, "a link was followed");
        for _ in 0..2 {
            remove(&place).unwrap();
            assert!(!place.dir().exists());
        }
        assert!(outside.join("kept").exists());
    }
}
