use ff_protocol::workspace::CiStatus;
use ff_testkit::github::{Check, CommitStatus, Issue, PullRequest, Review, ReviewComment};

use super::*;
use crate::derive::ci;
use crate::github::{issue_ref, pull_request_ref};

#[tokio::test]
async fn the_user_is_asked_for_once_in_a_while() {
    let world = World::new().await;
    let github = world.client_with(short());
    assert_eq!(github.user().await.unwrap(), "octo");
    assert_eq!(github.user().await.unwrap(), "octo");
    assert_eq!(world.gh.runs().len(), 1, "{:?}", world.gh.runs());
    tokio::time::sleep(short().user_kept).await;
    assert_eq!(github.user().await.unwrap(), "octo");
    assert_eq!(world.gh.runs().len(), 2);
    let login = github.login().await.unwrap().login;
    assert_eq!(
        (login.logged_in, login.account.as_deref()),
        (true, Some("octo"))
    );
}

#[tokio::test]
async fn a_pull_request_is_read_with_all_that_is_known_of_it() {
    let world = World::new().await;
    let check = |name: &str, conclusion: &str| Check {
        name: name.into(),
        status: "COMPLETED".into(),
        conclusion: conclusion.into(),
        run: 5,
        ..Check::default()
    };
    let pull = world.set(PullRequest {
        title: "A \"title\" \u{1b}[31m".into(),
        head: "octo/feat".into(),
        author: "hubot".into(),
        draft: true,
        conflict: true,
        review_decision: "CHANGES_REQUESTED".into(),
        checks: vec![check("build", "SUCCESS"), check("test", "FAILURE")],
        statuses: vec![CommitStatus {
            context: "outside".into(),
            state: "PENDING".into(),
        }],
        ..PullRequest::default()
    });
    let read = world.client().pull_request(&pull).await.unwrap();
    let details = read.value;
    assert!(read.asked_at <= crate::clock::now());
    assert_eq!(details.number, 1);
    assert_eq!(details.url, "https://github.com/octo/demo/pull/1");
    assert_eq!((&*details.state, details.is_draft), ("OPEN", true));
    assert_eq!(
        details.review_decision.as_deref(),
        Some("CHANGES_REQUESTED")
    );
    assert_eq!(details.merge_state_status, "DIRTY");
    assert_eq!(details.head_ref_name, "octo/feat");
    assert_eq!(details.author.unwrap().login, "hubot");
    let checks = details.status_check_rollup.unwrap();
    let told: Vec<_> = checks
        .iter()
        .map(|it| {
            (
                it.name.as_deref(),
                it.workflow_name.as_deref(),
                it.conclusion.as_deref(),
                it.run_id(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some("build"), Some("CI"), Some("SUCCESS"), Some("5")),
            (Some("test"), Some("CI"), Some("FAILURE"), Some("5")),
            (None, None, None, None),
        ]
    );
    assert_eq!(checks[2].context.as_deref(), Some("outside"));
    assert_eq!(checks[2].state.as_deref(), Some("PENDING"));
}

#[tokio::test]
async fn of_checks_that_ran_again_the_latest_counts() {
    let world = World::new().await;
    let run = |workflow: &str, name: &str, run, conclusion: &str| Check {
        name: name.into(),
        status: "COMPLETED".into(),
        conclusion: conclusion.into(),
        run,
        workflow: workflow.into(),
        started_at: "2026-01-01T00:00:00Z".into(),
    };
    let pull = |checks: Vec<Check>| PullRequest {
        number: 1,
        checks,
        ..PullRequest::default()
    };
    let github = world.client();
    let status = async |checks: Vec<Check>| {
        let of = world.set(pull(checks));
        let read = github.pull_request(&of).await.unwrap().value;
        let rollup = read.status_check_rollup;
        let names = |all: &[ci::Check]| {
            let kept = ci::latest(all).into_iter();
            kept.map(|it| it.run_id().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        (ci::status(rollup.as_deref()), names(&rollup.unwrap()))
    };
    let failed_first = vec![
        run("CI", "build", 5, "FAILURE"),
        run("CI", "Build", 6, "SUCCESS"),
    ];
    assert_eq!(
        status(failed_first).await,
        (CiStatus::Success, vec!["6".into()])
    );
    let listed_backwards = vec![
        run("CI", "build", 6, "FAILURE"),
        run("CI", "build", 5, "SUCCESS"),
    ];
    assert_eq!(
        status(listed_backwards).await,
        (CiStatus::Failure, vec!["6".into()])
    );
    let two_workflows = vec![
        run("CI", "build", 5, "FAILURE"),
        run("Other", "build", 6, "SUCCESS"),
    ];
    let both = (CiStatus::Failure, vec!["5".into(), "6".into()]);
    assert_eq!(status(two_workflows).await, both);
    assert_eq!(status(vec![]).await, (CiStatus::Success, vec![]));
}

#[tokio::test]
async fn lists_tell_branches_and_forks_apart() {
    let world = World::new().await;
    world.open("one");
    world.open("two");
    world.set(PullRequest {
        head: "one".into(),
        cross_repository: true,
        ..PullRequest::default()
    });
    world.set(PullRequest {
        head: "one".into(),
        state: "MERGED".into(),
        ..PullRequest::default()
    });
    let github = world.client();
    let shown = |all: &[crate::github::PullSummary]| {
        all.iter()
            .map(|it| (it.number, it.head_ref_name.clone(), it.is_cross_repository))
            .collect::<Vec<_>>()
    };
    let open = github.open_pull_requests(&demo()).await.unwrap();
    let expected = [
        (3, "one".into(), true),
        (2, "two".into(), false),
        (1, "one".into(), false),
    ];
    assert_eq!(shown(&open.value), expected);
    let of_one = github
        .pull_requests_of_branch(&demo(), "one")
        .await
        .unwrap();
    assert_eq!(
        shown(&of_one.value),
        [(3, "one".into(), true), (1, "one".into(), false)]
    );
    let none = github
        .pull_requests_of_branch(&demo(), "--web")
        .await
        .unwrap();
    assert_eq!(none.value, []);
}

#[tokio::test]
async fn reviews_comments_and_threads_are_read_to_their_end() {
    let world = World::new().await;
    let review = |author: &str, state: &str| Review {
        author: author.into(),
        state: state.into(),
        body: "look here".into(),
        submitted_at: "2026-01-01T00:00:00Z".into(),
    };
    let comment = |id| ReviewComment {
        id,
        author: "hubot".into(),
        body: format!("comment {id}"),
        path: "src/main.rs".into(),
        line: id,
        resolved: id % 2 == 0,
        updated_at: "2026-01-02T00:00:00Z".into(),
    };
    let pull = world.set(PullRequest {
        reviews: vec![
            review("hubot", "CHANGES_REQUESTED"),
            review("ada", "APPROVED"),
        ],
        review_comments: (1..=230).map(comment).collect(),
        ..PullRequest::default()
    });
    let github = world.client();
    let reviews = github.reviews(&pull).await.unwrap();
    let told: Vec<_> = reviews
        .iter()
        .map(|it| (&*it.author, &*it.state, &*it.body))
        .collect();
    let here = "look here";
    assert_eq!(
        told,
        [
            ("hubot", "CHANGES_REQUESTED", here),
            ("ada", "APPROVED", here)
        ]
    );
    let threads = github.review_threads(&pull).await.unwrap();
    assert_eq!(threads.len(), 230);
    assert_eq!(threads.iter().filter(|it| it.is_resolved).count(), 115);
    assert_eq!(threads[229].comments, [230]);
    let comments = github.review_comments(&pull).await.unwrap();
    assert_eq!(comments.len(), 230);
    for (at, comment) in comments.iter().enumerate() {
        let id = i64::try_from(at).unwrap() + 1;
        assert_eq!((comment.id, comment.line), (id, Some(id)));
        assert_eq!(comment.resolved, id % 2 == 0, "{id}");
        assert_eq!(comment.author, "hubot");
    }
}

#[tokio::test]
async fn an_issue_is_found_by_its_address_and_a_pull_request_is_told_from_one() {
    let world = World::new().await;
    world.open("one");
    world.stand_in.set_issue(
        "octo",
        "demo",
        Issue {
            number: 12,
            title: "It breaks".into(),
            author: "ada".into(),
            ..Issue::default()
        },
    );
    let github = world.client();
    let of = issue_ref("https://github.com/octo/demo/issues/12", None).unwrap();
    let issue = github.issue(&of).await.unwrap();
    assert_eq!(
        (issue.number, &*issue.title, &*issue.body),
        (12, "It breaks", "")
    );
    assert_eq!(issue.url, "https://github.com/octo/demo/issues/12");
    assert_eq!((&*issue.author, issue.is_closed), ("ada", false));
    let pull = issue_ref("#1", Some(&demo())).unwrap();
    let error = github.issue(&pull).await.unwrap_err().problem();
    assert_eq!(error.code, ff_protocol::ErrorCode::Invalid);
    assert!(error.detail.contains("is a pull request"), "{error}");
    let none = pull_request_ref("77", Some(&demo())).unwrap();
    let error = github.issue(&none).await.unwrap_err().problem();
    assert_eq!(error.code, ff_protocol::ErrorCode::NotFound);
    assert!(error.detail.contains("issue #77 of octo/demo"), "{error}");
}
