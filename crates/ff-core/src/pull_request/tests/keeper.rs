use ff_protocol::SessionId;
use ff_protocol::session::EntryKind;
use ff_protocol::workspace::PrState;
use ff_testkit::github::{GitHubFault, RateLimit};

use super::*;
use crate::github::tests::PAUSE;
use crate::store::Write;

const OFTEN: Duration = Duration::from_millis(200);
const RARELY: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn those_of_all_workspaces_are_found_and_kept_up_to_date() {
    let world = World::new().await;
    let older = world.insert("shared", |workspace| {
        workspace.created_at -= Duration::from_secs(60);
    });
    let older = older.await;
    let newer = world.workspace("shared").await;
    let too_new = world.insert("old", |workspace| {
        workspace.created_at += Duration::from_secs(600);
    });
    let too_new = too_new.await;
    let forked = world.workspace("forked").await;
    world.core.keep_pull_requests(OFTEN);
    world.set(of_branch("shared"));
    world.set(of_branch("shared"));
    world.set(of_branch("old"));
    world.set(Opened {
        cross_repository: true,
        ..of_branch("forked")
    });
    // Looked for in vain, each is looked for again only minutes later; so have it done now.
    for id in [&older, &newer, &too_new, &forked] {
        look_now(&world, id).await;
    }
    world
        .until(&newer, "the oldest is the newest workspace's", |pr| {
            pr.number == Some(1)
        })
        .await;
    world
        .until(&older, "the next is the other's", |pr| pr.number == Some(2))
        .await;
    for id in [&too_new, &forked] {
        world
            .until(id, "it is looked for", |pr| pr.discovery_retry_count > 0)
            .await;
        assert_eq!(world.pr(id).await.url, None);
    }
    world.set(Opened {
        number: 1,
        draft: true,
        ..of_branch("shared")
    });
    world
        .until(&newer, "it becomes a draft", |pr| {
            pr.state == PrState::Draft
        })
        .await;
    world.core.shutdown().await;
}

