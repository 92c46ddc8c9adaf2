use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A pull request, as far as `gh` and the ratchet read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    /// The number; 0 takes the repository's next one.
    pub number: u64,
    /// The title.
    pub title: String,
    /// The description.
    pub body: String,
    /// The branch to merge.
    pub head: String,
    /// The branch to merge into.
    pub base: String,
    /// The author's login.
    pub author: String,
    /// `OPEN`, `CLOSED` or `MERGED`.
    pub state: String,
    /// Whether it is a draft.
    pub draft: bool,
    /// Whether its branch is in another repository.
    pub cross_repository: bool,
    /// Whether it conflicts with its base.
    pub conflict: bool,
    /// Whether GitHub has not found out yet if it does.
    pub merge_unknown: bool,
    /// `APPROVED`, `CHANGES_REQUESTED`, `REVIEW_REQUIRED` or empty.
    pub review_decision: String,
    /// The checks of its head commit.
    pub checks: Vec<Check>,
    /// The statuses of its head commit.
    pub statuses: Vec<CommitStatus>,
    /// The submitted reviews.
    pub reviews: Vec<Review>,
    /// The comments on lines of the diff.
    pub review_comments: Vec<ReviewComment>,
    /// When it was opened, as RFC 3339.
    pub created_at: String,
    /// When it last changed, as RFC 3339.
    pub updated_at: String,
}

impl Default for PullRequest {
    fn default() -> Self {
        Self {
            number: 0,
            title: "Change".to_owned(),
            body: String::new(),
            head: "change".to_owned(),
            base: "main".to_owned(),
            author: "ghost".to_owned(),
            state: "OPEN".to_owned(),
            draft: false,
            cross_repository: false,
            conflict: false,
            merge_unknown: false,
            review_decision: String::new(),
            checks: Vec::new(),
            statuses: Vec::new(),
            reviews: Vec::new(),
            review_comments: Vec::new(),
            created_at: now(),
            updated_at: now(),
        }
    }
}

/// A check run of a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// The check's name.
    pub name: String,
    /// `QUEUED`, `IN_PROGRESS` or `COMPLETED`.
    pub status: String,
    /// `SUCCESS`, `FAILURE`, …; empty while it runs.
    pub conclusion: String,
    /// The run's id, part of its details URL.
    pub run: u64,
    /// The workflow's name; empty for `CI`.
    pub workflow: String,
    /// When it began, as RFC 3339; empty for when the pull request was opened.
    pub started_at: String,
}

/// A status that something outside of GitHub set on a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitStatus {
    /// Its name.
    pub context: String,
    /// `SUCCESS`, `PENDING`, `FAILURE` or `ERROR`.
    pub state: String,
}

/// A submitted review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// The reviewer's login.
    pub author: String,
    /// `APPROVED`, `CHANGES_REQUESTED` or `COMMENTED`.
    pub state: String,
    /// The review's text.
    pub body: String,
    /// When it was submitted, as RFC 3339.
    pub submitted_at: String,
}

/// A comment on a line of the diff; each is a thread of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewComment {
    /// The comment's numeric id.
    pub id: u64,
    /// The author's login.
    pub author: String,
    /// The comment's text.
    pub body: String,
    /// The file.
    pub path: String,
    /// The line.
    pub line: u64,
    /// Whether its thread is resolved.
    pub resolved: bool,
    /// When it was last changed, as RFC 3339.
    pub updated_at: String,
}

/// The current time as RFC 3339 in whole seconds.
pub(super) fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

type Key = (String, String);

/// The pull requests of all repositories.
#[derive(Default)]
pub(super) struct PullRequests(Mutex<BTreeMap<Key, BTreeMap<u64, PullRequest>>>);

impl PullRequests {
    /// Adds or replaces one and returns its number.
    pub(super) fn set(&self, owner: &str, name: &str, mut pull: PullRequest) -> u64 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pulls = all.entry((owner.to_owned(), name.to_owned())).or_default();
        if pull.number == 0 {
            pull.number = pulls.last_key_value().map_or(1, |(last, _)| last + 1);
        }
        let number = pull.number;
        pulls.insert(number, pull);
        number
    }

    /// Those of one repository, newest first.
    pub(super) fn of(&self, owner: &str, name: &str) -> Vec<PullRequest> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pulls = all.get(&(owner.to_owned(), name.to_owned()));
        pulls.map_or_else(Vec::new, |pulls| pulls.values().rev().cloned().collect())
    }
}
