use ff_protocol::ErrorCode;
use ff_protocol::derived::{CiObservation, RatchetState};
use ff_protocol::workspace::{CiStatus, Owner, PrState, RatchetDispatchOutcome};
use ff_protocol::{DesktopId, HandoffId};
use ff_testkit::github::{Check, GitHubFault};

use super::*;
use crate::store::Event;

fn check(conclusion: &str) -> Check {
    let done = !conclusion.is_empty();
    Check {
        name: "build".into(),
        status: if done { "COMPLETED" } else { "IN_PROGRESS" }.into(),
        conclusion: conclusion.into(),
        run: 5,
        ..Check::default()
    }
}

#[tokio::test]
async fn one_is_found_by_its_branch_and_read_in_each_of_its_states() {
    let world = World::new().await;
    let id = world.workspace("octo/feat").await;
    let sync = async || world.core.pull_request_sync(&id).await.unwrap();
    let none = sync().await;
    assert_eq!((none.pr.state, none.pr.url), (PrState::None, None));
    assert_eq!(none.ci_observation, CiObservation::NotFetched);

    let base = of_branch("octo/feat");
    let number = world.set(base.clone());
    let base = Opened { number, ..base };
    let found = sync().await.pr;
    assert_eq!((found.number, found.url), (Some(1), Some(url(1))));
    assert_eq!(
        (found.state, found.ci_status),
        (PrState::Open, CiStatus::Success)
    );
    assert!(found.synced_at.is_some() && found.ci_failed_at.is_none());
    assert_eq!(found.discovery_retry_count, 0);

    let draft = Opened {
        draft: true,
        checks: vec![check("")],
        ..base.clone()
    };
    world.set(draft);
    let pr = sync().await.pr;
    assert_eq!(
        (pr.state, pr.ci_status),
        (PrState::Draft, CiStatus::Pending)
    );

    let troubled = Opened {
        conflict: true,
        checks: vec![check("FAILURE")],
        review_decision: "CHANGES_REQUESTED".into(),
        ..base.clone()
    };
    world.set(troubled.clone());
    let pr = sync().await.pr;
    assert_eq!(
        (pr.state, pr.ci_status),
        (PrState::ChangesRequested, CiStatus::Failure)
    );
    assert_eq!(pr.review_state.as_deref(), Some("CHANGES_REQUESTED"));
    assert!(pr.has_merge_conflict);
    let failed_at = pr.ci_failed_at.expect("it does not say since when");
    assert_eq!(sync().await.pr.ci_failed_at, Some(failed_at));

    // GitHub finds out anew after each push: until then it is as it was.
    world.set(Opened {
        merge_unknown: true,
        ..troubled
    });
    assert!(sync().await.pr.has_merge_conflict);

    let approved = Opened {
        review_decision: "APPROVED".into(),
        checks: vec![check("SUCCESS")],
        ..base.clone()
    };
    world.set(approved);
    let pr = sync().await.pr;
    assert_eq!(
        (pr.state, pr.ci_status),
        (PrState::Approved, CiStatus::Success)
    );
    assert!(!pr.has_merge_conflict && pr.ci_failed_at.is_none());

    for (state, expected) in [("CLOSED", PrState::Closed), ("MERGED", PrState::Merged)] {
        world.set(Opened {
            state: state.into(),
            ..base.clone()
        });
        assert_eq!(sync().await.pr.state, expected);
    }
}

#[tokio::test]
async fn watchers_hear_of_news_and_of_nothing_else() {
    let world = World::new().await;
    let id = world.workspace("feat").await;
    let number = world.set(of_branch("feat"));
    let mut watch = world.core.store().feed().watch(&id);
    let mut heard = || {
        let mut count = 0;
        while let Ok(event) = watch.events.try_recv() {
            assert!(matches!(event, Event::WorkspaceChanged));
            count += 1;
        }
        count
    };
    world.core.pull_request_sync(&id).await.unwrap();
    assert_eq!(heard(), 1);
    let before = world.pr(&id).await.synced_at;
    world.core.pull_request_sync(&id).await.unwrap();
    assert!(world.pr(&id).await.synced_at > before);
    assert_eq!(heard(), 0, "nothing has changed");
    world.set(Opened {
        number,
        draft: true,
        ..of_branch("feat")
    });
    world.core.pull_request_sync(&id).await.unwrap();
    assert_eq!(heard(), 1);
}

