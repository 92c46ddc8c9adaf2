use ff_protocol::ErrorCode;
use ff_protocol::workspace::PrState;

use super::*;

#[tokio::test]
async fn by_number_or_address_and_its_branch_corrects_the_workspaces() {
    let world = World::new().await;
    let id = world.workspace("guess").await;
    world.set(of_branch("octo/feat/real-one"));
    for text in ["1".to_owned(), "#1".to_owned(), url(1)] {
        let attached = world.core.pull_request_attach(&id, &text).await.unwrap();
        assert_eq!(
            (attached.pr.number, attached.pr.url),
            (Some(1), Some(url(1)))
        );
        assert_eq!(attached.branch_name.as_deref(), Some("octo/feat/real-one"));
    }
    let stored = world.core.workspace(&id).await.unwrap();
    assert_eq!(stored.branch_name.as_deref(), Some("octo/feat/real-one"));
    assert_eq!(stored.pr.state, PrState::Open);
    // What is attached is what is read from now on.
    world.set(Opened {
        number: 1,
        state: "MERGED".into(),
        ..of_branch("octo/feat/real-one")
    });
    let synced = world.core.pull_request_sync(&id).await.unwrap();
    assert_eq!(synced.pr.state, PrState::Merged);
}

#[tokio::test]
async fn another_one_takes_nothing_over_from_the_one_before() {
    let world = World::new().await;
    let now = clock::now();
    world.set(of_branch("one"));
    world.set(of_branch("two"));
    let id = world.insert("one", |workspace| {
        workspace.is_auto_generated_branch = true;
        workspace.pr = PullRequest {
            url: Some(url(1)),
            number: Some(1),
            has_merge_conflict: true,
            ci_failed_at: Some(now),
            ci_last_notified_at: Some(now),
            review_last_checked_at: Some(now),
            review_last_comment_id: Some("c".into()),
            ..PullRequest::default()
        };
    });
    let id = id.await;
    let same = world.core.pull_request_attach(&id, "1").await.unwrap().pr;
    assert_eq!(same.review_last_checked_at, Some(now));
    let other = world.core.pull_request_attach(&id, "2").await.unwrap();
    assert_eq!(other.branch_name.as_deref(), Some("two"));
    let pr = other.pr;
    assert_eq!((pr.number, pr.has_merge_conflict), (Some(2), false));
    assert_eq!((pr.ci_failed_at, pr.ci_last_notified_at), (None, None));
    assert_eq!(
        (pr.review_last_checked_at, pr.review_last_comment_id),
        (None, None)
    );
    let stored = world.core.workspace(&id).await.unwrap();
    assert!(!stored.is_auto_generated_branch);
}

#[tokio::test]
async fn a_branch_of_a_fork_or_with_no_proper_name_corrects_nothing() {
    let world = World::new().await;
    let id = world.workspace("mine").await;
    world.set(Opened {
        cross_repository: true,
        ..of_branch("main")
    });
    world.set(of_branch("--upload-pack=evil"));
    for number in ["1", "2"] {
        let attached = world.core.pull_request_attach(&id, number).await.unwrap();
        assert_eq!(attached.pr.number, number.parse().ok());
        assert_eq!(attached.branch_name.as_deref(), Some("mine"), "{number}");
    }
}

#[tokio::test]
async fn one_that_is_anothers_or_nobodys_is_refused_and_nothing_changes() {
    let world = World::new().await;
    let (one, two) = (world.workspace("one").await, world.workspace("two").await);
    world.set(of_branch("one"));
    world.core.pull_request_attach(&one, "1").await.unwrap();
    let before = world.core.workspace(&two).await.unwrap();
    for (text, code) in [
        ("1", ErrorCode::Conflict),
        ("77", ErrorCode::NotFound),
        ("nonsense", ErrorCode::Invalid),
        ("https://evil.test/octo/demo/pull/1", ErrorCode::Invalid),
        ("https://github.com/octo/other/pull/1", ErrorCode::NotFound),
    ] {
        let error = world
            .core
            .pull_request_attach(&two, text)
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{text}: {error}");
    }
    assert_eq!(world.core.workspace(&two).await.unwrap(), before);
}
