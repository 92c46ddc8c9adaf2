//! What can be named on GitHub. Checked here, so that nothing else can become part of a request.

use std::fmt;

use ff_protocol::ErrorCode;
use ff_protocol::project::Project;

use crate::error::{Error, Result};

/// The one host that projects know (`githubOwner`, `githubRepo`).
pub(super) const HOST: &str = "github.com";

const LONGEST_NAME: usize = 100;

/// A repository on github.com.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepoName {
    owner: String,
    name: String,
}

impl RepoName {
    /// The repository `owner/name`.
    ///
    /// # Errors
    /// `invalid` when these cannot be names on GitHub.
    pub fn new(owner: &str, name: &str) -> Result<Self> {
        if !is_name(owner) || !is_name(name) {
            let detail = "a repository on GitHub is named OWNER/NAME";
            return Err(Error::refused(ErrorCode::Invalid, detail));
        }
        Ok(Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The repository of a project whose remote is there.
    pub fn of(project: &Project) -> Option<Self> {
        let (owner, name) = (
            project.github_owner.as_deref()?,
            project.github_repo.as_deref()?,
        );
        Self::new(owner, name).ok()
    }

    /// Its owner.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Its name within the owner's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether both are the same; GitHub tells no upper from lower case.
    pub fn is(&self, other: &Self) -> bool {
        self.owner.eq_ignore_ascii_case(&other.owner) && self.name.eq_ignore_ascii_case(&other.name)
    }

    /// As `gh --repo` takes it, whatever host the environment prefers.
    pub(super) fn with_host(&self) -> String {
        format!("{HOST}/{self}")
    }
}

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// A pull request or an issue by its number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Numbered {
    /// Where it is.
    pub repo: RepoName,
    /// Its number there.
    pub number: u64,
}

/// What has a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    PullRequest,
    Issue,
}

impl Kind {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::PullRequest => ("pull request", "pull"),
            Self::Issue => ("issue", "issues"),
        }
    }
}

/// The pull request that a user means: its web address, or `#7` or `7` in this repository.
///
/// # Errors
/// `invalid` when the text names none.
pub fn pull_request_ref(text: &str, repo: Option<&RepoName>) -> Result<Numbered> {
    read(text, repo, Kind::PullRequest)
}

/// The issue that a user means: its web address, or `#7` or `7` in this repository.
///
/// # Errors
/// `invalid` when the text names none.
pub fn issue_ref(text: &str, repo: Option<&RepoName>) -> Result<Numbered> {
    read(text, repo, Kind::Issue)
}

/// The web address of a pull request.
pub fn pull_request_url(of: &Numbered) -> String {
    format!("https://{HOST}/{}/pull/{}", of.repo, of.number)
}

fn read(text: &str, repo: Option<&RepoName>, kind: Kind) -> Result<Numbered> {
    let (what, segment) = kind.words();
    let refused = |detail: String| {
        Error::refused(ErrorCode::Invalid, detail).hint(format!(
            "name it by its address, https://{HOST}/OWNER/NAME/{segment}/7"
        ))
    };
    let text = text.trim();
    let bare = text.strip_prefix('#').unwrap_or(text);
    if let Some(number) = number(bare) {
        let repo = repo.cloned().ok_or_else(|| {
            refused(format!(
                "`{text}` says no repository, and the project's remote is not on {HOST}"
            ))
        })?;
        return Ok(Numbered { repo, number });
    }
    let shown: String = text.chars().take(200).collect();
    by_address(text, segment).ok_or_else(|| refused(format!("`{shown}` names no {what}")))
}

fn by_address(text: &str, segment: &str) -> Option<Numbered> {
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .unwrap_or(text);
    let rest = rest.strip_prefix("www.").unwrap_or(rest);
    let path = rest.strip_prefix(HOST)?.strip_prefix('/')?;
    let path = path.split(['?', '#']).next()?;
    let mut parts = path.split('/');
    let (owner, name) = (parts.next()?, parts.next()?);
    if parts.next()? != segment {
        return None;
    }
    Some(Numbered {
        number: number(parts.next()?)?,
        repo: RepoName::new(owner, name).ok()?,
    })
}

fn number(text: &str) -> Option<u64> {
    let digits = (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten()?;
    (number > 0).then_some(number)
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=LONGEST_NAME).contains(&name.len())
        && name.chars().all(plain)
        && !name.starts_with('-')
        && name != "."
        && name != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_numbers_are_understood() {
        let repo = RepoName::new("octo", "demo").unwrap();
        for text in [
            "7",
            "#7",
            " 7 ",
            "https://github.com/octo/demo/pull/7",
            "http://github.com/octo/demo/pull/7/files",
            "github.com/octo/demo/pull/7",
            "https://www.github.com/octo/demo/pull/7?w=1#discussion_r3",
        ] {
            let found = pull_request_ref(text, Some(&repo)).unwrap();
            assert_eq!((&found.repo, found.number), (&repo, 7), "{text:?}");
            assert_eq!(
                pull_request_url(&found),
                "https://github.com/octo/demo/pull/7"
            );
        }
        let issue = issue_ref("https://github.com/a.b/.github/issues/12", None).unwrap();
        assert_eq!(
            (issue.repo.to_string().as_str(), issue.number),
            ("a.b/.github", 12)
        );
    }

    #[test]
    fn what_names_none_is_refused() {
        let repo = RepoName::new("octo", "demo").unwrap();
        for text in [
            "",
            "#",
            "0",
            "-7",
            "7x",
            "99999999999",
            "https://github.com/octo/demo",
            "https://github.com/octo/demo/issues/7",
            "https://github.com/octo/demo/pull/",
            "https://github.com/octo/demo/pull/x",
            "https://github.com.evil.test/octo/demo/pull/7",
            "https://evil.test/github.com/octo/demo/pull/7",
            "https://github.com/../demo/pull/7",
            "https://github.com/-x/demo/pull/7",
            "https://github.com/oc to/demo/pull/7",
            "https://gitlab.com/octo/demo/pull/7",
        ] {
            assert!(pull_request_ref(text, Some(&repo)).is_err(), "{text:?}");
        }
        assert!(
            pull_request_ref("7", None).is_err(),
            "a number says no repository"
        );
    }
}
