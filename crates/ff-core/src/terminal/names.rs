//! Names of terminals: of those that live in one place, no two have the same.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ff_protocol::{ErrorCode, WorkspaceId};

use crate::error::{Error, Result};

const LONGEST: usize = 100;

/// A name in a workspace, or in the home directory.
type Key = (Option<WorkspaceId>, String);

#[derive(Debug, Default)]
struct Taken {
    names: BTreeSet<Key>,
    numbers: u64,
}

/// The names in use. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(Arc<Mutex<Taken>>);

/// A name that nobody else has until it is let go.
#[derive(Debug)]
pub(super) struct Name {
    key: Key,
    names: Option<Names>,
}

impl Names {
    /// Takes a name; makes one up where there is none.
    ///
    /// # Errors
    /// `invalid` for a bad name, `conflict` when another terminal there has it.
    pub(super) fn take(&self, place: Option<&WorkspaceId>, name: Option<String>) -> Result<Name> {
        let name = name.map(|name| checked(&name)).transpose()?;
        let mut taken = self.lock();
        let key = match name {
            Some(name) => (place.cloned(), name),
            None => loop {
                taken.numbers += 1;
                let key = (place.cloned(), format!("terminal {}", taken.numbers));
                if !taken.names.contains(&key) {
                    break key;
                }
            },
        };
        if !taken.names.insert(key.clone()) {
            let detail = format!("a terminal named `{}` is open here", key.1);
            let hint = "attach to it, or choose another name";
            return Err(Error::refused(ErrorCode::Conflict, detail).hint(hint));
        }
        let names = Some(self.clone());
        Ok(Name { key, names })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Name {
    /// The name.
    pub(super) fn text(&self) -> &str {
        &self.key.1
    }

    /// Lets others have it, too.
    pub(super) fn let_go(&mut self) {
        if let Some(names) = self.names.take() {
            names.lock().names.remove(&self.key);
        }
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// A name without the space around it.
///
/// # Errors
/// `invalid` when it is empty, too long or more than one line.
pub(super) fn checked(name: &str) -> Result<String> {
    let name = name.trim();
    if (1..=LONGEST).contains(&name.chars().count()) && !name.contains(char::is_control) {
        return Ok(name.to_owned());
    }
    let detail =
        format!("a terminal's name has 1 to {LONGEST} characters, and no control characters");
    Err(Error::refused(ErrorCode::Invalid, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_had_once_in_its_place() {
        let (names, place) = (Names::default(), WorkspaceId::generate());
        let take = |place, name: &str| names.take(place, Some(name.to_owned()));
        let mut first = take(None, " build ").unwrap();
        assert_eq!(first.text(), "build");
        let _elsewhere = take(Some(&place), "build").unwrap();
        assert_eq!(take(None, "build").unwrap_err().code(), ErrorCode::Conflict);
        first.let_go();
        let second = take(None, "build").unwrap();
        // What was let go is not taken away from who has it now.
        drop(first);
        assert_eq!(take(None, "build").unwrap_err().code(), ErrorCode::Conflict);
        drop(second);
        take(None, "build").unwrap();
    }

    #[test]
    fn a_made_up_name_is_a_free_one() {
        let names = Names::default();
        let _one = names.take(None, Some("terminal 1".into())).unwrap();
        assert_eq!(names.take(None, None).unwrap().text(), "terminal 2");
    }

    #[test]
    fn bad_names_are_refused() {
        for bad in ["", "  ", "a\nb", "\u{1b}[31m", &"x".repeat(LONGEST + 1)] {
            assert_eq!(
                checked(bad).unwrap_err().code(),
                ErrorCode::Invalid,
                "{bad:?}"
            );
        }
        assert_eq!(
            checked(&"\u{e9}".repeat(LONGEST)).unwrap().chars().count(),
            LONGEST
        );
    }
}
