//! `ff chat` at a real PTY and by a pipe, over a scripted CLI that speaks the real one's protocol.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write;
use std::process::Stdio;

use common::person::Person;
use common::{Desktop, Run};
use serde_json::{Value, json};

/// A person in a conversation.
async fn talking(desktop: &Desktop, options: &str) -> Person {
    let mut person = Person::sits_down(desktop).await;
    let ff = env!("CARGO_BIN_EXE_ff");
    person.types(&format!("{ff} chat demo {options}\r")).await;
    person.waits_for("/help lists").await;
    person.waits_for("> ").await;
    person
}

async fn quits(mut person: Person) {
    person.types("/quit\r").await;
    person.is_back().await;
    person.leaves().await;
}

/// `ff chat` with these lines on stdin.
fn piped(desktop: &Desktop, options: &[&str], lines: &str) -> Run {
    let args: Vec<&str> = ["chat", "demo"].iter().chain(options).copied().collect();
    let mut command = desktop.command(&args);
    command.stdin(Stdio::piped());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap().into()
}

fn only_session(desktop: &Desktop) -> Value {
    let sessions = desktop.json(&["session", "list", "demo"]);
    assert_eq!(sessions.as_array().unwrap().len(), 1, "{sessions}");
    let id = sessions[0]["id"].as_str().unwrap();
    desktop.json(&["session", "show", "demo", id])
}

fn entries<'a>(session: &'a Value, kind: &str) -> Vec<&'a Value> {
    let all = session["messages"].as_array().unwrap().iter();
    all.filter(|entry| entry["kind"] == kind).collect()
}

#[tokio::test]
async fn the_answer_comes_as_it_is_written_with_tools_and_changes() {
    let desktop = Desktop::with_cli();
    let mut person = talking(&desktop, "").await;
    person.types("go\r").await;
    person.waits_for("> Bash: ls -A").await;
    person.waits_for("Hello\r\n").await;
    person.waits_for("> ").await;
    person.types("EDIT\r").await;
    person.waits_for("how about this").await;
    person.waits_for("> Edit: a.txt").await;
    person.waits_for("-old line").await;
    person.waits_for("+new line").await;
    person.waits_for("It is changed.").await;
    person.waits_for("> ").await;
    person.types("two \\\r").await;
    person.types("lines\r").await;
    person.waits_for("Hello\r\n").await;
    person.waits_for("> ").await;
    person.types("pasted\rtogether\r").await;
    person.waits_for("Hello\r\n").await;
    // Another client sees the same while this one is there.
    let session = only_session(&desktop);
    let said: Vec<&Value> = entries(&session, "user_message")
        .iter()
        .map(|entry| &entry["payload"]["text"])
        .collect();
    assert_eq!(said, ["go", "EDIT", "two \nlines", "pasted\ntogether"]);
    assert_eq!(person.all.matches("Hello\r\n").count(), 3);
    person.waits_for("> ").await;
    person.types("/quit\r").await;
    person.waits_for("ends with this command").await;
    person.is_back().await;
    assert!(desktop.processes().iter().all(|(_, lives)| !lives));
    person.leaves().await;
}

#[tokio::test]
async fn a_refusal_reaches_the_model_with_its_reason() {
    let desktop = Desktop::with_cli();
    let mut person = talking(&desktop, "--permissions strict").await;
    person.types("PERMIT\r").await;
    person.waits_for("? Bash: rm -r build").await;
    person.waits_for("why not:").await;
    person.types("use make clean\r").await;
    person.waits_for("It was refused.").await;
    person.waits_for("> ").await;
    let denied = json!({"behavior": "deny", "message": "use make clean"});
    assert_eq!(desktop.decisions(), [denied]);
    person.types("PERMIT\r").await;
    person.waits_for("why not:").await;
    person.types("y\r").await;
    person.waits_for("It was allowed.").await;
    assert_eq!(desktop.decisions()[1]["behavior"], "allow");
    let session = only_session(&desktop);
    let answers = entries(&session, "answer");
    assert_eq!(answers[0]["payload"]["outcome"], "denied");
    assert_eq!(answers[0]["payload"]["message"], "use make clean");
    assert_eq!(answers[1]["payload"]["outcome"], "allowed");
    person.waits_for("> ").await;
    quits(person).await;
}

