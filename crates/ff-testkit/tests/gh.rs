//! The real `gh` against the GitHub stand-in.

mod support;

use anyhow::{Context as _, Result};
use ff_testkit::github::{Check, PullRequest, Review};
use serde_json::{Value, json};
use support::Fixture;
use tokio::process::Command;

const FIELDS: &str = "number,title,url,author,isDraft,state,reviewDecision,statusCheckRollup,reviews,comments,labels,\
    additions,deletions,changedFiles,headRefName,baseRefName,mergeStateStatus,createdAt,updatedAt";

/// Runs gh with a login and returns its exit code and standard output.
async fn gh(fixture: &Fixture, args: &[&str]) -> Result<(Option<i32>, String)> {
    let host = fixture.github.url().replace("https://", "");
    let output = Command::new("gh")
        .args(args)
        .env("GH_HOST", host)
        .env("GH_ENTERPRISE_TOKEN", "gho_testkitocto")
        .env("GH_CONFIG_DIR", fixture.dir.path().join("gh"))
        .env("GH_PROMPT_DISABLED", "1")
        .env("SSL_CERT_FILE", fixture.ca_file())
        .output()
        .await?;
    Ok((
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    ))
}

fn check(name: &str, conclusion: &str) -> Check {
    Check {
        name: name.to_owned(),
        status: "COMPLETED".to_owned(),
        conclusion: conclusion.to_owned(),
        run: 5,
        ..Check::default()
    }
}

#[tokio::test]
async fn gh_reads_the_user_and_pull_requests() -> Result<()> {
    let fixture = Fixture::start().await?;
    fixture.github.create_repo("octo", "demo").await?;
    let review = Review {
        author: "hubot".to_owned(),
        state: "CHANGES_REQUESTED".to_owned(),
        body: "no".to_owned(),
        submitted_at: "2026-01-01T00:00:00Z".to_owned(),
    };
    let pull = PullRequest {
        head: "feat".to_owned(),
        author: "octo".to_owned(),
        conflict: true,
        review_decision: "CHANGES_REQUESTED".to_owned(),
        checks: vec![check("build", "SUCCESS"), check("test", "FAILURE")],
        reviews: vec![review],
        ..PullRequest::default()
    };
    fixture.github.set_pull_request("octo", "demo", pull);
    assert_eq!(gh(&fixture, &["auth", "status"]).await?.0, Some(0));
    assert_eq!(
        gh(&fixture, &["api", "user", "--jq", ".login"]).await?,
        (Some(0), "octo\n".to_owned())
    );
    let (code, shown) = gh(
        &fixture,
        &["pr", "view", "1", "-R", "octo/demo", "--json", FIELDS],
    )
    .await?;
    assert_eq!(code, Some(0));
    let shown: Value = serde_json::from_str(&shown)?;
    assert_eq!(shown["mergeStateStatus"], "DIRTY");
    assert_eq!(shown["reviews"][0]["state"], "CHANGES_REQUESTED");
    let rollup = shown["statusCheckRollup"].as_array().context("checks")?;
    let conclusions: Vec<_> = rollup.iter().map(|check| &check["conclusion"]).collect();
    assert_eq!(conclusions, [&json!("SUCCESS"), &json!("FAILURE")]);
    let (_, checks) = gh(&fixture, &["pr", "checks", "1", "-R", "octo/demo"]).await?;
    assert!(checks.contains("test\tfail"), "{checks}");
    let (_, listed) = gh(
        &fixture,
        &[
            "pr",
            "list",
            "-R",
            "octo/demo",
            "--json",
            "number,headRefName",
        ],
    )
    .await?;
    assert_eq!(
        serde_json::from_str::<Value>(&listed)?,
        json!([{"number": 1, "headRefName": "feat"}])
    );
    assert_ne!(
        gh(&fixture, &["pr", "view", "7", "-R", "octo/demo"])
            .await?
            .0,
        Some(0)
    );
    Ok(())
}
