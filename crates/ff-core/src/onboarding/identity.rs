//! Who commits, where no repository says otherwise.

use ff_protocol::ErrorCode;
use ff_protocol::vm::GitIdentity;

use crate::core::Core;
use crate::error::{Error, Result};

const LONGEST: usize = 200;

impl Core {
    /// Sets git's identity for the whole home.
    ///
    /// # Errors
    /// `invalid` for a name or address that git could not use; git fails.
    pub async fn set_git_identity(&self, identity: &GitIdentity) -> Result<GitIdentity> {
        let identity = GitIdentity {
            name: usable("user.name", &identity.name)?,
            email: usable("user.email", &identity.email)?,
        };
        let home = &self.config().home;
        self.git().set_home_identity(home, &identity).await?;
        Ok(identity)
    }
}

/// git drops `<`, `>` and line ends from identities without a word, and an empty one is none.
fn usable(key: &str, text: &str) -> Result<String> {
    let text = text.trim();
    let bad = |c: char| c.is_control() || c == '<' || c == '>';
    let fits = (1..=LONGEST).contains(&text.chars().count());
    let is_right = key != "user.email" || GitIdentity::is_address(text);
    if fits && is_right && !text.starts_with('-') && !text.contains(bad) {
        return Ok(text.to_owned());
    }
    let detail = format!(
        "`{key}` has 1 to {LONGEST} characters, none of them `<`, `>` or a line's end, and an address is NAME@HOST"
    );
    Err(Error::refused(ErrorCode::Invalid, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_would_change_or_misread_is_refused() {
        for (key, text) in [
            ("user.name", ""),
            ("user.name", " \t"),
            ("user.name", "a\nb"),
            ("user.name", "a <b>"),
            ("user.name", "--global"),
            ("user.email", "a b@c"),
            ("user.email", "nobody"),
            ("user.email", "@host"),
            ("user.email", "nobody@"),
            ("user.email", "x\u{7f}@c"),
        ] {
            assert!(usable(key, text).is_err(), "{key}={text:?}");
        }
        assert!(usable("user.name", &"x".repeat(LONGEST + 1)).is_err());
        assert_eq!(usable("user.name", " Zoë Ø ").unwrap(), "Zoë Ø");
        assert_eq!(usable("user.email", "a@b.example").unwrap(), "a@b.example");
    }
}
