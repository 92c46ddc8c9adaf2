//! Issues.

use ff_protocol::ErrorCode;
use serde::Deserialize;
use serde_json::Value;

use super::names::{HOST, Numbered, RepoName};
use super::pulls::Author;
use super::{GitHub, Read, args};
use crate::error::{Error, Result};

/// An issue. Title and body are somebody else's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Its repository.
    pub repo: RepoName,
    /// Its number there.
    pub number: i64,
    /// Its web address.
    pub url: String,
    /// Its title.
    pub title: String,
    /// Its text, in Markdown; empty when there is none.
    pub body: String,
    /// Who opened it; empty for an account that is gone.
    pub author: String,
    /// Whether it is closed.
    pub is_closed: bool,
}

#[derive(Deserialize)]
struct Told {
    title: String,
    #[serde(default)]
    body: Option<String>,
    state: String,
    #[serde(default)]
    user: Option<Author>,
    #[serde(default)]
    pull_request: Option<Value>,
}

impl GitHub {
    /// An issue.
    ///
    /// # Errors
    /// `invalid` when the number is that of a pull request; as [`GitHub::pull_request`].
    pub async fn issue(&self, of: &Numbered) -> Result<Issue> {
        let what = format!("issue #{} of {}", of.number, of.repo);
        let path = format!("repos/{}/issues/{}", of.repo, of.number);
        let read = self.json(&what, args(["api", "--hostname", HOST, &path]));
        let read: Read<Told> = read.await?;
        let told = read.value;
        // GitHub counts pull requests among the issues.
        if told.pull_request.is_some() {
            let detail = format!("#{} of {} is a pull request", of.number, of.repo);
            return Err(Error::refused(ErrorCode::Invalid, detail)
                .hint("go on with its branch: `ff workspace new --branch BRANCH`"));
        }
        Ok(Issue {
            url: format!("https://{HOST}/{}/issues/{}", of.repo, of.number),
            repo: of.repo.clone(),
            number: i64::try_from(of.number).unwrap_or(i64::MAX),
            title: told.title,
            body: told.body.unwrap_or_default(),
            author: told.user.unwrap_or_default().login,
            is_closed: told.state != "open",
        })
    }
}
