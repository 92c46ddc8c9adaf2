//! The GitHub stand-in's git host over TLS, with the real git, and its API.

mod support;

use std::time::{Duration, Instant};

use anyhow::Result;
use ff_testkit::github::{
    Account, AuthKind, Check, DeviceApproval, GitHub, GitHubConfig, GitHubFault, PullRequest,
    ReviewComment,
};
use serde_json::{Value, json};
use support::{Answer, Fixture};

const TOKEN: &str = "token gho_testkitocto";

async fn graphql(fixture: &Fixture, query: &str, variables: Value) -> Result<Answer> {
    let body = json!({"query": query, "variables": variables}).to_string();
    fixture
        .request("api.github.com", "POST /graphql", Some(TOKEN), &body)
        .await
}

async fn push_file(fixture: &Fixture, branch: &str) -> Result<()> {
    let dir = fixture.dir.path().join(branch);
    std::fs::create_dir(&dir)?;
    let url = fixture.login_url("octo/demo.git");
    std::fs::write(dir.join("README.md"), "hello\n".repeat(100_000))?;
    let pushed = format!("HEAD:refs/heads/{branch}");
    for args in [
        &["init", "-q", "-b", "main"][..],
        &["add", "."],
        &["commit", "-q", "-m", branch],
        &["push", "-q", &url, &pushed],
    ] {
        let (ok, output) = fixture.git(&dir, args).await?;
        assert!(ok, "{args:?}: {output}");
    }
    Ok(())
}

#[tokio::test]
async fn git_pushes_and_clones_with_a_login() -> Result<()> {
    let fixture = Fixture::start().await?;
    let bare = fixture.github.create_repo("octo", "demo").await?;
    push_file(&fixture, "main").await?;
    assert!(bare.join("refs/heads/main").exists());
    for path in ["octo/demo.git", "octo/demo"] {
        let (ok, output) = fixture
            .git(
                fixture.dir.path(),
                &["clone", "-q", &fixture.login_url(path), "copy"],
            )
            .await?;
        assert!(ok, "{output}");
        let copy = fixture.dir.path().join("copy");
        assert_eq!(std::fs::read(copy.join("README.md"))?.len(), 600_000);
        std::fs::remove_dir_all(copy)?;
    }
    let logged = fixture.github.requests();
    assert!(logged.iter().any(|r| r.auth == AuthKind::Basic
        && r.login.as_deref() == Some("octo")
        && r.status == 200));
    assert!(!format!("{logged:?}").contains("gho_"));
    Ok(())
}

#[tokio::test]
async fn git_without_a_valid_login_is_refused() -> Result<()> {
    let fixture = Fixture::start().await?;
    fixture.github.create_repo("octo", "demo").await?;
    let refs = "GET /octo/demo.git/info/refs?service=git-upload-pack";
    for auth in [None, Some("Basic b2N0bzp3cm9uZw=="), Some("token nope")] {
        let answer = fixture.request("github.com", refs, auth, "").await?;
        assert_eq!(answer.status, 401);
        assert!(
            answer
                .head
                .contains("www-authenticate: basic realm=\"github\""),
            "{}",
            answer.head
        );
    }
    let (ok, output) = fixture
        .git(
            fixture.dir.path(),
            &["ls-remote", &format!("{}/octo/demo", fixture.github.url())],
        )
        .await?;
    assert!(
        !ok && output.contains("terminal prompts disabled"),
        "{output}"
    );
    assert_eq!(
        fixture
            .request("github.com", refs, Some(TOKEN), "")
            .await?
            .status,
        200
    );
    let missing = "GET /octo/none.git/info/refs?service=git-upload-pack";
    assert_eq!(
        fixture
            .request("github.com", missing, Some(TOKEN), "")
            .await?
            .status,
        404
    );
    let outside = "GET /octo/../demo.git/info/refs?service=git-upload-pack";
    assert_eq!(
        fixture
            .request("github.com", outside, Some(TOKEN), "")
            .await?
            .status,
        404
    );
    fixture.github.set_fault(Some(GitHubFault::GitRejectsLogin));
    assert_eq!(
        fixture
            .request("github.com", refs, Some(TOKEN), "")
            .await?
            .status,
        401
    );
    Ok(())
}

