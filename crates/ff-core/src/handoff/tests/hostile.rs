//! Bundles that another machine made up.

use ff_protocol::handoff::{Manifest, Part};
use ff_protocol::{ErrorCode, HandoffId};
use rstest::rstest;
use sha2::{Digest, Sha256};

use super::world::{World, test_session};

fn part(name: &str, bytes: &[u8]) -> Part {
    let sha256 = hex::encode(Sha256::digest(bytes));
    Part {
        name: name.to_owned(),
        sha256,
        size: bytes.len() as u64,
    }
}

/// What a VM says to a manifest that was changed on the way, whose parts are all there.
async fn refusal(change: impl FnOnce(&World, &mut Manifest) -> Vec<(Part, Vec<u8>)>) -> ErrorCode {
    let world = World::new().await;
    let (out, mut manifest) = world.prepare_send().await;
    world.carry(&world.desktop, &world.vm, &manifest).await;
    for (part, bytes) in change(&world, &mut manifest) {
        world
            .vm
            .core
            .handoff_put_part(&out.handoff_id, &part, bytes.as_slice())
            .await
            .unwrap();
    }
    let error = world
        .vm
        .core
        .handoff_restore(&out.handoff_id, &manifest)
        .await
        .unwrap_err();
    world
        .vm
        .core
        .handoff_finish(&out.handoff_id, false)
        .await
        .unwrap();
    assert!(world.vm.core.workspaces().await.unwrap().is_empty());
    error.code()
}

#[rstest]
#[case::unknown_kind("{\"seq\":1,\"kind\":\"SOMETHING_NEW\"}\n")]
#[case::no_json("garbage\n")]
#[case::stranger(
    "{\"seq\":1,\"sessionId\":\"x\",\"kind\":\"status\",\"payload\":{},\"createdAt\":\"2026-01-01T00:00:00Z\"}\n"
)]
#[tokio::test]
async fn a_journal_that_cannot_be_followed_is_refused_before_the_commit(#[case] journal: &str) {
    let code = refusal(|_, manifest| {
        let made_up = part("journal.jsonl", journal.as_bytes());
        manifest.parts.retain(|part| part.name != "journal.jsonl");
        manifest.parts.push(made_up.clone());
        manifest.fingerprint.journal = made_up.sha256.clone();
        vec![(made_up, journal.as_bytes().to_vec())]
    });
    assert_eq!(code.await, ErrorCode::Invalid);
}

#[rstest]
#[case::option("--dangerously-skip-permissions", None)]
#[case::path("../../x", None)]
#[case::empty("", None)]
#[case::model("0199a1b2", Some("--dangerously-skip-permissions"))]
#[tokio::test]
async fn a_session_that_would_become_an_option_or_a_path_is_refused(
    #[case] conversation: &str,
    #[case] model: Option<&str>,
) {
    let code = refusal(|world, manifest| {
        let mut session = test_session(&world.workspace);
        session.provider_session_id = conversation.to_owned();
        session.model = model.map(str::to_owned);
        manifest.sessions.push(session);
        Vec::new()
    });
    assert_eq!(code.await, ErrorCode::Invalid);
}

#[rstest]
#[case("memory/MEMORY.md")]
#[case("settings.json")]
#[case("other.jsonl")]
#[case("../0199a1b2.jsonl")]
#[case("0199a1b2/../../x")]
#[case("/etc/passwd")]
#[case("0199a1b2.jsonl/x")]
#[tokio::test]
async fn a_transcript_is_of_a_session_that_comes_along(#[case] name: &str) {
    let code = refusal(|world, manifest| {
        let mut session = test_session(&world.workspace);
        session.provider_session_id = "0199a1b2".to_owned();
        manifest.sessions.push(session);
        for name in [name, "0199a1b2.jsonl"] {
            let made_up = part(&format!("transcripts/{name}"), b"x");
            manifest
                .fingerprint
                .transcripts
                .insert(made_up.name.clone(), made_up.sha256.clone());
            manifest.parts.push(made_up);
        }
        vec![(part("x", b"x"), b"x".to_vec())]
    });
    assert_eq!(code.await, ErrorCode::Invalid);
}

#[rstest]
#[case("-b")]
#[case("@{-1}")]
#[case("../../HEAD")]
#[case("HEAD")]
#[tokio::test]
async fn a_branch_has_a_proper_name(#[case] branch: &str) {
    let code = refusal(|_, manifest| {
        manifest.git.branch = branch.to_owned();
        Vec::new()
    });
    assert_eq!(code.await, ErrorCode::Invalid);
}

#[tokio::test]
async fn a_manifest_of_another_hand_off_is_refused() {
    let code = refusal(|_, manifest| {
        manifest.handoff_id = HandoffId::generate();
        Vec::new()
    });
    assert_eq!(code.await, ErrorCode::Invalid);
}
