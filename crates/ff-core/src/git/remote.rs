//! Remote addresses: what a VM can clone by HTTPS with its own login.

use ff_protocol::ErrorCode;

use crate::error::{Error, Result};

/// A remote repository as a VM reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Host name, with its port where one was given.
    pub host: String,
    /// Path without the leading slash.
    pub path: String,
}

/// A remote with what was left out of its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanRemote {
    /// The remote.
    pub remote: Remote,
    /// Whether the address held a password or token, which does not travel.
    pub had_password: bool,
}

impl Remote {
    /// Reads `https://`, `http://`, `ssh://` and `user@host:path` addresses.
    ///
    /// # Errors
    /// `invalid` for anything else: such a remote cannot be reached from a VM.
    pub fn parse(url: &str) -> Result<CleanRemote> {
        let refused = || {
            Error::refused(
                ErrorCode::Invalid,
                "the remote is no address that a VM can clone from",
            )
            .hint("give it an https, ssh or git@host:path address with `git remote set-url`")
        };
        let (authority, path, is_ssh) = if let Some((scheme, rest)) = url.split_once("://") {
            let (authority, path) = rest.split_once('/').ok_or_else(refused)?;
            match scheme {
                "https" | "http" => (authority, path, false),
                "ssh" | "git+ssh" => (authority, path, true),
                _ => return Err(refused()),
            }
        } else {
            let (authority, path) = url.split_once(':').ok_or_else(refused)?;
            if authority.contains('/') {
                return Err(refused());
            }
            (authority, path, true)
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        // The port of an SSH address says nothing about HTTPS.
        let host = if is_ssh {
            host.split(':').next().unwrap_or(host)
        } else {
            host
        };
        let path = path.trim_start_matches('/').trim_end_matches('/');
        let known = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        let printable = |c: char| !c.is_control() && !c.is_whitespace();
        if host.is_empty()
            || path.is_empty()
            || !host.chars().all(known)
            || !path.chars().all(printable)
        {
            return Err(refused());
        }
        let had_password = !is_ssh && user.is_some();
        let remote = Self {
            host: host.to_owned(),
            path: path.to_owned(),
        };
        Ok(CleanRemote {
            remote,
            had_password,
        })
    }

    /// The address without any credentials.
    pub fn https_url(&self) -> String {
        format!("https://{}/{}", self.host, self.path)
    }

    /// Owner and repository, where it is a GitHub-like path of two segments.
    pub fn owner_and_repo(&self) -> Option<(&str, &str)> {
        let (owner, repo) = self.path.split_once('/')?;
        let repo = repo.strip_suffix(".git").unwrap_or(repo);
        (!owner.is_empty() && !repo.is_empty() && !repo.contains('/')).then_some((owner, repo))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_form_becomes_https() {
        for (url, password) in [
            ("git@github.com:octo/demo.git", false),
            ("ssh://git@github.com/octo/demo.git", false),
            ("ssh://git@github.com:22/octo/demo.git", false),
            ("https://github.com/octo/demo.git", false),
            ("https://me:token@github.com/octo/demo.git", true),
        ] {
            let clean = Remote::parse(url).unwrap();
            assert_eq!(
                clean.remote.https_url(),
                "https://github.com/octo/demo.git",
                "{url}"
            );
            assert_eq!(clean.had_password, password, "{url}");
            assert_eq!(clean.remote.owner_and_repo(), Some(("octo", "demo")));
        }
    }

    #[test]
    fn what_a_vm_cannot_reach_is_refused() {
        for url in [
            "/srv/git/demo.git",
            "../demo",
            "file:///srv/demo",
            "",
            "https://",
            "ext::sh -c x",
        ] {
            assert!(Remote::parse(url).is_err(), "{url:?} was accepted");
        }
    }
}