#[tokio::test]
async fn the_api_knows_its_users() -> Result<()> {
    let fixture = Fixture::start().await?;
    let user = fixture
        .request("api.github.com", "GET /user", Some(TOKEN), "")
        .await?;
    assert_eq!((user.status, &user.body["login"]), (200, &json!("octo")));
    let root = fixture
        .request(
            "localhost",
            "GET /api/v3/",
            Some("Bearer gho_testkitocto"),
            "",
        )
        .await?;
    assert!(
        root.status == 200
            && root
                .head
                .contains("x-oauth-scopes: gist, read:org, repo, workflow")
    );
    let bad = fixture
        .request("api.github.com", "GET /", Some("token nope"), "")
        .await?;
    assert_eq!(
        (bad.status, &bad.body["message"]),
        (401, &json!("Bad credentials"))
    );
    let viewer = graphql(&fixture, "query UserCurrent{viewer{login}}", Value::Null).await?;
    assert_eq!(viewer.body, json!({"data": {"viewer": {"login": "octo"}}}));
    fixture.github.set_fault(Some(GitHubFault::ApiStatus(503)));
    assert_eq!(
        fixture
            .request("api.github.com", "GET /user", Some(TOKEN), "")
            .await?
            .status,
        503
    );
    fixture.github.set_fault(None);
    fixture.github.set_accounts(vec![Account::new("hubot", 2)]);
    assert_eq!(
        fixture
            .request("api.github.com", "GET /user", Some(TOKEN), "")
            .await?
            .status,
        401
    );
    Ok(())
}

#[tokio::test]
async fn the_device_flow_waits_for_approval() -> Result<()> {
    let config = GitHubConfig {
        device_approval: Some(DeviceApproval::ByHand),
        ..GitHubConfig::default()
    };
    let fixture = Fixture::start_with(config).await?;
    let code = fixture
        .request(
            "github.com",
            "POST /login/device/code",
            None,
            "client_id=x&scope=repo",
        )
        .await?
        .body;
    let form = format!(
        "client_id=x&device_code={}",
        code["device_code"].as_str().unwrap_or_default()
    );
    let token = "POST /login/oauth/access_token";
    assert_eq!(
        fixture
            .request("github.com", token, None, &form)
            .await?
            .body["error"],
        "authorization_pending"
    );
    assert!(fixture.github.approve_device("WRONG", "octo").is_err());
    fixture
        .github
        .approve_device(code["user_code"].as_str().unwrap_or_default(), "octo")?;
    let given = fixture.request("github.com", token, None, &form).await?;
    assert_eq!(given.body["access_token"], "gho_testkitocto");
    assert_eq!(
        fixture
            .request("github.com", token, None, &form)
            .await?
            .body["error"],
        "expired_token"
    );
    Ok(())
}

