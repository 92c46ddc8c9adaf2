//! An issue on GitHub, by its web address.

use std::path::Path;

use ff_protocol::ErrorCode;
use serde::Deserialize;

use super::{NETWORK, command, within};
use crate::core::Core;
use crate::error::{Error, Result};

/// An issue. Title and body are somebody else's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Owner of its repository.
    pub owner: String,
    /// Its repository.
    pub repo: String,
    /// Its number there.
    pub number: i64,
    /// Its web address.
    pub url: String,
    /// Its title.
    pub title: String,
    /// Its text; empty when there is none.
    pub body: String,
}

#[derive(Deserialize)]
struct Read {
    title: String,
    #[serde(default)]
    body: Option<String>,
}

impl Core {
    /// Reads an issue with the login of `gh`.
    ///
    /// # Errors
    /// `invalid` when the address is none of an issue on GitHub; `conflict` with the words of
    /// `gh` when it cannot be read; `timeout`.
    pub(crate) async fn read_issue(&self, url: &str) -> Result<Issue> {
        read(&self.config().home, url).await
    }
}

async fn read(home: &Path, url: &str) -> Result<Issue> {
    let (owner, repo, number) = parse(url)?;
    let url = format!("https://github.com/{owner}/{repo}/issues/{number}");
    let mut view = command(home, &["issue", "view", &url, "--json", "title,body"]);
    view.stderr(std::process::Stdio::piped());
    let Some(output) = within(NETWORK, view.output()).await? else {
        let detail = "GitHub did not answer in time";
        return Err(Error::refused(ErrorCode::Timeout, detail));
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or("gh gave no reason").trim();
        let detail = format!("the issue {url} cannot be read: {said}");
        return Err(Error::refused(ErrorCode::Conflict, detail)
            .hint("check `gh auth status` where the workspace is to be"));
    }
    let read: Read = serde_json::from_slice(&output.stdout).map_err(|source| Error::Data {
        what: "an issue".to_owned(),
        source,
    })?;
    Ok(Issue {
        owner,
        repo,
        number,
        url,
        title: read.title,
        body: read.body.unwrap_or_default(),
    })
}

/// Owner, repository and number in an address such as `https://github.com/o/r/issues/12`.
fn parse(url: &str) -> Result<(String, String, i64)> {
    let rest = url.trim().strip_prefix("https://github.com/");
    let rest = rest.map(|rest| rest.split(['?', '#']).next().unwrap_or_default());
    let parts: Vec<&str> = rest
        .unwrap_or_default()
        .trim_end_matches('/')
        .split('/')
        .collect();
    let word = |text: &str| {
        !text.is_empty()
            && !text.starts_with(['-', '.'])
            && text.len() <= 100
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    match parts.as_slice() {
        [owner, repo, "issues", number] if word(owner) && word(repo) => {
            if let Ok(number @ 1..) = number.parse() {
                return Ok(((*owner).to_owned(), (*repo).to_owned(), number));
            }
        }
        _ => {}
    }
    let detail = format!("`{url}` is no address of an issue on GitHub");
    Err(Error::refused(ErrorCode::Invalid, detail)
        .hint("it looks like https://github.com/OWNER/REPO/issues/12"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_issues_are_told_from_others() {
        let good = parse("https://github.com/octo/demo.rs/issues/12/?x=1#y").unwrap();
        assert_eq!(good, ("octo".into(), "demo.rs".into(), 12));
        for bad in [
            "https://github.com/octo/demo/pull/12",
            "https://github.com/octo/demo/issues/0",
            "https://github.com/octo/demo/issues/x",
            "https://github.com/../demo/issues/1",
            "https://github.com/--help/demo/issues/1",
            "https://example.com/octo/demo/issues/1",
            "12",
        ] {
            assert_eq!(parse(bad).unwrap_err().code(), ErrorCode::Invalid, "{bad}");
        }
    }
}
