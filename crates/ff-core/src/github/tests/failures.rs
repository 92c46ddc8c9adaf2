use ff_protocol::ErrorCode;
use ff_testkit::github::{Account, GitHubFault, RateLimit};
use tokio::time::Instant;

use super::*;
use crate::error::Error;

/// The code, and the sentence with its hint.
fn told(error: &Error) -> (ErrorCode, String) {
    let problem = error.problem();
    (problem.code, problem.to_string())
}

#[tokio::test]
async fn logged_out_refused_offline_and_missing_are_told_apart() {
    let world = World::new().await;
    let pull = world.open("one");
    let github = world.client();
    let failure = async || told(&github.pull_request(&pull).await.unwrap_err());

    world.gh.lead_to("http://127.0.0.1:1").unwrap();
    let offline = failure().await;
    assert_eq!(offline.0, ErrorCode::GithubUnavailable);
    assert!(
        offline.1.contains("GitHub cannot be reached"),
        "{}",
        offline.1
    );
    let login = github.login().await.unwrap().login;
    assert!(
        login.logged_in && login.account.is_none(),
        "offline is not logged out"
    );

    world.gh.lead_to(&world.stand_in.proxy_url()).unwrap();
    world.stand_in.set_accounts(vec![Account::new("hubot", 2)]);
    let refused = failure().await;
    assert_eq!(refused.0, ErrorCode::LoginRequired);
    assert!(
        refused.1.contains("does not accept the login"),
        "{}",
        refused.1
    );
    assert!(!github.login().await.unwrap().login.logged_in);

    std::fs::remove_dir_all(world.dir.path().join(".config")).unwrap();
    let calls = world.api_calls();
    let logged_out = failure().await;
    assert_eq!(logged_out.0, ErrorCode::LoginRequired);
    assert!(
        logged_out.1.contains("is not logged in"),
        "{}",
        logged_out.1
    );
    assert!(logged_out.1.contains("gh auth login"), "{}", logged_out.1);
    assert_eq!(world.api_calls(), calls, "GitHub was asked without a login");

    let missing = told(&world.missing_gh().pull_request(&pull).await.unwrap_err());
    assert_eq!(missing.0, ErrorCode::GhUnavailable);
    assert!(missing.1.contains("not installed"), "{}", missing.1);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::new().await;
    let github = world.client();
    let (repo, number) = (demo(), 77);
    let none = Numbered { repo, number };
    let (code, text) = told(&github.pull_request(&none).await.unwrap_err());
    assert_eq!(code, ErrorCode::NotFound);
    assert!(text.contains("pull request #77 of octo/demo"), "{text}");
    let elsewhere = RepoName::new("octo", "throttler").unwrap();
    let error = github.open_pull_requests(&elsewhere).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound, "{error}");
    assert!(
        github.paused_until().is_none(),
        "a name was taken for a limit"
    );
}

#[tokio::test]
async fn a_server_that_fails_is_unavailable_and_never_a_limit() {
    let world = World::new().await;
    let pull = world.open("one");
    let github = world.client();
    for status in [500, 502, 503] {
        world
            .stand_in
            .set_fault(Some(GitHubFault::ApiStatus(status)));
        let error = github.pull_request(&pull).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::GithubUnavailable, "{error}");
    }
    assert!(github.paused_until().is_none());
    world.stand_in.set_fault(None);
    github.pull_request(&pull).await.unwrap();
}

#[tokio::test]
async fn a_limit_is_seen_told_and_waited_out() {
    let world = World::new().await;
    let pull = world.open("one");
    for limit in [RateLimit::Primary, RateLimit::TooMany, RateLimit::Secondary] {
        let github = world.client_with(short());
        world
            .stand_in
            .set_fault(Some(GitHubFault::RateLimited(limit)));
        let begun = Instant::now();
        let (code, text) = told(&github.pull_request(&pull).await.unwrap_err());
        assert_eq!(code, ErrorCode::RateLimited, "{limit:?}: {text}");
        let until = github.paused_until().expect("nobody waits");
        let at = until.format("%H:%M:%S UTC").to_string();
        assert!(text.contains(&at), "{text} does not say {at}");

        // Nobody asks meanwhile, though it would be answered.
        world.stand_in.set_fault(None);
        let runs = world.gh.runs().len();
        for _ in 0..5 {
            let error = github.open_pull_requests(&demo()).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::RateLimited);
            assert_eq!(
                github.user().await.unwrap_err().code(),
                ErrorCode::RateLimited
            );
        }
        assert_eq!(
            world.gh.runs().len(),
            runs,
            "{limit:?}: it was asked in the pause"
        );

        tokio::time::sleep_until(begun + PAUSE * 3).await;
        github.pull_request(&pull).await.unwrap();
        assert_eq!(world.gh.runs().len(), runs + 1);
    }
}

#[tokio::test]
async fn the_limit_of_rest_is_seen_as_well() {
    let world = World::new().await;
    for limit in [RateLimit::Primary, RateLimit::TooMany, RateLimit::Secondary] {
        let github = world.client_with(short());
        world
            .stand_in
            .set_fault(Some(GitHubFault::RateLimited(limit)));
        let error = github.user().await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::RateLimited, "{limit:?}: {error}");
    }
}

#[tokio::test]
async fn one_that_hangs_is_ended_with_all_it_started() {
    let world = World::new().await;
    let pull = world.open("one");
    let pids = world.dir.path().join("pids");
    let script = format!("sleep 600 & echo $! $$ > '{}'; wait", pids.display());
    let limits = Limits {
        read: Duration::from_millis(500),
        ..short()
    };
    let github = world.client_of(&script, limits);
    let error = github.pull_request(&pull).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout, "{error}");
    assert!(github.processes().is_empty());
    let pids = std::fs::read_to_string(pids).unwrap();
    for pid in pids.split_whitespace() {
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !(state().is_empty() || state().contains(") Z ")) {
            assert!(Instant::now() < deadline, "process {pid} lives on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn floods_and_nonsense_have_an_end() {
    let world = World::new().await;
    let pull = world.open("one");
    let failure = async |script: &str| {
        let github = world.client_of(script, Limits::default());
        told(&github.pull_request(&pull).await.unwrap_err())
    };
    let flood = failure("exec tr '\\0' 'x' < /dev/zero").await;
    assert_eq!(flood.0, ErrorCode::GithubFailed);
    assert!(flood.1.contains("longer than"), "{}", flood.1);
    let complaint = failure("tr '\\0' 'x' < /dev/zero | head -c 3000000 >&2; exit 1").await;
    assert_eq!(complaint.0, ErrorCode::GithubFailed);
    assert!(complaint.1.len() < 1000);
    for nonsense in ["echo hello", "echo '{}'", "exit 0"] {
        let (code, text) = failure(nonsense).await;
        assert_eq!(code, ErrorCode::GithubFailed, "{nonsense}: {text}");
    }
}

#[tokio::test]
async fn the_token_is_nowhere_in_what_is_run_or_told() {
    let world = World::new().await;
    let pull = world.open("one");
    let github = world.client();
    github.login().await.unwrap();
    github.pull_request(&pull).await.unwrap();
    world.stand_in.set_accounts(Vec::new());
    let error = github.pull_request(&pull).await.unwrap_err();
    let all = format!("{:?} {error:?} {github:?}", world.gh.runs());
    assert!(world.gh.runs().len() >= 4 && !all.contains("gho_"), "{all}");
}
