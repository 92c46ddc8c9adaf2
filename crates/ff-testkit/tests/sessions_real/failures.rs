//! What the API does not do, as the user is told of it.

use std::time::Duration;

use ff_protocol::session::{EntryKind, SessionStatus, TurnFailure, TurnOutcome};
use ff_testkit::journey::process::eventually;
use serde_json::json;

use crate::vm::{NO_MODEL, Vm, entries, last_words};

/// Settings of the project are stronger than the user's.
const NOWHERE: &str = r#"mkdir -p .claude && echo '{"env":{"ANTHROPIC_BASE_URL":"http://127.0.0.1:9"}}' > .claude/settings.local.json"#;

#[tokio::test]
async fn bad_input_session_4_failures_of_the_api_are_told_apart() {
    let vm = Vm::new().await;
    let cases = [
        ("ERR 429", None, TurnFailure::RateLimited, "429"),
        ("ERR 529", None, TurnFailure::Overloaded, "529"),
        ("SAY x", Some(NO_MODEL), TurnFailure::Api, NO_MODEL),
    ];
    for (prompt, model, failure, words) in cases {
        let session = vm.start(json!({ "prompt": prompt, "model": model })).await;
        let detail = vm.ended(&session, 1).await;
        let turn = detail.session.last_turn.clone().unwrap();
        assert_eq!(
            (turn.outcome, turn.failure),
            (TurnOutcome::Failed, Some(failure)),
            "{turn:?}"
        );
        let reason = turn.reason.unwrap();
        println!("{failure:?}: {reason}");
        assert!(reason.contains(words), "{reason}");
        // The API failed, not the session: it goes on once the API does.
        assert_eq!(detail.session.status, SessionStatus::Running);
        if model.is_none() {
            vm.prompt(&session, "SAY well again").await;
            assert_eq!(last_words(&vm.ended(&session, 2).await), "well again");
        }
        vm.stop(&session).await;
    }

    vm.in_checkout(NOWHERE).await;
    let session = vm.start(json!({ "prompt": "SAY x" })).await;
    let detail = vm.ended(&session, 1).await;
    let turn = detail.session.last_turn.unwrap();
    assert_eq!(
        (turn.outcome, turn.failure),
        (TurnOutcome::Failed, Some(TurnFailure::Unreachable)),
        "{turn:?}"
    );
    println!("unreachable: {}", turn.reason.unwrap());
    assert_eq!(vm.asked(&session.provider_session_id).len(), 0);
    vm.stop(&session).await;

    // A lost login fails no turn: the message waits until the user has logged in.
    vm.in_checkout("rm .claude/settings.local.json").await;
    let session = vm.start(json!({ "prompt": "ERR 401" })).await;
    let detail = vm.until(&session, "the message waits for a login", |detail| {
        let entries = entries(detail, EntryKind::ClaudeMessage);
        detail.session.queued == 1
            && entries
                .filter(|it| it.payload["type"] == "login_required")
                .count()
                == 1
    });
    let detail = detail.await;
    assert_eq!(
        (detail.session.last_turn, detail.session.held),
        (None, false)
    );
    let asked = vm.asked(&session.provider_session_id);
    assert!(!asked.is_empty() && asked.iter().all(|request| request.status == 401));
    let told = eventually("the VM says so", Duration::from_secs(30), async || {
        let client = vm.world.client()?;
        let id = client.vms().await?.remove(0).id;
        Ok(client.vm(&id).await?.login_required)
    });
    let told = told.await.unwrap();
    assert!(told.reason.contains("Invalid API key"), "{told:?}");
}
