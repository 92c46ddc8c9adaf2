//! Bad input and broken parts against the real server, real VMs and the real CLI, numbered as in
//! CONTRIBUTING.md. Number 5, the container engine that goes away, is in `ff-cloud/tests/docker.rs`.

#![allow(clippy::unwrap_used)]

#[path = "support/stage.rs"]
mod stage;

use std::path::Path;
use std::time::Duration;

use ff_testkit::github::GitHubFault;
use ff_testkit::journey::outside::{break_inside, labelled, look_inside};
use ff_testkit::journey::process::eventually;
use ff_testkit::journey::{World, up_to};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use stage::options;

const NOBODY: &str = "0199a1b2-0000-7000-8000-000000000000";

async fn world(last: &'static str) -> World {
    up_to(options(), last).await.unwrap()
}

/// Sends a request as curl would and returns its status and JSON body.
async fn call(
    world: &World,
    method: Method,
    path: &str,
    body: Option<&str>,
) -> (StatusCode, Value) {
    let mut request =
        reqwest::Client::new().request(method, format!("{}{path}", world.url().unwrap()));
    if let Some(body) = body {
        request = request
            .header("content-type", "application/json")
            .body(body.to_owned());
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    if status.is_client_error() || status.is_server_error() {
        assert_eq!(
            answer.headers()["content-type"],
            "application/problem+json",
            "{path}"
        );
    }
    (status, answer.json().await.unwrap_or_default())
}

async fn post(world: &World, path: &str, body: Value) -> (StatusCode, Value) {
    call(world, Method::POST, path, Some(&body.to_string())).await
}

fn path_of(world: &World) -> String {
    format!(
        "~/factory-factory/worktrees/*/workspace-{}",
        world.workspace().unwrap()
    )
}

/// Waits until a session's turn has ended and returns the session.
async fn ended(world: &World, session: &str) -> Value {
    let path = format!(
        "/api/workspaces/{}/sessions/{session}",
        world.workspace().unwrap()
    );
    eventually("the turn ends", Duration::from_secs(60), async || {
        let (status, shown) = call(world, Method::GET, &path, None).await;
        assert_eq!(status, StatusCode::OK, "{shown}");
        let over = shown["status"] == "FAILED" || !shown["lastTurn"].is_null();
        Ok((shown["activity"] == "idle" && over).then_some(shown))
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn bad_input_1_what_is_unknown_is_404() {
    let world = world("start").await;
    let paths = [
        format!("/api/vms/{NOBODY}"),
        format!("/api/vms/{NOBODY}/onboarding"),
        format!("/api/vms/{NOBODY}/terminals"),
        format!("/api/workspaces/{NOBODY}"),
        format!("/api/workspaces/{NOBODY}/sessions"),
        format!("/api/workspaces/{NOBODY}/sessions/{NOBODY}"),
        format!("/api/workspaces/{NOBODY}?userId=nobody-known"),
        format!("/api/handoffs/{NOBODY}"),
        "/api/nothing".to_owned(),
    ];
    for path in paths {
        let (status, problem) = call(&world, Method::GET, &path, None).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {problem}");
        assert_eq!(problem["code"], "not_found", "{path}");
    }
    let (status, problem) = post(
        &world,
        &format!("/api/workspaces/{NOBODY}/sessions"),
        json!({"prompt": "x"}),
    )
    .await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::NOT_FOUND, &json!("not_found"))
    );
    let ran = world
        .ff(["workspace", "show", "unknown-one"])
        .outcome()
        .await
        .unwrap();
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("ff workspace list"), "{}", ran.stderr);
}

#[tokio::test]
async fn bad_input_2_malformed_json_and_ids_are_refused() {
    let world = world("start").await;
    for (body, expected) in [
        ("{", StatusCode::BAD_REQUEST),
        ("", StatusCode::BAD_REQUEST),
        (r#"{"userId": 7}"#, StatusCode::UNPROCESSABLE_ENTITY),
        (r#"{"userId": "../etc"}"#, StatusCode::UNPROCESSABLE_ENTITY),
        (r#"{"userId": "A B"}"#, StatusCode::UNPROCESSABLE_ENTITY),
        (r#"{"user": "x"}"#, StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let (status, problem) = call(&world, Method::POST, "/api/vms", Some(body)).await;
        assert_eq!(status, expected, "{body}: {problem}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{body}");
    }
    for path in [
        "/api/vms/A%20B",
        "/api/vms/..%2f..%2fetc",
        "/api/workspaces/%00",
    ] {
        let (status, problem) = call(&world, Method::GET, path, None).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {problem}");
    }

    let instance = std::fs::read_to_string(world.server_dir().join("instance-id")).unwrap();
    assert!(
        labelled(instance.trim()).await.unwrap().is_empty(),
        "something was made"
    );
}

#[tokio::test]
async fn bad_input_3_a_workspace_sent_twice_is_409() {
    let world = world("send").await;
    let id = world.workspace().unwrap().to_owned();
    let log = format!("git -C {} log --oneline", path_of(&world));
    let before = look_inside(world.container().unwrap(), &log).await.unwrap();
    let ran = world.ff(["send", &id]).outcome().await.unwrap();
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("in the cloud"), "{}", ran.stderr);
    let again = json!({
        "id": NOBODY, "userId": world.user().unwrap(), "direction": "SEND", "workspaceId": id, "desktopId": NOBODY,
        "epoch": 1, "plan": {"workspaceId": id, "workspaceName": "x", "projectId": NOBODY, "projectName": "x",
        "remoteUrl": "https://github.com/octo/x.git", "defaultBranch": "main", "branch": "x"},
    });
    let (status, problem) = post(&world, "/api/handoffs", again).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("not_owner")),
        "{problem}"
    );
    assert_eq!(
        look_inside(world.container().unwrap(), &log).await.unwrap(),
        before
    );
}

#[tokio::test]
async fn bad_input_4_a_failed_clone_leaves_the_workspace_here_and_nothing_there() {
    let world = world("workspace").await;
    let id = world.workspace().unwrap().to_owned();
    let container = world.container().unwrap().to_owned();
    let nothing_there = async || {
        let found = "find ~/factory-factory -mindepth 2 -maxdepth 2; find ~/.local/share/ff-agent/spool -mindepth 1";
        assert_eq!(
            look_inside(&container, &format!("{found}; true"))
                .await
                .unwrap(),
            ""
        );
        let shown = world
            .ff(["--json", "workspace", "show", &id])
            .json()
            .await
            .unwrap();
        assert!(shown.to_string().contains("\"DESKTOP\""), "{shown}");
        let (status, _) = call(&world, Method::GET, &format!("/api/workspaces/{id}"), None).await;
        assert_eq!(
            status,
            StatusCode::NOT_FOUND,
            "the server's mirror knows it"
        );
    };

    world
        .github()
        .unwrap()
        .set_fault(Some(GitHubFault::GitRejectsLogin));
    let ran = world.ff(["send", &id]).outcome().await.unwrap();
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("gh auth login") && ran.stderr.contains("github.com"),
        "{}",
        ran.stderr
    );
    nothing_there().await;
    world.github().unwrap().set_fault(None);

    break_inside(&container, "cp /etc/hosts /tmp/hosts && sed 's/^.*github.com/192.0.2.1 github.invalid/' /tmp/hosts > /etc/hosts")
        .await
        .unwrap();
    let ran = world.ff(["send", &id]).outcome().await.unwrap();
    assert_ne!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("github.com") && ran.stderr.contains("reach"),
        "{}",
        ran.stderr
    );
    nothing_there().await;
    break_inside(&container, "cat /tmp/hosts > /etc/hosts")
        .await
        .unwrap();

    let bare = std::fs::read_dir(world.github().unwrap().repositories_dir().join("octo"))
        .unwrap()
        .next();
    let bare = bare.unwrap().unwrap().path();
    git(&bare, &["branch", "--move", "main", "trunk"]);
    let ran = world.ff(["send", &id]).outcome().await.unwrap();
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("branch main"), "{}", ran.stderr);
    nothing_there().await;
    git(&bare, &["branch", "--move", "trunk", "main"]);

    world.ff(["send", &id]).ok().await.unwrap();
}