#[tokio::test]
async fn an_answer_that_comes_late_replaces_nothing() {
    let world = World::new().await;
    let id = world.workspace("feat").await;
    let number = world.set(of_branch("feat"));
    world.core.pull_request_sync(&id).await.unwrap();
    let store = world.core.store();
    let old = world.core.workspace(&id).await.unwrap();
    world.set(Opened {
        number,
        draft: true,
        ..of_branch("feat")
    });
    world.core.pull_request_sync(&id).await.unwrap();
    let newer = world.pr(&id).await;
    assert_eq!(newer.state, PrState::Draft);
    // Its answer comes now, and says what was true before.
    let late = PullRequest {
        synced_at: Some(clock::now()),
        ..old.pr.clone()
    };
    let owner = world.core.owner();
    let written = store.write_pr(&id, owner, &old.pr, &late, None).await;
    assert!(!written.unwrap());
    assert_eq!(world.pr(&id).await, newer);

    // Of two that know the same, one is written.
    let one = PullRequest {
        ci_status: CiStatus::Failure,
        ..newer.clone()
    };
    let two = PullRequest {
        ci_status: CiStatus::Pending,
        ..newer.clone()
    };
    let (one, two) = tokio::join!(
        store.write_pr(&id, owner, &newer, &one, None),
        store.write_pr(&id, owner, &newer, &two, None),
    );
    assert!(one.unwrap() ^ two.unwrap());
}

#[tokio::test]
async fn what_the_ratchet_came_to_is_forgotten_with_what_it_was_about() {
    let world = World::new().await;
    let number = world.set(of_branch("feat"));
    let settled = |workspace: &mut Workspace| {
        workspace.ratchet.enabled = true;
        workspace.ratchet.dispatch_snapshot_key = Some("key".into());
        workspace.ratchet.dispatch_outcome = Some(RatchetDispatchOutcome::Died);
        workspace.ratchet.dispatch_retry_count = 3;
        workspace.ratchet.dispatch_stalled = true;
    };
    let id = world.insert("feat", settled).await;
    let ratchet = async || world.core.workspace(&id).await.unwrap().ratchet;
    let synced = world.core.pull_request_sync(&id).await.unwrap();
    assert_eq!(synced.ratchet_state, RatchetState::Ready);
    let after = ratchet().await;
    assert_eq!(
        (after.dispatch_outcome, after.dispatch_retry_count),
        (None, 0)
    );
    assert!(after.enabled && !after.dispatch_stalled);
    assert_eq!(after.dispatch_snapshot_key.as_deref(), Some("key"));

    // Without news it stays, and so does a fixer that runs.
    let again = world.insert("other", settled).await;
    let other = world.set(of_branch("other"));
    world
        .core
        .pull_request_attach(&again, &other.to_string())
        .await
        .unwrap();
    let before = world.core.workspace(&again).await.unwrap();
    world.core.pull_request_sync(&again).await.unwrap();
    assert_eq!(
        world.core.workspace(&again).await.unwrap().ratchet,
        before.ratchet
    );
    let running = world.insert("third", |workspace| {
        settled(workspace);
        workspace.ratchet.dispatch_outcome = Some(RatchetDispatchOutcome::Running);
    });
    let running = running.await;
    world.set(of_branch("third"));
    let synced = world.core.pull_request_sync(&running).await.unwrap();
    assert_eq!(synced.pr.state, PrState::Open);
    assert_eq!(synced.ratchet.dispatch_retry_count, 3);
    assert!(number > 0);
}

#[tokio::test]
async fn only_the_side_that_owns_a_workspace_reads_and_writes() {
    let world = World::new().await;
    let elsewhere = world.insert("one", |workspace| {
        workspace.owner = Owner::Desktop(DesktopId::generate());
    });
    let elsewhere = elsewhere.await;
    let moving = world.insert("two", |workspace| {
        workspace.handoff_id = Some(HandoffId::generate());
    });
    let moving = moving.await;
    world.set(of_branch("one"));
    world.set(of_branch("two"));
    for (id, code) in [
        (&elsewhere, ErrorCode::NotOwner),
        (&moving, ErrorCode::HandoffActive),
    ] {
        let core = &world.core;
        assert_eq!(core.pull_request_sync(id).await.unwrap_err().code(), code);
        assert_eq!(
            core.pull_request_attach(id, "1").await.unwrap_err().code(),
            code
        );
        assert_eq!(
            core.ratchet_switch(id, true).await.unwrap_err().code(),
            code
        );
        let pr = world.pr(id).await;
        let written = core
            .store()
            .write_pr(id, core.owner(), &pr, &pr, None)
            .await;
        assert!(!written.unwrap(), "it was written all the same");
        let switched = core.store().switch_ratchet(id, core.owner(), true).await;
        assert!(!switched.unwrap());
    }
    assert!(world.runs().is_empty(), "{:?}", world.runs());
}

