//! `ff session` on this machine, over a scripted CLI that speaks the real one's protocol.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use common::Desktop;
use serde_json::Value;

/// A session whose turn hangs, once its first words have come.
fn hanging(desktop: &Desktop) -> Child {
    let mut command = desktop.command(&["session", "start", "demo", "--prompt", "HANG"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut words = [0; 8];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut words)
        .unwrap();
    assert_eq!(&words, b"thinking");
    child
}

fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn answer_goes_to_stdout_and_tool_calls_beside_it() {
    let desktop = Desktop::with_cli();
    let run = desktop.ff(&["session", "start", "demo", "--prompt", "go"]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "Hello\n"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("> Bash: ls -A"), "{}", run.stderr);
    assert!(run.stderr.contains("turn completed"), "{}", run.stderr);
}

#[test]
fn json_is_one_document_with_the_session_and_its_messages() {
    let desktop = Desktop::with_cli();
    let name = ["--name", "first"];
    let started = desktop.json(&[
        "session", "start", "demo", "--prompt", "go", name[0], name[1],
    ]);
    assert_eq!(started["lastTurn"]["outcome"], "completed");
    assert_eq!(started["messages"][0]["kind"], "user_message");

    let sent = desktop.json(&["session", "send", "demo", "first", "--prompt", "more"]);
    assert_eq!(sent["id"], started["id"]);
    let count = |document: &Value| document["messages"].as_array().unwrap().len();
    assert!(count(&sent) > count(&started));
    let listed = desktop.json(&["session", "list", "demo"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["status"], "IDLE");
    assert_eq!(
        desktop.json(&["workspace", "show", "demo"])["sessions"][0]["name"],
        "first"
    );
}

#[test]
fn a_later_turn_shows_only_itself_and_its_prompt_may_come_by_stdin() {
    let desktop = Desktop::with_cli();
    desktop.ok(&[
        "session", "start", "demo", "--prompt", "go", "--name", "first",
    ]);
    let prompt = desktop.path("prompt.txt");
    std::fs::write(&prompt, "more\n").unwrap();
    let mut command = desktop.command(&["session", "send", "demo", "first", "--prompt", "-"]);
    let output = command
        .stdin(std::fs::File::open(prompt).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"Hello\n");
    let empty = desktop.ff(&["session", "send", "demo", "first", "--prompt", "-"]);
    empty.failed(2, &["the prompt is empty"]);
}

#[test]
fn a_turn_that_failed_fails_the_command() {
    let desktop = Desktop::with_cli();
    let run = desktop.ff(&["session", "start", "demo", "--prompt", "FAIL"]);
    run.failed(
        1,
        &["the turn failed", "the model is out", "ff session show"],
    );
    let run = desktop.ff(&["session", "start", "demo", "--prompt", "FAIL", "--json"]);
    assert_eq!(run.code, 1);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(document["lastTurn"]["outcome"], "failed");
}

#[test]
fn the_first_signal_interrupts_the_turn_and_waits_for_its_end() {
    let desktop = Desktop::with_cli();
    let child = hanging(&desktop);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let sessions = desktop.json(&["session", "list", "demo"]);
    assert_eq!(sessions[0]["lastTurn"]["outcome"], "interrupted");
    assert_eq!(
        (&sessions[0]["status"], &sessions[0]["activity"]),
        (&"IDLE".into(), &"idle".into())
    );
}

#[test]
fn beside_a_running_session_work_goes_on_but_no_second_one_starts() {
    let desktop = Desktop::with_cli();
    let mut child = hanging(&desktop);
    let sessions = desktop.json(&["session", "list", "demo"]);
    assert_eq!(sessions[0]["activity"], "working");
    assert_eq!(desktop.json(&["workspace", "list"])[0]["name"], "demo");
    desktop
        .ff(&["session", "start", "demo", "--prompt", "go"])
        .failed(4, &["another ff runs a session", "Ctrl-C"]);
    desktop.ok(&["workspace", "new", "other"]);
    let sessions = desktop.json(&["session", "list", "demo"]);
    assert_eq!(sessions[0]["activity"], "working");

    interrupt(&child);
    let mut told = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .lines()
        .for_each(|line| {
            told.push_str(&line.unwrap());
        });
    assert!(told.contains("turn interrupted"), "{told}");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
