//! What `docs/OPERATIONS.md` and the README say of calls, codes and options is true.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics to fail"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use ff_cloud::config::Cli;
use ff_cloud::db::entity::vm;
use ff_protocol::handoff::CreateHandoff;
use ff_protocol::vm::VmState;
use ff_protocol::{LeaseId, ProjectId, SessionId, TerminalId, VmId, WorkspaceId};
use reqwest::Method;
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use support::backend::Backend;
use support::moving::{SHA, World, ids, manifest, pull, send};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The first two cells of each row of a table whose first cell is code.
fn table(page: &str) -> Vec<(String, String)> {
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let first = cells.next()?.strip_suffix('`')?;
        let second = cells.next()?.trim_end_matches(" |");
        Some((first.to_owned(), second.to_owned()))
    });
    rows.collect()
}

/// Which calls wake a VM, as the page says.
fn documented() -> BTreeMap<String, String> {
    let rows = table(&read("docs/OPERATIONS.md"));
    let calls: Vec<_> = rows
        .into_iter()
        .filter(|(call, _)| call.contains(" /"))
        .collect();
    let map: BTreeMap<_, _> = calls.iter().cloned().collect();
    assert_eq!(map.len(), calls.len(), "a call stands there twice");
    map
}

fn sources(dir: &Path, all: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => sources(&path, all),
            false => all.push(std::fs::read_to_string(path).unwrap()),
        }
    }
}

/// What stands between the parenthesis that opens here and its end.
fn argument(text: &str) -> &str {
    let mut depth = 1;
    let end = text.find(|c| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    });
    &text[..end.unwrap()]
}

fn methods(text: &str) -> Vec<&'static str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    ["GET", "POST", "PUT", "PATCH", "DELETE"]
        .into_iter()
        .filter(|method| {
            let call = format!("{}(", method.to_lowercase());
            let mut found = text.match_indices(&call);
            found.any(|(at, _)| !text[..at].ends_with(is_word))
        })
        .collect()
}

/// The routes that the source of the HTTP API has.
fn routes() -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(&root().join("crates/ff-cloud/src/http"), &mut files);
    let mut all = BTreeSet::new();
    for file in &files {
        for (at, start) in file.match_indices(".route(") {
            let route = argument(&file[at + start.len()..]);
            if route.trim_start().starts_with('&') {
                continue; // The service's way to an agent has the same name.
            }
            let mut quoted = route.split('"');
            let path = quoted.nth(1).expect("a route without a literal path");
            let handlers = quoted.next().unwrap().trim_matches([',', ' ', '\n']);
            let found = match methods(handlers) {
                none if none.is_empty() => {
                    let binding = format!("let {handlers} = ");
                    let (_, bound) = file.split_once(&binding).expect("a route of nothing");
                    methods(bound.split(';').next().unwrap())
                }
                found => found,
            };
            assert!(!found.is_empty(), "{path} has no method");
            all.extend(found.iter().map(|method| format!("{method} {path}")));
        }
    }
    all
}

#[test]
fn every_route_stands_in_the_list_of_what_wakes_and_no_other() {
    let documented: BTreeSet<_> = documented().into_keys().collect();
    let routes = routes();
    assert!(routes.len() > 40, "the source was not understood");
    let missing: Vec<_> = routes.difference(&documented).collect();
    assert!(missing.is_empty(), "not in docs/OPERATIONS.md: {missing:?}");
    let gone: Vec<_> = documented.difference(&routes).collect();
    assert!(gone.is_empty(), "not in the server: {gone:?}");
}

/// A user with a workspace in a stopped VM, and a hand-off that is as far as a call needs it.
struct Asleep {
    world: World,
    vm: VmId,
    workspace: WorkspaceId,
    ask: CreateHandoff,
}

impl Asleep {
    async fn ready_for(call: &str) -> Self {
        let world = World::new(Backend::Sqlite).await;
        let vm = world.client.vms().await.unwrap().remove(0).id;
        let (desktop, workspace) = ids();
        world.sent(&send(&desktop, &workspace, 1)).await;
        let (_, other) = ids();
        let mut ask = send(&desktop, &other, 1);
        match call {
            "POST /api/handoffs/{handoff}/commit" => world.restored(&ask).await,
            "POST /api/handoffs/{handoff}/finalize" => {
                world.restored(&ask).await;
                world.client.commit(&ask.id).await.unwrap();
            }
            "GET /api/handoffs/{handoff}/parts/{sha256}" => {
                ask = pull(&desktop, &workspace, 2);
                *world.engine.manifest.lock().unwrap() = Some(manifest(&ask));
                let parts = &world.engine.parts;
                parts.lock().unwrap().insert(SHA.into(), "a part".into());
                world.client.create_handoff(&ask).await.unwrap();
            }
            call if call.contains("{handoff}") => {
                world.client.create_handoff(&ask).await.unwrap();
            }
            _ => {}
        }
        let suspend = format!("/api/vms/{vm}/suspend");
        let asleep = world
            .server
            .post(&suspend, json!({"tier": "stopped"}))
            .await;
        assert_eq!(asleep.body["state"], "STOPPED", "{call}: {asleep:?}");
        Self {
            world,
            vm,
            workspace,
            ask,
        }
    }

