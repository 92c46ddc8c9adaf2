//! The manual test of the README, typed as it stands there: curl against `ff-cloud serve --dev`.
//! Only the port is the test's own.

#![allow(clippy::unwrap_used)]

#[path = "support/stage.rs"]
mod stage;

use std::process::Command;
use std::time::Duration;

use ff_testkit::journey::process::eventually;
use ff_testkit::journey::{World, up_to};
use ff_testkit::messages::PromptPlan;
use serde_json::Value;
use stage::options;

const README: &str = include_str!("../../../README.md");

/// The README's line that begins so and holds `part`, with what a reader puts in.
fn line(world: &World, part: &str, put_in: &[(&str, &str)]) -> String {
    let line = README
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("curl ") && line.contains(part));
    let mut line = line
        .unwrap_or_else(|| panic!("the README has no curl with {part}"))
        .to_owned();
    line = line.replace("http://localhost:3000", &world.url().unwrap());
    for (placeholder, value) in put_in {
        line = line.replace(placeholder, value);
    }
    line
}

/// Runs a line as a shell would and returns the status and the body.
fn shell(line: &str) -> (String, Value) {
    let line = format!("{line} --silent --show-error --write-out '\\n%{{http_code}}'");
    let output = Command::new("bash").args(["-c", &line]).output().unwrap();
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (
        status.to_owned(),
        serde_json::from_str(body).unwrap_or_default(),
    )
}

#[tokio::test]
async fn the_manual_test_of_the_readme_works_as_it_stands_there() {
    let world = up_to(options(), "start").await.unwrap();
    let create = line(&world, "/api/vms -H", &[]);
    let (status, vm) = shell(&create);
    assert_eq!(status, "201", "{vm}");
    let docker = Command::new("docker")
        .args(["ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"])
        .output()
        .unwrap();
    let listed = String::from_utf8(docker.stdout).unwrap();
    assert!(
        listed.contains(vm["containerId"].as_str().unwrap()),
        "{listed}"
    );
    let (status, same) = shell(&create);
    assert_eq!((status.as_str(), &same["id"]), ("200", &vm["id"]));

    world.delete_vms_of("test-user").await.unwrap();
    let listed = Command::new("docker")
        .args(["ps", "--all", "--format", "{{.Names}}"])
        .output()
        .unwrap();
    assert!(
        !String::from_utf8(listed.stdout)
            .unwrap()
            .contains(vm["id"].as_str().unwrap()),
        "it is still there"
    );
    drop(world);

    let world = up_to(options(), "send").await.unwrap();
    world.messages().unwrap().set_script(PromptPlan);
    let id = world.workspace().unwrap();
    let (status, session) = shell(&line(
        &world,
        "What files are in this repo?",
        &[("{id}", id)],
    ));
    assert_eq!(status, "201", "{session}");
    assert!(
        session["id"].is_string() && session["status"].is_string(),
        "{session}"
    );
    let put_in = [("{id}", id), ("{sid}", session["id"].as_str().unwrap())];
    let show = line(&world, "/sessions/{sid}", &put_in);
    let done = eventually(
        "the session comes to its end",
        Duration::from_secs(60),
        async || {
            let (status, shown) = shell(&show);
            assert_eq!(status, "200", "{shown}");
            Ok(
                (shown["activity"] == "idle" && shown["lastTurn"]["outcome"] == "completed")
                    .then_some(shown),
            )
        },
    )
    .await
    .unwrap();
    let messages = done["messages"].to_string();
    assert!(
        messages.contains("What files are in this repo?") && messages.contains("README.md"),
        "{messages}"
    );
}