#[tokio::test]
async fn a_question_is_answered_by_its_number_and_a_plan_by_what_to_change() {
    let desktop = Desktop::with_cli();
    let mut person = talking(&desktop, "").await;
    person.types("CHOOSE\r").await;
    person.waits_for("? Which?").await;
    person.waits_for("2) blue").await;
    person.waits_for("number or text:").await;
    person.types("2\r").await;
    person.waits_for("It was allowed.").await;
    let given = &desktop.decisions()[0]["updatedInput"]["answers"];
    assert_eq!(*given, json!({"Which?": "blue"}));
    person.waits_for("> ").await;
    person.types("PLAN\r").await;
    person.waits_for("1. dig").await;
    person.waits_for("2. build").await;
    person.waits_for("carry out this plan?").await;
    person.types("build first\r").await;
    person.waits_for("It was refused.").await;
    let denied = json!({"behavior": "deny", "message": "build first"});
    assert_eq!(desktop.decisions()[1], denied);
    person.waits_for("> ").await;
    quits(person).await;
}

#[tokio::test]
async fn the_first_ctrl_c_interrupts_and_the_second_leaves() {
    let desktop = Desktop::with_cli();
    let mut person = talking(&desktop, "").await;
    person.types("HANG\r").await;
    person.waits_for("thinking").await;
    person.types("\x03").await;
    person.waits_for("turn interrupted").await;
    person.waits_for("> ").await;
    let session = only_session(&desktop);
    assert_eq!(session["lastTurn"]["outcome"], "interrupted");
    person.types("go\r").await;
    person.waits_for("Hello\r\n").await;
    person.waits_for("> ").await;
    person.types("\x03").await;
    person.waits_for("Ctrl-C again leaves").await;
    person.waits_for("> ").await;
    person.types("\x03").await;
    person.is_back().await;
    person.leaves().await;
}

#[tokio::test]
async fn what_is_typed_during_a_turn_waits_for_its_end() {
    let desktop = Desktop::with_cli();
    let mut person = talking(&desktop, "").await;
    person.types("HANG\r").await;
    person.waits_for("thinking").await;
    person.types("go\r").await;
    person.waits_for("it waits until this turn has ended").await;
    assert!(!desktop.has_heard("go"));
    person.types("\x03").await;
    person.waits_for("turn interrupted").await;
    person.waits_for("Hello\r\n").await;
    person.waits_for("> ").await;
    quits(person).await;
}

#[tokio::test]
async fn the_session_is_changed_by_commands_of_our_own() {
    let desktop = Desktop::with_cli();
    let mut person = talking(&desktop, "").await;
    person.types("go\r").await;
    person.waits_for("Hello\r\n").await;
    person.waits_for("> ").await;
    person.types("/help\r").await;
    person.waits_for("/permissions PRESET").await;
    person.waits_for("/cost").await;
    person.waits_for("> ").await;
    person.types("/model\r").await;
    person.waits_for("Opus").await;
    person.waits_for("> ").await;
    person.types("/model opus\r").await;
    person.waits_for("model opus").await;
    person.waits_for("> ").await;
    person.types("/mode fast\r").await;
    person.waits_for("acceptEdits, plan").await;
    person.waits_for("> ").await;
    person.types("/mode plan\r").await;
    person.waits_for("now plan").await;
    person.waits_for("> ").await;
    person.types("/status\r").await;
    person.waits_for("model: opus").await;
    person.waits_for("mode: plan").await;
    let told = desktop.told();
    for (subtype, key, value) in [
        ("set_model", "model", "opus"),
        ("set_permission_mode", "mode", "plan"),
    ] {
        let mut requests = told.iter().map(|line| &line["request"]);
        let found = requests.any(|it| it["subtype"] == subtype && it[key] == value);
        assert!(found, "no {subtype} in {told:?}");
    }
    quits(person).await;
}

