//! `ff terminal` at a real PTY: raw mode while it runs, the old mode after every way out.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::Command;

use common::Desktop;
use common::person::Person;

fn ff_in(desktop: &Desktop) -> String {
    let pid = desktop.path("pid");
    format!(
        "sh -c 'echo $$ > {}; exec {} terminal demo'\r",
        pid.display(),
        env!("CARGO_BIN_EXE_ff")
    )
}

fn kill(signal: &str, pid_file: &Path) {
    let pid = std::fs::read_to_string(pid_file).unwrap();
    let status = Command::new("kill")
        .args([signal, pid.trim()])
        .status()
        .unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn detaching_leaves_the_mode_as_it_was() {
    let desktop = Desktop::with_workspace();
    let mut person = Person::sits_down(&desktop).await;
    person.types(&ff_in(&desktop)).await;
    person.waits_for("Ctrl-] detaches").await;
    person.types("echo in''side; stty size\r").await;
    person.waits_for("inside").await;
    person.waits_for("50 200").await;
    person.types("\x1d").await;
    person.waits_for("detached").await;
    person.has_the_old_mode().await;
    person.leaves().await;
}

#[tokio::test]
async fn ctrl_c_goes_to_the_program_inside() {
    let desktop = Desktop::with_workspace();
    let mut person = Person::sits_down(&desktop).await;
    person.types(&ff_in(&desktop)).await;
    person.waits_for("Ctrl-] detaches").await;
    person
        .types("export WORD=wait; sh -c 'echo ${WORD}ing; exec sleep 1000'\r")
        .await;
    person.waits_for("waiting").await;
    person.types("\x03").await;
    person.waits_for("^C").await;
    person.types("echo still''here; exit 5\r").await;
    person.waits_for("stillhere").await;
    person.is_back().await;
    person.types("echo outer $?\r").await;
    person.waits_for("outer 5").await;
    person.has_the_old_mode().await;
    person.leaves().await;
}

#[tokio::test]
async fn a_signal_gives_the_mode_back() {
    let desktop = Desktop::with_workspace();
    let mut person = Person::sits_down(&desktop).await;
    for signal in ["-TERM", "-HUP", "-INT"] {
        person.types(&ff_in(&desktop)).await;
        person.waits_for("Ctrl-] detaches").await;
        person.types("echo in''side\r").await;
        person.waits_for("inside").await;
        kill(signal, &desktop.path("pid"));
        person.waits_for("interrupted").await;
        person.has_the_old_mode().await;
    }
    person.leaves().await;
}
