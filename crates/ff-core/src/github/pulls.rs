//! Pull requests.

use ff_protocol::Timestamp;
use serde::Deserialize;

use super::names::{Numbered, RepoName, pull_request_ref, pull_request_url};
use super::{GitHub, Read, args};
use crate::derive::ci::Check;
use crate::error::Result;

/// Most open pull requests of a repository that are looked through, the newest first.
const LISTED: &str = "300";
/// What is read of each in a list.
const LIST_FIELDS: &str = "number,url,headRefName,isCrossRepository,createdAt";
/// What is read of one.
const FIELDS: &str = "number,url,title,author,state,isDraft,reviewDecision,statusCheckRollup,headRefName,\
                      baseRefName,isCrossRepository,mergeStateStatus,createdAt,updatedAt";

/// An open pull request in a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullSummary {
    /// Its number.
    pub number: u64,
    /// Its web address, as it came.
    pub url: String,
    /// The branch that is to be merged.
    pub head_ref_name: String,
    /// Whether that branch is in another repository.
    #[serde(default)]
    pub is_cross_repository: bool,
    /// When it was opened.
    pub created_at: Timestamp,
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullDetails {
    /// Its number.
    pub number: u64,
    /// Its web address, as it came.
    pub url: String,
    /// Its title.
    #[serde(default)]
    pub title: String,
    /// Who opened it.
    #[serde(default)]
    pub author: Option<Author>,
    /// `OPEN`, `CLOSED` or `MERGED`.
    pub state: String,
    /// Whether it is a draft.
    #[serde(default)]
    pub is_draft: bool,
    /// `APPROVED`, `CHANGES_REQUESTED`, `REVIEW_REQUIRED`; empty where GitHub has none.
    #[serde(default)]
    pub review_decision: Option<String>,
    /// Its checks; `None` where GitHub tells of none at all.
    #[serde(default)]
    pub status_check_rollup: Option<Vec<Check>>,
    /// The branch that is to be merged.
    pub head_ref_name: String,
    /// The branch it is to be merged into.
    #[serde(default)]
    pub base_ref_name: String,
    /// Whether the branch is in another repository.
    #[serde(default)]
    pub is_cross_repository: bool,
    /// `CLEAN`, `DIRTY`, `BLOCKED`, …; `UNKNOWN` while GitHub finds out.
    #[serde(default)]
    pub merge_state_status: String,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Who did something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Author {
    /// Name on GitHub; empty for an account that is gone.
    #[serde(default)]
    pub login: String,
}

impl GitHub {
    /// Open pull requests of a repository, the newest first, 300 at most.
    ///
    /// # Errors
    /// `not_found`, and those of [`Self::user`].
    pub async fn open_pull_requests(&self, repo: &RepoName) -> Result<Read<Vec<PullSummary>>> {
        let what = format!("list of pull requests of {repo}");
        self.json(&what, list(repo, None)).await
    }

    /// Open pull requests of one branch, the newest first.
    ///
    /// # Errors
    /// As [`Self::open_pull_requests`].
    pub async fn pull_requests_of_branch(
        &self,
        repo: &RepoName,
        branch: &str,
    ) -> Result<Read<Vec<PullSummary>>> {
        let what = format!("pull request of branch {branch} in {repo}");
        self.json(&what, list(repo, Some(branch))).await
    }

    /// A pull request with its checks.
    ///
    /// # Errors
    /// As [`Self::open_pull_requests`].
    pub async fn pull_request(&self, of: &Numbered) -> Result<Read<PullDetails>> {
        let what = format!("pull request #{} of {}", of.number, of.repo);
        self.json(&what, view(of, FIELDS)).await
    }
}

/// The address under which a pull request is kept: GitHub's own if it is one (a repository may
/// have been renamed), else the one it was asked for by.
pub(crate) fn address(said: &str, asked: &Numbered) -> String {
    match pull_request_ref(said, None) {
        Ok(named) if named.number == asked.number => pull_request_url(&named),
        _ => pull_request_url(asked),
    }
}

/// Arguments that show fields of a pull request.
pub(super) fn view(of: &Numbered, fields: &str) -> Vec<String> {
    let (number, repo) = (of.number.to_string(), of.repo.with_host());
    args(["pr", "view", &number, "--repo", &repo, "--json", fields])
}

fn list(repo: &RepoName, branch: Option<&str>) -> Vec<String> {
    let repo = repo.with_host();
    let mut list = args([
        "pr",
        "list",
        "--repo",
        &repo,
        "--state",
        "open",
        "--limit",
        LISTED,
        "--json",
        LIST_FIELDS,
    ]);
    // One word, so that a branch cannot become an option.
    list.extend(branch.map(|branch| format!("--head={branch}")));
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::RepoName;

    #[test]
    fn only_an_address_of_the_same_number_is_kept() {
        let asked = Numbered {
            repo: RepoName::new("octo", "demo").unwrap(),
            number: 7,
        };
        let own = "https://github.com/octo/demo/pull/7";
        for (said, kept) in [
            (own, own),
            (
                "https://github.com/octo/renamed/pull/7",
                "https://github.com/octo/renamed/pull/7",
            ),
            ("https://github.com/octo/demo/pull/8", own),
            ("javascript:alert(1)", own),
            ("", own),
        ] {
            assert_eq!(address(said, &asked), kept, "{said:?}");
        }
    }
}
