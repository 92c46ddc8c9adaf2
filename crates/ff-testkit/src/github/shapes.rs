use serde_json::{Value, json};

use super::accounts::Account;
use super::pull_requests::{Check, CommitStatus, PullRequest, Review, ReviewComment};

/// A repository as the API shows it.
pub(super) struct RepositoryView<'a> {
    pub(super) web_url: &'a str,
    pub(super) owner: &'a str,
    pub(super) name: &'a str,
}

impl RepositoryView<'_> {
    pub(super) fn url(&self) -> String {
        format!("{}/{}/{}", self.web_url, self.owner, self.name)
    }

    fn id(&self) -> String {
        format!("R_{}/{}", self.owner, self.name)
    }

    pub(super) fn graphql(&self) -> Value {
        json!({
            "id": self.id(), "name": self.name, "nameWithOwner": format!("{}/{}", self.owner, self.name),
            "owner": {"id": format!("U_{}", self.owner), "login": self.owner}, "url": self.url(),
            "sshUrl": format!("ssh://git@github.com/{}/{}.git", self.owner, self.name),
            "description": "", "isPrivate": true, "isFork": false, "isArchived": false, "isEmpty": false,
            "visibility": "PRIVATE", "parent": null, "hasIssuesEnabled": true, "hasWikiEnabled": false,
            "viewerPermission": "ADMIN", "viewerCanPush": true, "defaultBranchRef": {"name": "main"},
            "mergeCommitAllowed": true, "squashMergeAllowed": true, "rebaseMergeAllowed": true,
        })
    }

    pub(super) fn rest(&self) -> Value {
        json!({
            "id": 1, "node_id": self.id(), "name": self.name, "full_name": format!("{}/{}", self.owner, self.name),
            "owner": {"login": self.owner, "type": "User"}, "private": true, "fork": false,
            "default_branch": "main", "html_url": self.url(), "clone_url": format!("{}.git", self.url()),
            "permissions": {"admin": true, "push": true, "pull": true},
        })
    }

    pub(super) fn pull_request(&self, pull: &PullRequest, head_oid: &str) -> Value {
        let checks: Vec<Value> = pull
            .checks
            .iter()
            .map(|check| self.check(check, &pull.created_at))
            .chain(pull.statuses.iter().map(|it| status(it, &pull.created_at)))
            .collect();
        let rollup = match &checks[..] {
            [] => Value::Null,
            _ => json!({"state": rollup_state(pull), "contexts": list(checks)}),
        };
        let commit = json!({"commit": {"oid": head_oid, "statusCheckRollup": rollup}});
        json!({
            "__typename": "PullRequest", "id": self.pull_id(pull.number), "fullDatabaseId": pull.number.to_string(),
            "number": pull.number, "title": pull.title, "body": pull.body, "state": pull.state,
            "url": format!("{}/pull/{}", self.url(), pull.number), "isDraft": pull.draft, "closed": pull.state != "OPEN",
            "headRefName": pull.head, "baseRefName": pull.base, "headRefOid": head_oid,
            "isCrossRepository": pull.cross_repository, "maintainerCanModify": false, "author": actor(&pull.author, &pull.author),
            "headRepositoryOwner": {"id": format!("U_{}", self.owner), "login": self.owner, "name": self.owner},
            "headRepository": {"id": self.id(), "name": self.name},
            "mergeable": merge(pull, ["UNKNOWN", "CONFLICTING", "MERGEABLE"]),
            "mergeStateStatus": merge(pull, ["UNKNOWN", "DIRTY", "CLEAN"]),
            "reviewDecision": pull.review_decision, "createdAt": pull.created_at, "updatedAt": pull.updated_at,
            "additions": 1, "deletions": 0, "changedFiles": 1, "commits": list(vec![commit]),
            "statusCheckRollup": rollup, "labels": list(vec![]), "assignees": list(vec![]),
            "comments": list(vec![]), "projectCards": list(vec![]), "reviewRequests": list(vec![]), "milestone": null,
            "reviews": list(pull.reviews.iter().map(review).collect()),
            "latestReviews": list(pull.reviews.iter().map(review).collect()),
            "reviewThreads": list(pull.review_comments.iter().map(thread).collect()),
        })
    }

    pub(super) fn pull_id(&self, number: u64) -> String {
        format!("PR_{}/{}_{number}", self.owner, self.name)
    }

    pub(super) fn pull_request_rest(&self, pull: &PullRequest, head_oid: &str) -> Value {
        let open = if pull.state == "OPEN" {
            "open"
        } else {
            "closed"
        };
        json!({
            "number": pull.number, "node_id": self.pull_id(pull.number), "title": pull.title, "body": pull.body,
            "state": open, "merged": pull.state == "MERGED", "draft": pull.draft, "user": {"login": pull.author},
            "html_url": format!("{}/pull/{}", self.url(), pull.number), "mergeable": !pull.conflict,
            "head": {"ref": pull.head, "sha": head_oid}, "base": {"ref": pull.base},
            "created_at": pull.created_at, "updated_at": pull.updated_at,
        })
    }

    pub(super) fn review_comment(&self, number: u64, comment: &ReviewComment) -> Value {
        json!({
            "id": comment.id, "user": {"login": comment.author}, "body": comment.body, "path": comment.path,
            "line": comment.line, "created_at": comment.updated_at, "updated_at": comment.updated_at,
            "html_url": format!("{}/pull/{number}#discussion_r{}", self.url(), comment.id),
        })
    }

    fn check(&self, check: &Check, at: &str) -> Value {
        let done = check.status == "COMPLETED";
        let or = |text: &str, other: &str| if text.is_empty() { other } else { text }.to_owned();
        let (at, workflow) = (or(&check.started_at, at), or(&check.workflow, "CI"));
        json!({
            "__typename": "CheckRun", "name": check.name, "status": check.status, "conclusion": check.conclusion,
            "startedAt": at, "completedAt": if done { &at } else { "0001-01-01T00:00:00Z" },
            "detailsUrl": format!("{}/actions/runs/{}/job/1", self.url(), check.run),
            "checkSuite": {"workflowRun": {"workflow": {"name": workflow}}},
        })
    }
}

