use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Shared;
use super::accounts::Account;
use super::shapes::{self, RepositoryView};

/// Answers a REST path, counted from the API's root.
pub(super) async fn answer(
    shared: &Shared,
    account: &Account,
    web_url: &str,
    method: &Method,
    path: &str,
    query: &str,
) -> (StatusCode, Value) {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let read = *method == Method::GET || *method == Method::HEAD;
    let found = match &parts[..] {
        [] => Some(json!({"current_user_url": format!("{web_url}/user")})),
        ["user"] if read => Some(shapes::user(account)),
        ["user", "orgs" | "emails"] if read => Some(json!([])),
        ["users", login] if read => shared
            .account_of_login(login)
            .map(|account| shapes::user(&account)),
        ["repos", owner, name, rest @ ..]
            if read && shared.repositories.find(owner, name).is_some() =>
        {
            repository(
                shared,
                &RepositoryView {
                    web_url,
                    owner,
                    name,
                },
                rest,
                query,
            )
            .await
        }
        ["rate_limit"] if read => {
            Some(json!({"resources": {"core": {"limit": 5000, "remaining": 4999}}}))
        }
        _ => None,
    };
    let missing =
        || json!({"message": "Not Found", "documentation_url": "https://docs.github.com/rest"});
    found.map_or_else(
        || (StatusCode::NOT_FOUND, missing()),
        |value| (StatusCode::OK, value),
    )
}

async fn repository(
    shared: &Shared,
    view: &RepositoryView<'_>,
    rest: &[&str],
    query: &str,
) -> Option<Value> {
    let pulls = shared.pulls.of(view.owner, view.name);
    let numbered = |number: &str| pulls.iter().find(|pull| number.parse() == Ok(pull.number));
    match rest {
        [] => Some(view.rest()),
        ["pulls"] => {
            let mut open = Vec::new();
            for pull in pulls.iter().filter(|pull| pull.state == "OPEN") {
                let oid = shared.head_oid(view.owner, view.name, &pull.head).await;
                open.push(view.pull_request_rest(pull, &oid));
            }
            Some(Value::from(open))
        }
        ["pulls", number] => {
            let pull = numbered(number)?;
            let oid = shared.head_oid(view.owner, view.name, &pull.head).await;
            Some(view.pull_request_rest(pull, &oid))
        }
        ["pulls", number, "comments"] => {
            let pull = numbered(number)?;
            let (page, per_page) = (
                parameter(query, "page", 1),
                parameter(query, "per_page", 30),
            );
            let skipped = (page.max(1) - 1) * per_page.min(100);
            let comments = pull
                .review_comments
                .iter()
                .skip(skipped)
                .take(per_page.min(100));
            Some(
                comments
                    .map(|comment| view.review_comment(pull.number, comment))
                    .collect::<Vec<_>>()
                    .into(),
            )
        }
        ["issues", number] => {
            let issue = shared
                .issues
                .find(view.owner, view.name, number.parse().ok()?);
            let pull = numbered(number).map(|pull| view.issue_of(pull));
            issue.map(|issue| view.issue(&issue)).or(pull)
        }
        ["branches", branch @ ..] if !branch.is_empty() => {
            let branch = branch.join("/");
            let oid = shared
                .repositories
                .branch_head(view.owner, view.name, &branch)
                .await?;
            Some(json!({"name": branch, "commit": {"sha": oid}}))
        }
        _ => None,
    }
}

/// A number in a query.
fn parameter(query: &str, name: &str, default: usize) -> usize {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    values
        .next()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}
