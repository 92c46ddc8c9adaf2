use serde_json::{Map, Value, json};

use super::Shared;
use super::accounts::Account;
use super::pull_requests::PullRequest;
use super::query::{Field, parse, project};
use super::shapes::{self, RepositoryView};

/// A GraphQL error's type and message.
struct Failure(&'static str, String);

type Resolved = Result<Value, Failure>;

/// Who asks, and under which name GitHub was reached.
struct Context<'a> {
    shared: &'a Shared,
    account: &'a Account,
    web_url: &'a str,
}

/// Answers the queries `gh` and the product send.
pub(super) async fn answer(
    shared: &Shared,
    account: &Account,
    web_url: &str,
    body: &Value,
) -> Value {
    let context = Context {
        shared,
        account,
        web_url,
    };
    let fields = match parse(
        body["query"].as_str().unwrap_or_default(),
        &body["variables"],
    ) {
        Ok(fields) => fields,
        Err(error) => return json!({"errors": [{"message": format!("Parse error: {error}")}]}),
    };
    let (mut data, mut errors) = (Map::new(), Vec::new());
    for field in &fields {
        let value = context
            .root(field)
            .await
            .unwrap_or_else(|Failure(kind, message)| {
                errors.push(json!({"type": kind, "path": [field.key], "message": message}));
                Value::Null
            });
        data.insert(field.key.clone(), value);
    }
    if errors.is_empty() {
        json!({"data": data})
    } else {
        json!({"data": data, "errors": errors})
    }
}