/// A user as the REST API shows it.
pub(super) fn user(account: &Account) -> Value {
    json!({"login": account.login, "id": account.id, "name": account.name, "type": "User", "email": null})
}

/// A user as GraphQL shows an actor.
pub(super) fn actor(login: &str, name: &str) -> Value {
    json!({"__typename": "User", "id": format!("U_{login}"), "login": login, "name": name})
}

/// A GraphQL connection with everything on one page.
pub(super) fn list(nodes: Vec<Value>) -> Value {
    let edges: Vec<Value> = nodes.iter().map(|node| json!({"node": node})).collect();
    json!({
        "totalCount": nodes.len(), "issueCount": nodes.len(), "nodes": nodes, "edges": edges,
        "pageInfo": {"hasNextPage": false, "endCursor": null},
    })
}

/// The owner and name inside a repository's id without its prefix.
pub(super) fn repository_of_id(id: &str) -> Option<(String, String)> {
    let (owner, name) = id.split_once('/')?;
    Some((owner.to_owned(), name.to_owned()))
}

fn merge(pull: &PullRequest, [unknown, conflict, clean]: [&'static str; 3]) -> &'static str {
    match (pull.merge_unknown, pull.conflict) {
        (true, _) => unknown,
        (false, true) => conflict,
        (false, false) => clean,
    }
}

fn status(status: &CommitStatus, at: &str) -> Value {
    json!({
        "__typename": "StatusContext", "context": status.context, "state": status.state,
        "targetUrl": "https://ci.example.test/1", "createdAt": at, "description": "",
    })
}

fn rollup_state(pull: &PullRequest) -> &'static str {
    let checks = &pull.checks;
    let statuses = |wanted: &[&str]| pull.statuses.iter().any(|it| wanted.contains(&&*it.state));
    if statuses(&["FAILURE", "ERROR"]) {
        return "FAILURE";
    }
    if statuses(&["PENDING", "EXPECTED"]) || checks.iter().any(|check| check.status != "COMPLETED")
    {
        return "PENDING";
    }
    let good =
        |check: &Check| matches!(check.conclusion.as_str(), "SUCCESS" | "NEUTRAL" | "SKIPPED");
    if checks.iter().all(good) {
        "SUCCESS"
    } else {
        "FAILURE"
    }
}

fn review(review: &Review) -> Value {
    json!({
        "id": format!("PRR_{}_{}", review.author, review.submitted_at), "author": actor(&review.author, &review.author),
        "authorAssociation": "COLLABORATOR", "state": review.state, "body": review.body,
        "submittedAt": review.submitted_at, "includesCreatedEdit": false, "reactionGroups": [],
    })
}

fn thread(comment: &ReviewComment) -> Value {
    let inner = json!({
        "databaseId": comment.id, "fullDatabaseId": comment.id.to_string(),
        "author": actor(&comment.author, &comment.author), "body": comment.body,
    });
    json!({"id": format!("PRRT_{}", comment.id), "isResolved": comment.resolved, "comments": list(vec![inner])})
}
