//! The main job on real Docker with the real CLI, whole and with each link cut.

#![allow(clippy::unwrap_used)]

#[path = "support/stage.rs"]
mod stage;

use std::process::Command;

use clap::ValueEnum;
use ff_testkit::journey::{self, Break};
use rstest::rstest;
use stage::options;

#[tokio::test]
async fn the_main_job_works_from_end_to_end() {
    let mut steps = Vec::new();
    journey::run(options(), std::future::pending(), |done| {
        println!("{:?} {} {}", done.took, done.step, done.seen);
        steps.push(done.step);
    })
    .await
    .unwrap();
    assert_eq!(steps.len(), 16, "{steps:?}");
}

#[rstest]
#[case::api_answers_500(Break::ApiAnswers500, "500")]
#[case::git_answers_401(Break::GitAnswers401, "gh auth login")]
#[case::cli_missing(Break::CliMissing, "claude")]
#[case::docker_unreachable(Break::DockerUnreachable, "docker")]
#[case::bundle_corrupted(Break::BundleCorrupted, "not what was sent")]
fn a_cut_link_fails_the_demo_at_its_step(#[case] cut: Break, #[case] words: &str) {
    let options = options();
    let link = cut.to_possible_value().unwrap();
    let demo = Command::new(env!("CARGO_BIN_EXE_ff-demo"))
        .args([
            "--cut",
            link.get_name(),
            "--image",
            &options.image,
            "--programs",
        ])
        .arg(&options.programs)
        .output()
        .unwrap();
    let said = String::from_utf8(demo.stdout).unwrap();
    assert_eq!(demo.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("FAILED at: {}\n", cut.failing_step())),
        "{said}"
    );
    let reason = said.split("FAILED at:").nth(1).unwrap().to_lowercase();
    assert!(
        reason.contains(words),
        "the reason does not say {words:?}: {said}"
    );
}