impl Context<'_> {
    async fn root(&self, field: &Field) -> Resolved {
        let value = match field.name.as_str() {
            "viewer" => shapes::actor(&self.account.login, &self.account.name),
            "__type" => json!({"fields": []}),
            "repository" => return self.repository(field).await,
            "node" => self.node(text(field, "id")).await?,
            "search" => shapes::list(self.search(text(field, "query")).await),
            "createPullRequest" => self.create_pull_request(&field.arguments["input"]).await?,
            name => {
                return Err(Failure(
                    "undefinedField",
                    format!("Field '{name}' doesn't exist on type 'Query'"),
                ));
            }
        };
        Ok(project(&value, &field.fields))
    }

    async fn repository(&self, field: &Field) -> Resolved {
        let view = self.view(text(field, "owner"), text(field, "name"))?;
        let mut value = project(&view.graphql(), &field.fields);
        for field in &field.fields {
            let found = match field.name.as_str() {
                "pullRequest" => {
                    self.pull_request(&view, field.arguments.get("number"))
                        .await?
                }
                "pullRequests" => self.pull_requests(&view, field).await,
                _ => continue,
            };
            let mut shown = project(&found, &field.fields);
            for inner in &field.fields {
                if inner.name == "reviewThreads" {
                    let page = page(inner, &found[inner.name.as_str()]["nodes"]);
                    shown[inner.key.as_str()] = project(&page, &inner.fields);
                }
            }
            value[field.key.as_str()] = shown;
        }
        Ok(value)
    }

    fn view<'a>(&'a self, owner: &'a str, name: &'a str) -> Result<RepositoryView<'a>, Failure> {
        match self.shared.repositories.find(owner, name) {
            Some(_) => Ok(RepositoryView {
                web_url: self.web_url,
                owner,
                name,
            }),
            None => Err(not_found(format!(
                "a Repository with the name '{owner}/{name}'"
            ))),
        }
    }

    async fn pull_request(&self, view: &RepositoryView<'_>, number: Option<&Value>) -> Resolved {
        let number = number.and_then(Value::as_u64).unwrap_or_default();
        let pulls = self.shared.pulls.of(view.owner, view.name);
        match pulls.iter().find(|pull| pull.number == number) {
            Some(pull) => Ok(self.shown(view, pull).await),
            None => Err(not_found(format!(
                "a PullRequest with the number of {number}"
            ))),
        }
    }

    async fn pull_requests(&self, view: &RepositoryView<'_>, field: &Field) -> Value {
        let mut nodes = Vec::new();
        for pull in self.shared.pulls.of(view.owner, view.name) {
            if selects(field, &pull) {
                nodes.push(self.shown(view, &pull).await);
            }
        }
        page(field, &Value::from(nodes))
    }

    async fn node(&self, id: &str) -> Resolved {
        let missing = || not_found(format!("a node with the global id of '{id}'"));
        let parts = id
            .strip_prefix("PR_")
            .and_then(|rest| rest.rsplit_once('_'));
        let (repository, number) = parts.ok_or_else(missing)?;
        let (owner, name) = shapes::repository_of_id(repository).ok_or_else(missing)?;
        let number = number.parse::<u64>().map_err(|_| missing())?;
        self.pull_request(&self.view(&owner, &name)?, Some(&number.into()))
            .await
    }

    /// The open pull requests that `repo:` and `author:` in a search select.
    async fn search(&self, query: &str) -> Vec<Value> {
        let term = |key: &str| {
            query
                .split_whitespace()
                .find_map(|word| word.strip_prefix(key))
        };
        let Some((owner, name)) = term("repo:").and_then(|repo| repo.split_once('/')) else {
            return Vec::new();
        };
        let Some(author) = term("author:") else {
            return Vec::new();
        };
        let author = if author == "@me" {
            self.account.login.as_str()
        } else {
            author
        };
        let view = RepositoryView {
            web_url: self.web_url,
            owner,
            name,
        };
        let mut found = Vec::new();
        for pull in self.shared.pulls.of(owner, name) {
            if pull.author == author && pull.state == "OPEN" {
                found.push(self.shown(&view, &pull).await);
            }
        }
        found
    }

    async fn shown(&self, view: &RepositoryView<'_>, pull: &PullRequest) -> Value {
        view.pull_request(
            pull,
            &self
                .shared
                .head_oid(view.owner, view.name, &pull.head)
                .await,
        )
    }

    async fn create_pull_request(&self, input: &Value) -> Resolved {
        let text = |key: &str| input[key].as_str().unwrap_or_default().to_owned();
        let id = text("repositoryId");
        let repository = id.strip_prefix("R_").and_then(shapes::repository_of_id);
        let (owner, name) =
            repository.ok_or_else(|| not_found(format!("a node with the global id of '{id}'")))?;
        let branch = text("headRefName")
            .rsplit(':')
            .next()
            .unwrap_or_default()
            .to_owned();
        let refused = |message: String| Err(Failure("UNPROCESSABLE", message));
        if self
            .shared
            .repositories
            .branch_head(&owner, &name, &branch)
            .await
            .is_none()
        {
            return refused("Head sha can't be blank, Head ref must be a branch".to_owned());
        }
        let same = |pull: &PullRequest| pull.head == branch && pull.state == "OPEN";
        if self.shared.pulls.of(&owner, &name).iter().any(same) {
            return refused(format!(
                "A pull request already exists for {owner}:{branch}."
            ));
        }
        let number = self.shared.pulls.set(
            &owner,
            &name,
            PullRequest {
                title: text("title"),
                body: text("body"),
                head: branch,
                base: text("baseRefName"),
                author: self.account.login.clone(),
                draft: input["draft"].as_bool().unwrap_or(false),
                ..PullRequest::default()
            },
        );
        let view = self.view(&owner, &name)?;
        Ok(json!({"pullRequest": self.pull_request(&view, Some(&number.into())).await?}))
    }
}

fn not_found(what: String) -> Failure {
    Failure("NOT_FOUND", format!("Could not resolve to {what}."))
}

/// A part of a list, by `first` and `after`; the cursor is the place.
fn page(field: &Field, nodes: &Value) -> Value {
    let all = nodes.as_array().map(Vec::as_slice).unwrap_or_default();
    let number = |value: Option<&Value>| value?.as_u64().and_then(|it| usize::try_from(it).ok());
    let start = text(field, "after").parse().unwrap_or(0).min(all.len());
    let most = number(field.arguments.get("first")).unwrap_or(100).min(100);
    let end = all.len().min(start + most);
    let mut list = shapes::list(all[start..end].to_vec());
    list["totalCount"] = all.len().into();
    list["pageInfo"] = json!({"hasNextPage": end < all.len(), "endCursor": end.to_string()});
    list
}

fn text<'a>(field: &'a Field, argument: &str) -> &'a str {
    field
        .arguments
        .get(argument)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn selects(field: &Field, pull: &PullRequest) -> bool {
    let is = |argument: &str, actual: &str| match field.arguments.get(argument) {
        None | Some(Value::Null) => true,
        Some(Value::Array(any)) => any.iter().any(|wanted| wanted == actual),
        Some(wanted) => wanted == actual,
    };
    is("headRefName", &pull.head) && is("baseRefName", &pull.base) && is("states", &pull.state)
}