/// Has one looked for at the next round, as if it never was.
async fn look_now(world: &World, id: &WorkspaceId) {
    let before = world.pr(id).await;
    let after = PullRequest {
        discovery_last_checked_at: None,
        discovery_retry_count: 0,
        discovery_next_check_at: None,
        ..before.clone()
    };
    let (store, owner) = (world.core.store(), world.core.owner());
    // A round may have come in between; then it was looked for just now.
    let _ = store
        .claim_discovery(id, owner, &before, &after)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_looked_for_in_vain_is_looked_for_less_and_less() {
    let world = World::new().await;
    let id = world.workspace("feat").await;
    world.core.keep_pull_requests(OFTEN);
    world
        .until(&id, "it is looked for", |pr| pr.discovery_retry_count == 1)
        .await;
    let pr = world.pr(&id).await;
    let pause = pr.discovery_next_check_at.unwrap() - pr.discovery_last_checked_at.unwrap();
    assert!((144..=216).contains(&pause.num_seconds()), "{pause}");
    let runs = world.runs().len();
    tokio::time::sleep(OFTEN * 5).await;
    assert_eq!(world.runs().len(), runs, "it was looked for again at once");
    world.core.shutdown().await;
}

#[tokio::test]
async fn a_turns_end_has_it_looked_for_soon() {
    let world = World::new().await;
    let id = world.workspace("feat").await;
    world.set(of_branch("feat"));
    let in_vain = PullRequest {
        discovery_last_checked_at: Some(clock::now() - Duration::from_secs(60)),
        discovery_retry_count: 9,
        discovery_next_check_at: Some(clock::now() + Duration::from_secs(9999)),
        ..PullRequest::default()
    };
    let (store, owner) = (world.core.store(), world.core.owner());
    let before = world.pr(&id).await;
    assert!(
        store
            .claim_discovery(&id, owner, &before, &in_vain)
            .await
            .unwrap()
    );
    world.core.keep_pull_requests(RARELY);
    // The task begins to listen when it first runs.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let session = SessionId::generate();
    let ended = Write::of(&id, &session, EntryKind::TurnEnded, serde_json::json!({}));
    store.write(ended).await.unwrap();
    world
        .until(&id, "it is found", |pr| pr.number == Some(1))
        .await;
    world.core.shutdown().await;
}

#[tokio::test]
async fn a_limit_is_waited_out_and_nobody_has_to_do_anything() {
    let world = World::new().await;
    let id = world.workspace("feat").await;
    world.set(of_branch("feat"));
    world.core.pull_request_sync(&id).await.unwrap();
    let limit = GitHubFault::RateLimited(RateLimit::Secondary);
    world.github.stand_in.set_fault(Some(limit));
    world.core.keep_pull_requests(OFTEN);
    let deadline = Instant::now() + DEADLINE;
    while world.core.github().paused_until().is_none() {
        assert!(Instant::now() < deadline, "it was not asked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let runs = world.runs().len();
    tokio::time::sleep(PAUSE / 2).await;
    assert_eq!(world.runs().len(), runs, "it was asked in the pause");
    assert_eq!(
        world.pr(&id).await.state,
        PrState::Open,
        "what was known is lost"
    );
    world.github.stand_in.set_fault(None);
    world.set(Opened {
        number: 1,
        draft: true,
        ..of_branch("feat")
    });
    world
        .until(&id, "it is read again", |pr| pr.state == PrState::Draft)
        .await;
    world.core.shutdown().await;
}

#[tokio::test]
async fn nothing_is_asked_or_written_while_the_machine_is_about_to_sleep() {
    let world = World::new().await;
    let id = world.workspace("feat").await;
    world.set(of_branch("feat"));
    let permits = world.core.permits().clone();
    permits.close("q1", Duration::from_secs(600)).unwrap();
    world.core.keep_pull_requests(OFTEN);
    tokio::time::sleep(OFTEN * 5).await;
    assert!(world.runs().is_empty(), "{:?}", world.runs());
    permits.open("q1");
    world
        .until(&id, "it is found", |pr| pr.number == Some(1))
        .await;

    // It closes while GitHub takes its time.
    world
        .github
        .stand_in
        .set_fault(Some(GitHubFault::Slow(OFTEN * 3)));
    world.set(Opened {
        number: 1,
        draft: true,
        ..of_branch("feat")
    });
    let deadline = Instant::now() + DEADLINE;
    while world.core.github().processes().is_empty() {
        assert!(Instant::now() < deadline, "it was not asked");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(permits.causes().is_empty(), "it keeps the machine awake");
    permits.close("q2", Duration::from_secs(600)).unwrap();
    let known = world.pr(&id).await;
    while !world.core.github().processes().is_empty() {
        assert!(Instant::now() < deadline, "it does not end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(OFTEN).await;
    assert_eq!(world.pr(&id).await, known);
    permits.open("q2");
    world
        .until(&id, "it becomes a draft", |pr| pr.state == PrState::Draft)
        .await;
    world.core.shutdown().await;
}

#[tokio::test]
async fn it_ends_with_the_core_and_so_does_what_it_runs() {
    let world = World::new().await;
    world.workspace("feat").await;
    world
        .github
        .stand_in
        .set_fault(Some(GitHubFault::Slow(DEADLINE)));
    world.core.keep_pull_requests(OFTEN);
    let deadline = Instant::now() + DEADLINE;
    while world.core.github().processes().is_empty() {
        assert!(Instant::now() < deadline, "it was not asked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let pids = world.core.github().processes();
    world.core.shutdown().await;
    assert!(world.core.tasks().is_empty());
    for pid in pids {
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        while !(state().is_empty() || state().contains(") Z ")) {
            assert!(Instant::now() < deadline, "process {pid} lives on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let runs = world.runs().len();
    tokio::time::sleep(OFTEN * 3).await;
    assert_eq!(world.runs().len(), runs);
}