fn git(dir: &Path, args: &[&str]) {
    let status = std::process::Command::new("git")
        .arg("-C")
        .arg(dir)
        .args(args)
        .status()
        .unwrap();
    assert!(status.success(), "git {args:?}");
}

#[tokio::test]
async fn bad_input_6_a_cli_that_is_killed_or_missing_fails_the_session_and_the_agent_lives() {
    let world = world("send").await;
    let id = world.workspace().unwrap().to_owned();
    let container = world.container().unwrap().to_owned();
    let sessions = format!("/api/workspaces/{id}/sessions");

    let (status, started) = post(
        &world,
        &sessions,
        json!({"prompt": "Read the note, SLOWLY"}),
    )
    .await;
    assert_eq!(status, StatusCode::CREATED, "{started}");
    let session = started["id"].as_str().unwrap().to_owned();
    eventually("the CLI runs", Duration::from_secs(20), async || {
        let found = look_inside(&container, "pgrep -f '^claude -p' || true").await?;
        Ok((!found.is_empty()).then_some(()))
    })
    .await
    .unwrap();
    look_inside(&container, "pkill -KILL -f '^claude -p'")
        .await
        .unwrap();
    let killed = ended(&world, &session).await;
    assert_eq!(killed["status"], "FAILED", "{killed}");
    let reason = killed["error"].as_str().unwrap().to_lowercase();
    assert!(
        reason.contains("signal") || reason.contains("kill"),
        "{reason}"
    );

    break_inside(
        &container,
        "mv /usr/local/bin/claude /usr/local/bin/claude.away",
    )
    .await
    .unwrap();
    let (status, missing) = post(&world, &sessions, json!({"prompt": "x"})).await;
    let told = if status == StatusCode::CREATED {
        ended(&world, missing["id"].as_str().unwrap()).await
    } else {
        missing
    };
    assert!(told.to_string().to_lowercase().contains("claude"), "{told}");
    let list = call(&world, Method::GET, &sessions, None).await.1;
    let last = list["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["status"], "FAILED", "{last}");
    assert!(last["error"].as_str().unwrap().contains("claude"), "{last}");

    break_inside(
        &container,
        "mv /usr/local/bin/claude.away /usr/local/bin/claude",
    )
    .await
    .unwrap();
    let (status, fine) = post(&world, &sessions, json!({"prompt": "Read the note."})).await;
    assert_eq!(status, StatusCode::CREATED, "{fine}");
    let done = ended(&world, fine["id"].as_str().unwrap()).await;
    assert_eq!(done["lastTurn"]["outcome"], "completed", "{done}");
    let running = look_inside(&container, "pgrep -c ff-agent").await.unwrap();
    assert_eq!(running, "1", "the agent lives");
}
