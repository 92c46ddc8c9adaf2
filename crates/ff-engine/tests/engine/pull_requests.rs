//! Pull requests over HTTP, with the real `gh` against a GitHub of our own.

use ff_protocol::WorkspaceId;
use ff_testkit::github::{Gh, GitHub, GitHubConfig, PullRequest};
use serde_json::Value;

use crate::world::{World, next_json};

const URL: &str = "https://github.com/octo/demo/pull/1";

/// A workspace, and a GitHub with one pull request of its branch.
async fn ready() -> (World, GitHub, String) {
    let world = World::new().await;
    let github = GitHub::start(GitHubConfig {
        bind: "127.0.0.1:0".parse().unwrap(),
        ..GitHubConfig::default()
    })
    .await
    .unwrap();
    github.create_repo("octo", "demo").await.unwrap();
    let pull = PullRequest {
        head: "work".into(),
        ..PullRequest::default()
    };
    github.set_pull_request("octo", "demo", pull);
    Gh::install(&world.home().join("bin"), &github).unwrap();
    Gh::log_in(&world.home().join(".config"), "gho_testkitocto").unwrap();
    let path = format!("/api/workspaces/{}", world.workspace);
    (world, github, path)
}

fn attach(text: &str) -> String {
    serde_json::json!({ "pullRequest": text }).to_string()
}

#[tokio::test]
async fn one_is_attached_read_again_and_shown_and_sockets_hear_of_it() {
    let (world, github, path) = ready().await;
    let (status, none) = world.get(&format!("{path}/pr")).await;
    assert_eq!((status, &none["pr"]["state"]), (200, &Value::from("NONE")));
    assert_eq!(none["ciObservation"], "NOT_FETCHED");
    let mut socket = world.connect(&format!("{path}/socket")).await;
    assert_eq!(next_json(&mut socket).await["type"], "messages_snapshot");

    let (status, attached) = world.post(&format!("{path}/pr/attach"), &attach(URL)).await;
    assert_eq!(status, 200, "{attached}");
    assert_eq!(
        (&attached["pr"]["url"], &attached["pr"]["number"]),
        (&URL.into(), &1.into())
    );
    assert_eq!(attached["pr"]["state"], "OPEN");
    assert_eq!(attached["ciObservation"], "CHECKS_PASSED");
    assert_eq!(next_json(&mut socket).await["type"], "workspace_changed");

    github.set_pull_request(
        "octo",
        "demo",
        PullRequest {
            number: 1,
            head: "work".into(),
            conflict: true,
            ..PullRequest::default()
        },
    );
    let (status, synced) = world.post(&format!("{path}/pr/sync"), "{}").await;
    assert_eq!(
        (status, &synced["pr"]["hasMergeConflict"]),
        (200, &true.into())
    );
    assert_eq!(next_json(&mut socket).await["type"], "workspace_changed");

    let (status, on) = world
        .patch(&format!("{path}/ratchet"), r#"{"enabled":true}"#)
        .await;
    assert_eq!(
        (status, &on["ratchetState"]),
        (200, &"MERGE_CONFLICT".into())
    );
    assert_eq!(next_json(&mut socket).await["type"], "workspace_changed");
    let shown = world.get(&format!("{path}/pr")).await.1;
    assert_eq!(shown, on);
    let whole = world.get(&path).await.1;
    assert_eq!(
        (&whole["pr"], &whole["ratchet"]),
        (&on["pr"], &on["ratchet"])
    );
    let (_, off) = world
        .patch(&format!("{path}/ratchet"), r#"{"enabled":false}"#)
        .await;
    assert_eq!(
        (&off["ratchet"]["enabled"], &off["ratchetState"]),
        (&false.into(), &"IDLE".into())
    );
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_code() {
    let (world, github, path) = ready().await;
    let nowhere = format!("/api/workspaces/{}", WorkspaceId::generate());
    for (path, body, status, code) in [
        ("/pr/attach", attach("nonsense"), 422, "invalid"),
        ("/pr/attach", attach("1"), 422, "invalid"),
        ("/pr/attach", "{}".into(), 422, "invalid"),
        ("/pr/attach", "[]".into(), 422, "invalid"),
        (
            "/pr/attach",
            r#"{"pullRequest":"1","more":1}"#.into(),
            422,
            "invalid",
        ),
        ("/pr/attach", "nonsense".into(), 400, "bad_request"),
        (
            "/pr/attach",
            attach(&URL.replace("/1", "/7")),
            404,
            "not_found",
        ),
        ("/pr/sync", "{}".into(), 409, "conflict"),
    ] {
        let (seen, problem) = world
            .post(&format!("{}{path}", self::path(&world)), &body)
            .await;
        assert_eq!(
            (seen, &problem["code"]),
            (status, &code.into()),
            "{path} {body}: {problem}"
        );
        let elsewhere = world.post(&format!("{nowhere}{path}"), &attach(URL)).await;
        assert_eq!(elsewhere.0, 404);
    }
    for body in ["{}", r#"{"enabled":"yes"}"#, r#"{"enabled":true,"more":1}"#] {
        let (seen, problem) = world.patch(&format!("{path}/ratchet"), body).await;
        assert_eq!((seen, &problem["code"]), (422, &"invalid".into()), "{body}");
    }
    assert_eq!(world.get(&format!("{nowhere}/pr")).await.0, 404);
    let elsewhere = world
        .patch(&format!("{nowhere}/ratchet"), r#"{"enabled":true}"#)
        .await;
    assert_eq!(elsewhere.0, 404);
    github.set_accounts(Vec::new());
    let (seen, problem) = world.post(&format!("{path}/pr/attach"), &attach(URL)).await;
    assert_eq!(
        (seen, &problem["code"]),
        (409, &"login_required".into()),
        "{problem}"
    );
    assert!(problem["hint"].as_str().unwrap().contains("gh auth login"));
}

fn path(world: &World) -> String {
    format!("/api/workspaces/{}", world.workspace)
}
