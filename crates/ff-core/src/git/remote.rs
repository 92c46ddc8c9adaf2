//! Remote addresses: what a VM can clone by HTTP with its own login.

/// A remote repository as a VM reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// `https`; or `http` for an address that says so, such as that of a server in a private
    /// network.
    scheme: &'static str,
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
    /// Reads `https://`, `http://`, `ssh://` and `user@host:path` addresses; those of SSH become
    /// HTTPS, which a VM has a login for.
    ///
    /// `None` for anything else: such a remote cannot be reached from a VM.
    pub fn parse(url: &str) -> Option<CleanRemote> {
        let (authority, path, scheme, is_ssh) = if let Some((scheme, rest)) = url.split_once("://")
        {
            let (authority, path) = rest.split_once('/')?;
            match scheme {
                "https" => (authority, path, "https", false),
                "http" => (authority, path, "http", false),
                "ssh" | "git+ssh" => (authority, path, "https", true),
                _ => return None,
            }
        } else {
            let (authority, path) = url.split_once(':')?;
            if authority.contains('/') {
                return None;
            }
            (authority, path, "https", true)
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
            return None;
        }
        let had_password = !is_ssh && user.is_some();
        let remote = Self {
            scheme,
            host: host.to_owned(),
            path: path.to_owned(),
        };
        Some(CleanRemote {
            remote,
            had_password,
        })
    }

    /// The address without any credentials.
    pub fn url(&self) -> String {
        format!("{}://{}/{}", self.scheme, self.host, self.path)
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
                clean.remote.url(),
                "https://github.com/octo/demo.git",
                "{url}"
            );
            assert_eq!(clean.had_password, password, "{url}");
            assert_eq!(clean.remote.owner_and_repo(), Some(("octo", "demo")));
        }
    }

    #[test]
    fn plain_http_stays_what_it_is() {
        let clean = Remote::parse("http://me:pw@git.lan:8080/octo/demo.git").unwrap();
        assert_eq!(clean.remote.url(), "http://git.lan:8080/octo/demo.git");
        assert!(clean.had_password);
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
            assert!(Remote::parse(url).is_none(), "{url:?} was accepted");
        }
    }
}
