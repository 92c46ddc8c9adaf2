//! The main job on real Docker with the real CLI, whole and with each link cut.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use ff_testkit::journey::{self, Break, Options};
use rstest::rstest;

fn options(cut: Option<Break>) -> Options {
    let test = std::env::current_exe().unwrap();
    let programs = test.ancestors().nth(2).map(PathBuf::from).unwrap();
    let image = std::env::var("FF_VM_IMAGE").unwrap_or_else(|_| "ff-vm:latest".to_owned());
    Options {
        programs,
        image,
        keep: false,
        cut,
    }
}

#[tokio::test]
async fn the_main_job_works_from_end_to_end() {
    let mut steps = Vec::new();
    journey::run(options(None), std::future::pending(), |done| {
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
#[case::docker_unreachable(Break::DockerUnreachable, "Docker")]
#[case::bundle_corrupted(Break::BundleCorrupted, "not what was sent")]
#[tokio::test]
async fn a_cut_link_stops_the_journey_at_its_step(#[case] cut: Break, #[case] words: &str) {
    let failure = journey::run(options(Some(cut)), std::future::pending(), |done| {
        println!("{} {}", done.step, done.seen)
    })
    .await
    .unwrap_err();
    assert_eq!(failure.step, cut.failing_step(), "{failure}");
    let said = format!("{:#}", failure.cause).to_lowercase();
    assert!(
        said.contains(&words.to_lowercase()),
        "the reason does not say {words:?}: {said}"
    );
}