#[tokio::test]
async fn nothing_known_is_lost_when_github_does_not_answer() {
    let world = World::new().await;
    let id = world.workspace("feat").await;
    world.set(of_branch("feat"));
    world.core.pull_request_sync(&id).await.unwrap();
    let known = world.core.workspace(&id).await.unwrap();
    world
        .github
        .stand_in
        .set_fault(Some(GitHubFault::ApiStatus(502)));
    let error = world.core.pull_request_sync(&id).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::GithubUnavailable);
    assert_eq!(world.core.workspace(&id).await.unwrap(), known);
}

#[tokio::test]
async fn the_ratchet_is_switched_on_and_off_and_its_state_shown() {
    let world = World::new().await;
    let id = world.workspace("feat").await;
    let number = world.set(of_branch("feat"));
    world.core.pull_request_sync(&id).await.unwrap();
    let state = async || {
        world
            .core
            .pull_request_status(&id)
            .await
            .unwrap()
            .ratchet_state
    };
    assert_eq!(state().await, RatchetState::Idle);
    let mut watch = world.core.store().feed().watch(&id);
    let on = world.core.ratchet_switch(&id, true).await.unwrap();
    assert_eq!(
        (on.ratchet.enabled, on.ratchet_state),
        (true, RatchetState::Ready)
    );
    assert!(matches!(
        watch.events.try_recv(),
        Ok(Event::WorkspaceChanged)
    ));
    for (checks, conflict, expected) in [
        (vec![check("")], false, RatchetState::CiRunning),
        (vec![check("FAILURE")], true, RatchetState::CiFailed),
        (vec![], true, RatchetState::MergeConflict),
    ] {
        world.set(Opened {
            number,
            checks,
            conflict,
            ..of_branch("feat")
        });
        let synced = world.core.pull_request_sync(&id).await.unwrap();
        assert_eq!(synced.ratchet_state, expected);
    }
    let off = world.core.ratchet_switch(&id, false).await.unwrap();
    assert_eq!(
        (off.ratchet.enabled, off.ratchet_state),
        (false, RatchetState::Idle)
    );
}

#[tokio::test]
async fn off_leaves_nothing_of_what_the_ratchet_did() {
    let world = World::new().await;
    let id = world.insert("feat", |workspace| {
        workspace.ratchet.enabled = true;
        workspace.ratchet.active_session_id = Some(ff_protocol::SessionId::generate());
        workspace.ratchet.dispatch_snapshot_key = Some("key".into());
        workspace.ratchet.dispatch_outcome = Some(RatchetDispatchOutcome::Running);
        workspace.ratchet.dispatch_retry_count = 3;
        workspace.ratchet.dispatch_stalled = true;
    });
    let id = id.await;
    let on = world.core.ratchet_switch(&id, true).await.unwrap();
    assert_eq!(
        on.ratchet.dispatch_retry_count, 3,
        "on again changes nothing"
    );
    let off = world.core.ratchet_switch(&id, false).await.unwrap();
    assert_eq!(off.ratchet, ff_protocol::workspace::Ratchet::default());
}

#[tokio::test]
async fn without_a_repository_on_github_the_way_out_is_told() {
    let world = World::new().await;
    let project = Project {
        id: ProjectId::generate(),
        slug: "other".into(),
        github_owner: None,
        github_repo: None,
        ..crate::store::tests::project()
    };
    world.core.store().insert_project(&project).await.unwrap();
    let id = world.insert("feat", |workspace| workspace.project_id = project.id);
    let id = id.await;
    let error = world
        .core
        .pull_request_sync(&id)
        .await
        .unwrap_err()
        .problem();
    assert_eq!(error.code, ErrorCode::Conflict);
    assert!(error.to_string().contains("ff pr attach"), "{error}");
    let error = world
        .core
        .pull_request_attach(&id, "1")
        .await
        .unwrap_err()
        .problem();
    assert_eq!(error.code, ErrorCode::Invalid);
    world.set(of_branch("elsewhere"));
    let attached = world.core.pull_request_attach(&id, &url(1)).await.unwrap();
    assert_eq!(attached.pr.url, Some(url(1)));
    assert_eq!(
        attached.branch_name.as_deref(),
        Some("feat"),
        "of another repository"
    );
}
