use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::pull_requests::PullRequest;
use super::shapes::RepositoryView;

/// An issue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issue {
    /// The number.
    pub number: u64,
    /// The title.
    pub title: String,
    /// The text; empty for none.
    pub body: String,
    /// The author's login.
    pub author: String,
    /// Whether it is closed.
    pub closed: bool,
}

type Key = (String, String, u64);

/// The issues of all repositories.
#[derive(Default)]
pub(super) struct Issues(Mutex<HashMap<Key, Issue>>);

impl Issues {
    pub(super) fn set(&self, owner: &str, name: &str, issue: Issue) {
        let key = (owner.to_owned(), name.to_owned(), issue.number);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(key, issue);
    }

    pub(super) fn find(&self, owner: &str, name: &str, number: u64) -> Option<Issue> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(owner.to_owned(), name.to_owned(), number))
            .cloned()
    }
}

impl RepositoryView<'_> {
    pub(super) fn issue(&self, issue: &Issue) -> Value {
        let body = (!issue.body.is_empty()).then_some(&issue.body);
        json!({
            "number": issue.number, "title": issue.title, "body": body, "user": {"login": issue.author},
            "state": if issue.closed { "closed" } else { "open" },
            "html_url": format!("{}/issues/{}", self.url(), issue.number), "labels": [], "comments": 0,
        })
    }

    /// A pull request is an issue too.
    pub(super) fn issue_of(&self, pull: &PullRequest) -> Value {
        let url = format!("{}/pull/{}", self.url(), pull.number);
        json!({
            "number": pull.number, "title": pull.title, "body": pull.body, "user": {"login": pull.author},
            "state": if pull.state == "OPEN" { "open" } else { "closed" },
            "html_url": url, "pull_request": {"html_url": url},
        })
    }
}