#[tokio::test]
async fn pull_requests_show_their_branch_checks_and_comments() -> Result<()> {
    let fixture = Fixture::start().await?;
    let bare = fixture.github.create_repo("octo", "demo").await?;
    push_file(&fixture, "feat").await?;
    let comment = ReviewComment {
        id: 9,
        author: "hubot".to_owned(),
        body: "why?".to_owned(),
        path: "README.md".to_owned(),
        line: 1,
        resolved: true,
        updated_at: "2026-01-01T00:00:00Z".to_owned(),
    };
    let failed = Check {
        name: "ci".to_owned(),
        status: "COMPLETED".to_owned(),
        conclusion: "FAILURE".to_owned(),
        run: 5,
        ..Check::default()
    };
    let number = fixture.github.set_pull_request(
        "octo",
        "demo",
        PullRequest {
            head: "feat".to_owned(),
            checks: vec![failed],
            review_comments: vec![comment],
            ..PullRequest::default()
        },
    );
    let query = "query($owner:String!,$repo:String!,$n:Int!){repository(owner:$owner,name:$repo){pullRequest(number:$n){
        headRefOid, statusCheckRollup: commits(last:1){nodes{commit{statusCheckRollup{contexts(first:100){nodes{
        __typename...on StatusContext{context},...on CheckRun{name conclusion}}}}}}}
        reviewThreads(first:100){nodes{isResolved}}}}}";
    let variables = json!({"owner": "octo", "repo": "demo", "n": number});
    let shown = graphql(&fixture, query, variables).await?.body;
    let pull = &shown["data"]["repository"]["pullRequest"];
    assert_eq!(
        pull["headRefOid"],
        std::fs::read_to_string(bare.join("refs/heads/feat"))?.trim()
    );
    let contexts =
        &pull["statusCheckRollup"]["nodes"][0]["commit"]["statusCheckRollup"]["contexts"]["nodes"];
    assert_eq!(
        contexts,
        &json!([{"__typename": "CheckRun", "name": "ci", "conclusion": "FAILURE"}])
    );
    assert_eq!(
        pull["reviewThreads"],
        json!({"nodes": [{"isResolved": true}]})
    );
    let comments = "GET /repos/octo/demo/pulls/1/comments?per_page=100&page=";
    let page = fixture
        .request("api.github.com", &format!("{comments}1"), Some(TOKEN), "")
        .await?;
    assert_eq!(page.body[0]["id"], 9);
    let page = fixture
        .request("api.github.com", &format!("{comments}2"), Some(TOKEN), "")
        .await?;
    assert_eq!(page.body, json!([]));
    let missing = "query{repository(owner:\"octo\",name:\"demo\"){pullRequest(number:77){id}}}";
    assert_eq!(
        graphql(&fixture, missing, Value::Null).await?.body["errors"][0]["type"],
        "NOT_FOUND"
    );
    Ok(())
}

#[tokio::test]
async fn it_comes_back_with_its_repositories_under_the_same_authority() -> Result<()> {
    let repositories = tempfile::tempdir()?;
    let config = || GitHubConfig {
        repositories: Some(repositories.path().to_owned()),
        ..GitHubConfig::default()
    };
    let Fixture { github, dir } = Fixture::start_with(config()).await?;
    github.create_repo("octo", "demo").await?;
    assert!(github.create_repo("octo", "demo").await.is_err());
    assert!(github.create_repo("octo", "../demo").await.is_err());
    let (addr, authority) = (github.addr(), github.authority());
    github.shutdown().await;
    let again = GitHubConfig {
        bind: addr,
        authority: Some(authority),
        ..config()
    };
    let fixture = Fixture {
        github: GitHub::start(again).await?,
        dir,
    };
    let (ok, output) = fixture
        .git(
            fixture.dir.path(),
            &["ls-remote", &fixture.login_url("octo/demo")],
        )
        .await?;
    assert!(ok, "{output}");
    Ok(())
}

#[tokio::test]
async fn a_git_request_that_stalls_is_ended() -> Result<()> {
    let config = GitHubConfig {
        git_timeout: Duration::from_millis(300),
        ..GitHubConfig::default()
    };
    let fixture = Fixture::start_with(config).await?;
    fixture.github.create_repo("octo", "demo").await?;
    let stalled = format!(
        "POST /octo/demo.git/git-receive-pack HTTP/1.1\r\nHost: github.com\r\nAuthorization: {TOKEN}\r\n\
         Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 1000\r\n\
         Connection: close\r\n\r\n00"
    );
    let started = Instant::now();
    let answer = fixture.exchange("github.com", &stalled).await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 500));
    assert!(started.elapsed() < Duration::from_secs(5));
    Ok(())
}
