//! Conversations that go on: anew, after a death, from another one, beside others.

use std::time::Duration;

use ff_protocol::session::{Session, SessionStatus, TurnOutcome};
use ff_testkit::journey::process::eventually;
use serde_json::json;

use crate::vm::{Vm, last_words};

/// All that the last request of a conversation said.
fn last_request(vm: &Vm, conversation: &str) -> String {
    let asked = vm.asked(conversation).pop().unwrap();
    asked.body["messages"].to_string()
}

async fn conversation(vm: &Vm, session: &Session) -> String {
    vm.detail(session).await.session.provider_session_id
}

#[tokio::test]
async fn a_conversation_begins_anew_and_survives_the_death_of_its_cli_and_is_forked() {
    let vm = Vm::new().await;
    let session = vm
        .start(json!({ "prompt": "SAY the first word is aardvark" }))
        .await;
    vm.ended(&session, 1).await;
    let before = conversation(&vm, &session).await;
    vm.prompt(&session, "/clear").await;
    vm.prompt(&session, "SAY the second word is badger").await;
    let detail = vm.until(&session, "the turn after /clear", |detail| {
        detail
            .session
            .last_turn
            .as_ref()
            .is_some_and(|turn| turn.result.as_deref() == Some("the second word is badger"))
    });
    let after = detail.await.session.provider_session_id;
    assert_ne!(before, after);
    let said = last_request(&vm, &after);
    assert!(
        said.contains("badger") && !said.contains("aardvark"),
        "{said}"
    );
    assert_eq!(
        vm.look(&format!("ls ~/.claude/projects/*/{after}.jsonl | wc -l"))
            .await,
        "1"
    );

    vm.prompt(&session, "SLOW 300").await;
    let running = eventually("the CLI streams", Duration::from_secs(30), async || {
        Ok(last_request(&vm, &after).contains("SLOW 300").then_some(()))
    });
    running.await.unwrap();
    vm.look("pkill -KILL -f '^claude -p'").await;
    let died = eventually("the session knows", Duration::from_secs(30), async || {
        let session = vm.detail(&session).await.session;
        Ok((session.status == SessionStatus::Failed).then_some(session))
    });
    let died = died.await.unwrap();
    assert!(died.error.unwrap().to_lowercase().contains("kill"));
    assert_eq!(died.last_turn.unwrap().outcome, TurnOutcome::Interrupted);
    vm.prompt(&session, "SAY the third word is cuckoo").await;
    let detail = vm.until(&session, "the turn after the death", |detail| {
        last_words(detail) == "the third word is cuckoo"
    });
    assert_eq!(detail.await.session.provider_session_id, after);
    let said = last_request(&vm, &after);
    for word in ["badger", "SLOW 300", "cuckoo"] {
        assert!(said.contains(word), "{word} is missing: {said}");
    }

    let fork = vm
        .start(json!({ "prompt": "SAY the fork says dodo", "forkOf": session.id }))
        .await;
    let detail = vm.ended(&fork, 1).await;
    assert_eq!(last_words(&detail), "the fork says dodo");
    let forked = detail.session.provider_session_id;
    assert_ne!(forked, after);
    let said = last_request(&vm, &forked);
    assert!(
        said.contains("badger") && said.contains("cuckoo") && said.contains("dodo"),
        "{said}"
    );
    vm.prompt(&session, "SAY the source says emu").await;
    vm.until(&session, "the source goes on", |detail| {
        last_words(detail) == "the source says emu"
    })
    .await;
    let said = last_request(&vm, &after);
    assert!(
        said.contains("emu") && !said.contains("dodo"),
        "the fork is in its source: {said}"
    );
    assert_eq!(
        vm.look(&format!(
            "grep -c dodo ~/.claude/projects/*/{after}.jsonl || true"
        ))
        .await,
        "0"
    );

    vm.stop(&session).await;
    vm.stop(&fork).await;
    five_at_once(&vm).await;
}

async fn five_at_once(vm: &Vm) {
    let mut sessions = Vec::new();
    for n in 1..=5 {
        sessions.push(
            vm.start(json!({ "prompt": format!("SLOW 40\nSAY I am number {n} of five") }))
                .await,
        );
    }
    let five = eventually("five CLIs run", Duration::from_secs(30), async || {
        let running = vm.look("pgrep -c -f '^claude -p' || true").await;
        let streaming = sessions
            .iter()
            .filter(|it| vm.asked(&it.provider_session_id).len() == 1);
        Ok((running == "5" && streaming.count() == 5).then_some(()))
    });
    five.await.unwrap();
    for (n, session) in sessions.iter().enumerate() {
        let detail = vm.ended(session, 1).await;
        let words = last_words(&detail);
        assert!(
            words.contains(&format!("I am number {} of five", n + 1)),
            "{words}"
        );
        assert_eq!(
            detail.session.last_turn.unwrap().outcome,
            TurnOutcome::Completed
        );
        let asked = vm.asked(&session.provider_session_id);
        assert!(asked.iter().all(|request| request.authorized));
    }
}
