//! Reviews, comments on lines, and the threads those form.

use std::collections::HashSet;

use ff_protocol::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::names::{HOST, Numbered};
use super::pulls::{Author, view};
use super::{GitHub, Read, args};
use crate::error::Result;
use crate::ratchet::reviews::{InlineComment, Review};

/// Most pages of one list that are read.
const PAGES: usize = 20;
/// Entries of a page; GitHub's most.
const PAGE: usize = 100;

const THREADS: &str = "query($owner:String!,$name:String!,$number:Int!,$after:String){\
    repository(owner:$owner,name:$name){pullRequest(number:$number){\
    reviewThreads(first:100,after:$after){nodes{id isResolved comments(first:100){nodes{fullDatabaseId}}}\
    pageInfo{hasNextPage endCursor}}}}}";

/// A thread of comments on one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewThread {
    /// GitHub's id of it.
    pub id: String,
    /// Whether it is done with.
    pub is_resolved: bool,
    /// Numbers of its comments, 100 at most.
    pub comments: Vec<i64>,
}

impl GitHub {
    /// The reviews of a pull request, oldest first.
    ///
    /// # Errors
    /// As [`GitHub::pull_request`].
    pub async fn reviews(&self, of: &Numbered) -> Result<Vec<Review>> {
        let read: Read<Reviews> = self.json(&what("reviews", of), view(of, "reviews")).await?;
        Ok(read.value.reviews.into_iter().map(Into::into).collect())
    }

    /// The comments on lines of a pull request, oldest first, 2,000 at most. Where the threads
    /// cannot be read, none counts as resolved.
    ///
    /// # Errors
    /// As [`GitHub::pull_request`].
    pub async fn review_comments(&self, of: &Numbered) -> Result<Vec<InlineComment>> {
        let (comments, threads) = tokio::join!(self.comments(of), self.review_threads(of));
        let threads = threads.unwrap_or_else(|error| {
            tracing::debug!(%error, "the threads were not read");
            Vec::new()
        });
        let resolved = threads.iter().filter(|thread| thread.is_resolved);
        let resolved: HashSet<i64> = resolved.flat_map(|it| it.comments.clone()).collect();
        let shaped = |comment: Comment| InlineComment {
            resolved: resolved.contains(&comment.id),
            id: comment.id,
            author: comment.user.unwrap_or_default().login,
            body: comment.body.unwrap_or_default(),
            path: comment.path,
            line: comment.line,
            updated_at: comment.updated_at,
        };
        Ok(comments?.into_iter().map(shaped).collect())
    }

    async fn comments(&self, of: &Numbered) -> Result<Vec<Comment>> {
        let what = what("review comments", of);
        let mut all = Vec::new();
        for page in 1..=PAGES {
            let (repo, number) = (&of.repo, of.number);
            let path = format!("repos/{repo}/pulls/{number}/comments?per_page={PAGE}&page={page}");
            let read = self.json(&what, args(["api", "--hostname", HOST, &path]));
            let read: Read<Vec<Comment>> = read.await?;
            let count = read.value.len();
            all.extend(read.value);
            if count < PAGE {
                break;
            }
        }
        Ok(all)
    }

    /// The threads that the comments on lines form, 2,000 at most.
    ///
    /// # Errors
    /// As [`GitHub::pull_request`].
    pub async fn review_threads(&self, of: &Numbered) -> Result<Vec<ReviewThread>> {
        let what = what("review threads", of);
        let (mut all, mut after) = (Vec::new(), None);
        for _ in 0..PAGES {
            let page: Read<Graph> = self.json(&what, threads(of, after.as_deref())).await?;
            let Some(threads) = page.value.threads() else {
                break;
            };
            all.extend(threads.nodes.into_iter().map(Into::into));
            let info = threads.page_info;
            after = info.end_cursor.filter(|_| info.has_next_page);
            if after.is_none() {
                break;
            }
        }
        Ok(all)
    }
}

fn what(what: &str, of: &Numbered) -> String {
    format!("{what} of pull request #{} of {}", of.number, of.repo)
}

/// Arguments for a page of threads. `-f` takes its text as it is; `-F` would read files.
fn threads(of: &Numbered, after: Option<&str>) -> Vec<String> {
    let query = format!("query={THREADS}");
    let (owner, name) = (
        format!("owner={}", of.repo.owner()),
        format!("name={}", of.repo.name()),
    );
    let number = format!("number={}", of.number);
    let mut args = args([
        "api",
        "--hostname",
        HOST,
        "graphql",
        "-f",
        &query,
        "-f",
        &owner,
        "-f",
        &name,
        "-F",
        &number,
    ]);
    if let Some(after) = after {
        args.extend(["-f".to_owned(), format!("after={after}")]);
    }
    args
}

#[derive(Deserialize)]
struct Reviews {
    reviews: Vec<Submitted>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Submitted {
    /// Absent for an account that is gone.
    #[serde(default)]
    author: Option<Author>,
    state: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    submitted_at: Option<Timestamp>,
}

impl From<Submitted> for Review {
    fn from(review: Submitted) -> Self {
        Self {
            author: review.author.unwrap_or_default().login,
            state: review.state,
            body: review.body,
            submitted_at: review.submitted_at,
        }
    }
}

#[derive(Deserialize)]
struct Comment {
    id: i64,
    /// Absent for an account that is gone.
    #[serde(default)]
    user: Option<Author>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    path: String,
    /// Absent once the diff has moved on.
    #[serde(default)]
    line: Option<i64>,
    updated_at: Timestamp,
}

#[derive(Deserialize)]
struct Graph {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    pull_request: Option<PullRequest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullRequest {
    review_threads: Connection<Thread>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: DeserializeOwned")]
struct Connection<T> {
    nodes: Vec<T>,
    #[serde(default)]
    page_info: PageInfo,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thread {
    id: String,
    is_resolved: bool,
    comments: Connection<CommentId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommentId {
    #[serde(default)]
    full_database_id: Option<String>,
}

impl Graph {
    fn threads(self) -> Option<Connection<Thread>> {
        Some(self.data.repository?.pull_request?.review_threads)
    }
}

impl From<Thread> for ReviewThread {
    fn from(thread: Thread) -> Self {
        let ids = thread.comments.nodes.into_iter();
        Self {
            id: thread.id,
            is_resolved: thread.is_resolved,
            comments: ids
                .filter_map(|comment| comment.full_database_id?.parse().ok())
                .collect(),
        }
    }
}
