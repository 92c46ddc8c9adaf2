//! Pull requests of a workspace in a VM, with the real `gh` there.

use std::time::Duration;

use ff_protocol::socket::WorkspaceFrame;
use ff_testkit::github::PullRequest;
use ff_testkit::journey::process::eventually;
use reqwest::Method;
use serde_json::{Value, json};

use crate::vm::{Vm, last_words};

/// Far less than the time between two looks of the agent.
const SOON: Duration = Duration::from_secs(60);

/// With the login of `gh`, as `gh auth setup-git` would have it.
const OPEN: &str = "git -c credential.helper= -c credential.helper='!gh auth git-credential' \
    push --quiet --set-upstream origin HEAD && gh pr create --title 'The answer' --body 'It is there.'";

#[tokio::test]
async fn one_that_a_session_opens_appears_by_itself_and_is_read_when_asked_for() {
    let vm = Vm::new().await;
    let pr = async || vm.call(Method::GET, "/pr", Value::Null).await;
    assert_eq!(pr().await["pr"]["state"], "NONE");
    let mut socket = vm.socket().await;
    let command = json!({"command": OPEN, "description": "Open a pull request"});
    let start = json!({"prompt": format!("TOOL Bash {command}"), "permissions": "YOLO"});
    let session = vm.start(start).await;
    let said = last_words(&vm.ended(&session, 1).await);
    assert!(said.contains("/pull/1"), "{said}");

    let seen = eventually("the pull request appears", SOON, async || {
        let status = pr().await;
        Ok((status["pr"]["number"] == 1).then_some(status))
    });
    let seen = seen.await.unwrap();
    let remote = vm.in_checkout("git remote get-url origin").await;
    let repository = remote.trim_end_matches(".git").rsplit('/').next().unwrap();
    let url = format!("https://github.com/octo/{repository}/pull/1");
    assert_eq!(
        (&seen["pr"]["url"], &seen["pr"]["state"]),
        (&url.as_str().into(), &"OPEN".into())
    );
    assert_eq!(
        seen["branchName"],
        vm.in_checkout("git branch --show-current").await
    );
    let told = socket.until(|frame| matches!(frame, WorkspaceFrame::WorkspaceChanged { .. }));
    told.await;
    let workspace = vm.world.workspace().unwrap();
    let show = vm.world.ff(["--json", "workspace", "show", workspace]);
    let shown = show.json().await.unwrap();
    assert_eq!(shown["pr"]["url"], url);

    let github = vm.world.github().unwrap();
    let opened = github.pull_requests("octo", repository).remove(0);
    assert_eq!((&*opened.title, &*opened.author), ("The answer", "octo"));
    let draft = PullRequest {
        draft: true,
        conflict: true,
        ..opened
    };
    github.set_pull_request("octo", repository, draft);
    let sync = vm.world.ff(["--json", "pr", "sync", workspace]);
    let synced = sync.json().await.unwrap();
    assert_eq!(
        (&synced["pr"]["state"], &synced["pr"]["hasMergeConflict"]),
        (&"DRAFT".into(), &true.into())
    );
    let on = vm.world.ff(["--json", "ratchet", "on", workspace]);
    assert_eq!(on.json().await.unwrap()["ratchetState"], "MERGE_CONFLICT");
    assert_eq!(pr().await["ratchet"]["enabled"], true);
}