#[tokio::test]
async fn the_model_cannot_steer_the_terminal() {
    let desktop = Desktop::with_cli();
    let mut person = talking(&desktop, "").await;
    person.types("ESCAPE\r").await;
    person.waits_for("]0;owned").await;
    person.waits_for("> ").await;
    assert!(person.all.contains("␛]0;owned␇text"), "{:?}", person.all);
    assert!(!person.all.contains("\u{1b}]0;owned"), "{:?}", person.all);
    quits(person).await;
}

#[test]
fn by_a_pipe_each_line_is_a_prompt_and_stdout_has_the_answers() {
    let desktop = Desktop::with_cli();
    let run = piped(&desktop, &[], "go\n\ngo on\n");
    assert_eq!(
        (run.code, &*run.stdout),
        (0, "Hello\nHello\n"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("> Bash: ls -A"), "{}", run.stderr);
    let run = piped(&desktop, &[], "go");
    assert_eq!((run.code, &*run.stdout), (0, "Hello\n"), "{}", run.stderr);
    let said = only_session(&desktop);
    assert_eq!(entries(&said, "user_message").len(), 3, "one conversation");
    piped(&desktop, &["--new"], "go\n");
    let sessions = desktop.json(&["session", "list", "demo"]);
    assert_eq!(sessions.as_array().unwrap().len(), 2);
}

#[test]
fn by_a_pipe_a_turn_that_failed_ends_it() {
    let desktop = Desktop::with_cli();
    let run = piped(&desktop, &[], "FAIL\ngo\n");
    run.failed(1, &["the turn failed", "the model is out"]);
    assert!(
        run.stderr
            .contains("1 line(s) that came after it were not sent"),
        "{}",
        run.stderr
    );
    let left = piped(&desktop, &[], "/quit\ngo\n");
    assert_eq!((left.code, &*left.stdout), (0, ""), "{}", left.stderr);
    assert_eq!(entries(&only_session(&desktop), "user_message").len(), 1);
}

#[test]
fn by_a_pipe_requests_are_decided_by_a_flag() {
    let desktop = Desktop::with_cli();
    let strict = ["--permissions", "strict"];
    let run = piped(&desktop, &strict, "PERMIT\n");
    assert_eq!(run.stdout, "It was refused.\n", "{}", run.stderr);
    let run = piped(&desktop, &["--allow"], "PERMIT\n");
    assert_eq!(run.stdout, "It was allowed.\n", "{}", run.stderr);
    let run = piped(&desktop, &["--allow"], "CHOOSE\n");
    assert_eq!(run.stdout, "It was refused.\n", "nobody chose");
    let behaviors: Vec<Value> = desktop
        .decisions()
        .iter()
        .map(|decision| decision["behavior"].clone())
        .collect();
    assert_eq!(behaviors, ["deny", "allow", "deny"]);
}

#[test]
fn json_is_a_frame_a_line() {
    let desktop = Desktop::with_cli();
    let run = piped(&desktop, &["--json"], "go\n");
    assert_eq!(run.code, 0, "{}", run.stderr);
    let frames: Vec<Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str| frames.iter().filter(|frame| frame["type"] == kind).count();
    assert_eq!(of("delta"), 2, "{frames:?}");
    assert!(of("status") > 0 && of("claude_message") > 2, "{frames:?}");
    let session = only_session(&desktop);
    let seqs = frames
        .iter()
        .filter_map(|frame| frame["entry"]["seq"].as_u64());
    let journal = session["messages"].as_array().unwrap().iter();
    let journal: Vec<u64> = journal.filter_map(|entry| entry["seq"].as_u64()).collect();
    let seqs: Vec<u64> = seqs.collect();
    assert_eq!(seqs, journal[..seqs.len()], "in order, each once");
    let last = session["lastTurn"]["outcome"].as_str();
    assert_eq!(last, Some("completed"));
}