    fn path(&self, template: &str) -> String {
        let path = template
            .replace("{vm}", self.vm.as_str())
            .replace("{workspace}", self.workspace.as_str())
            .replace("{handoff}", self.ask.id.as_str())
            .replace("{lease}", LeaseId::generate().as_str())
            .replace("{project}", ProjectId::generate().as_str())
            .replace("{session}", SessionId::generate().as_str())
            .replace("{terminal}", TerminalId::generate().as_str())
            .replace("{sha256}", SHA)
            .replace("{user}", "test-user");
        assert!(!path.contains('{'), "nothing is known of {path}");
        path
    }

    fn body(&self, call: &str) -> Value {
        match call {
            "POST /api/vms/{vm}/leases" => json!({"seconds": 60}),
            "POST /api/vms/{vm}/suspend" => json!({"tier": "frozen"}),
            "PATCH /api/vms/{vm}/limits" => json!({"pids": 200}),
            "POST /api/handoffs" => serde_json::to_value(&self.ask).unwrap(),
            "POST /api/workspaces/{workspace}/reclaim" => json!({"owner": "cloud", "epoch": 9}),
            "POST /api/ownership" => json!({"claims": []}),
            "POST /api/handoffs/{handoff}/restore" | "POST /api/handoffs/{handoff}/offer" => {
                serde_json::to_value(manifest(&self.ask)).unwrap()
            }
            _ => json!({}),
        }
    }

    /// Sends the call, and answers the state of the row afterwards; none if it is gone.
    async fn call(&self, call: &str, query: &str) -> (u16, Option<VmState>) {
        let (method, template) = call.split_once(' ').unwrap();
        let path = self.path(template);
        let url = format!("{}{path}?userId=test-user{query}", self.world.online.url);
        let method: Method = method.parse().unwrap();
        let mut request = reqwest::Client::new().request(method.clone(), url);
        if template.ends_with("/socket") {
            request = request
                .header("connection", "upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-version", "13")
                .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        } else if method == Method::PUT {
            request = request.body("hello world");
        } else if method != Method::GET {
            request = request.json(&self.body(call));
        }
        let status = request.send().await.unwrap().status().as_u16();
        let db = self.world.server.app.db.write();
        let row = vm::Entity::find_by_id(self.vm.as_str()).one(db).await;
        (status, row.unwrap().map(|row| row.state.into()))
    }
}

#[tokio::test]
async fn exactly_the_calls_that_are_said_to_wake_a_vm_do() {
    for (call, wakes) in documented() {
        let asleep = Asleep::ready_for(&call).await;
        let (status, state) = asleep.call(&call, "").await;
        match wakes.as_str() {
            "yes" => assert_eq!(state, Some(VmState::Running), "{call}: {status}"),
            "no" => {
                assert_eq!(state, Some(VmState::Stopped), "{call}: {status}");
                let (_, state) = asleep.call(&call, "&wake=true").await;
                assert_eq!(state, Some(VmState::Stopped), "{call} with wake");
                assert!(status < 300 || status == 404, "{call}: {status}");
            }
            "with `?wake=true`" => {
                assert_eq!((status, state), (409, Some(VmState::Stopped)), "{call}");
                let (_, state) = asleep.call(&call, "&wake=true").await;
                assert_eq!(state, Some(VmState::Running), "{call} with wake");
            }
            "removes it" if call.contains("/users/") => {
                assert_eq!((status, state), (409, Some(VmState::Stopped)), "{call}");
                let (status, state) = asleep.call(&call, "&force=true").await;
                assert_eq!((status, state), (200, None), "{call} by force");
            }
            "removes it" => {
                assert_eq!((status, state), (204, Some(VmState::Terminated)), "{call}");
            }
            other => panic!("{call}: what is `{other}`?"),
        }
    }
}

#[test]
fn every_reason_code_is_explained() {
    let source = read("crates/ff-cloud/src/services/vm/failure.rs");
    let (_, causes) = source.split_once("causes! {").unwrap();
    let (causes, _) = causes.split_once('}').unwrap();
    let codes: Vec<_> = causes.split('"').skip(1).step_by(2).collect();
    assert!(codes.len() >= 14, "the source was not understood");
    let explained: BTreeSet<_> = table(&read("docs/OPERATIONS.md"))
        .into_iter()
        .map(|(code, _)| code)
        .collect();
    for code in codes.into_iter().chain(["idle", "asked"]) {
        assert!(
            explained.contains(code),
            "`{code}` is not in docs/OPERATIONS.md"
        );
    }
}

#[test]
fn every_option_stands_in_the_readme() {
    let cli = Cli::command();
    let serve = cli.find_subcommand("serve").unwrap();
    let readme = read("README.md");
    for option in serve.get_arguments().filter_map(|it| it.get_long()) {
        if option != "help" && option != "version" {
            let shown = readme.contains(&format!("`--{option}"));
            assert!(shown, "--{option} is not in the README");
        }
    }
}
