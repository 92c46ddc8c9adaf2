//! Sessions that wait for their user: for a login, an answer, a place, or for somebody to run them.

#![allow(clippy::unwrap_used)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use common::person::Person;
use common::served::{Served, until};
use common::{Desktop, Run};
use serde_json::Value;

const START: [&str; 4] = ["session", "start", "demo", "--prompt"];

fn start<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&START[..], more].concat()
}

/// Asserts that a run gave up to wait; what the CLI said of it stands on stdout.
fn gave_up(run: &Run, words: &[&str]) {
    assert_eq!(run.code, 6, "{}", run.stderr);
    for word in words {
        assert!(run.stderr.contains(word), "no {word:?} in: {}", run.stderr);
    }
}

fn show(desktop: &Desktop, session: &str) -> Value {
    desktop.json(&["session", "show", "demo", session])
}

/// The request that waits in a session.
fn request(desktop: &Desktop, session: &str) -> String {
    until("the session asks", || {
        show(desktop, session)["activity"] == "waiting_for_user"
    });
    let shown = show(desktop, session);
    let mut entries = shown["messages"].as_array().unwrap().iter();
    let asked = entries.rfind(|entry| entry["kind"] == "request").unwrap();
    asked["payload"]["requestId"].as_str().unwrap().to_owned()
}

#[test]
fn without_a_terminal_nobody_waits_for_a_login_and_the_message_is_kept() {
    let desktop = Desktop::with_cli();
    let run = desktop.ff(&start(&["LOGOUT", "--name", "first"]));
    gave_up(
        &run,
        &[
            "waits for a login",
            "claude auth login",
            "ff session resume",
        ],
    );
    let shown = show(&desktop, "first");
    assert_eq!(
        (&shown["status"], &shown["activity"], &shown["queued"]),
        (&"IDLE".into(), &"idle".into(), &1.into())
    );
    let text = desktop.ok(&["session", "show", "demo", "first"]);
    assert!(text.contains("you [waits for its turn]: LOGOUT"), "{text}");
    let listed = desktop.ok(&["session", "list", "demo"]);
    assert!(listed.contains("first waits for somebody"), "{listed}");
    let again = desktop.ff(&["session", "resume", "demo", "first"]);
    gave_up(&again, &["waits for a login"]);

    desktop.log_in();
    let run = desktop.ff(&["session", "resume", "demo", "first"]);
    assert_eq!(
        (run.code, &*run.stdout),
        (0, "Back again\n"),
        "{}",
        run.stderr
    );
    let nothing = desktop.ok(&["session", "resume", "demo", "first"]);
    assert!(
        nothing.contains("no message of this session waits"),
        "{nothing}"
    );
}

#[test]
fn a_missing_login_is_shown_wherever_the_session_is_and_it_goes_on_after_it() {
    let desktop = Desktop::with_cli();
    let _served = Served::on(&desktop);
    let run = desktop.ff(&start(&["LOGOUT", "--name", "first"]));
    gave_up(&run, &["waits for a login", "goes on by itself"]);
    let shown = show(&desktop, "first");
    assert_eq!(shown["activity"], "waiting_for_user");
    let reason = shown["loginRequired"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("Not logged in"), "{reason}");
    for command in [
        &["session", "list", "demo"][..],
        &["session", "show", "demo", "first"],
        &["workspace", "show", "demo"],
    ] {
        let text = desktop.ok(command);
        assert!(text.contains("claude auth login"), "{command:?}: {text}");
    }
    let mut piped = desktop.command(&["chat", "demo"]);
    std::fs::write(desktop.path("lines"), "LOGOUT\n").unwrap();
    let lines = std::fs::File::open(desktop.path("lines")).unwrap();
    let piped = piped.stdin(lines).output().unwrap();
    assert_eq!(piped.status.code(), Some(6), "{piped:?}");
    desktop.log_in();
    until("both go on", || {
        let shown = show(&desktop, "first");
        shown["activity"] == "idle" && shown["queued"] == 0
    });
    let shown = show(&desktop, "first");
    assert_eq!(shown["lastTurn"]["outcome"], "completed");
    assert!(shown.get("loginRequired").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_terminal_one_ctrl_c_leaves_a_session_that_waits_for_a_login() {
    let desktop = Desktop::with_cli();
    let mut person = Person::sits_down(&desktop).await;
    let ff = env!("CARGO_BIN_EXE_ff");
    let start = format!("{ff} session start demo --prompt LOGOUT; echo code-$?\r");
    person.types(&start).await;
    person.waits_for("waits for a login").await;
    person.types("\x03").await;
    person.waits_for("code-130").await;
    person.is_back().await;
    let sessions = desktop.json(&["session", "list", "demo"]);
    assert_eq!(sessions[0]["lastTurn"]["outcome"], "interrupted");
    assert!(desktop.processes().iter().all(|(_, lives)| !lives));
    person.leaves().await;
}

#[test]
fn a_stop_tells_what_it_takes_back_and_what_was_said_shows_what_became_of_it() {
    let desktop = Desktop::with_cli();
    let _served = Served::on(&desktop);
    desktop.ok(&start(&["HANG one", "--detach", "--name", "first"]));
    until("the CLI works", || desktop.has_heard("HANG"));
    for text in ["go two", "go three"] {
        let send = ["session", "send", "demo", "first", "--detach", "--prompt"];
        desktop.ok(&[&send[..], &[text]].concat());
    }
    let text = desktop.ok(&["session", "show", "demo", "first"]);
    for line in [
        "you [its turn runs]: HANG one",
        "you [waits for its turn]: go two",
    ] {
        assert!(text.contains(line), "no {line:?} in {text}");
    }
    let text = desktop.ok(&["session", "stop", "demo", "first"]);
    for line in ["taken back: 2 message(s)", "  go two", "  go three"] {
        assert!(text.contains(line), "no {line:?} in {text}");
    }
    let text = desktop.ok(&["session", "show", "demo", "first"]);
    for line in [
        "you [interrupted]: HANG one",
        "you [taken back, not sent]: go two",
        "you [taken back, not sent]: go three",
    ] {
        assert!(text.contains(line), "no {line:?} in {text}");
    }
    assert!(!desktop.has_heard("go two"));
    let stopped = desktop.json(&["session", "stop", "demo", "first"]);
    assert_eq!(stopped["takenBack"], serde_json::json!([]));
}

#[test]
fn an_answer_that_does_not_fit_is_refused_in_the_words_of_the_command_line() {
    let desktop = Desktop::with_cli();
    let _served = Served::on(&desktop);
    let strict = [
        "PERMIT",
        "--detach",
        "--name",
        "asks",
        "--permissions",
        "strict",
    ];
    desktop.ok(&start(&strict));
    let id = request(&desktop, "asks");
    let answer = |session: &str, id: &str, more: &[&str]| {
        desktop.ff(&[&["session", "answer", "demo", session, id][..], more].concat())
    };
    answer("asks", &id, &["--allow", "--choose", "Which?=red"])
        .failed(2, &["no question", "--allow alone", "--deny"]);
    assert!(desktop.decisions().is_empty());
    let shown = desktop.ok(&["session", "show", "demo", "asks"]);
    assert!(
        shown.contains(&format!("request {id} [waits for an answer]")),
        "{shown}"
    );
    assert_eq!(answer("asks", &id, &["--allow"]).code, 0);
    until("it ran", || show(&desktop, "asks")["activity"] == "idle");
    let shown = desktop.ok(&["session", "show", "demo", "asks"]);
    assert!(
        shown.contains(&format!("request {id} [allowed by Test.User]")),
        "{shown}"
    );
    answer("asks", &id, &["--deny"]).failed(4, &["answered already: allowed by Test.User"]);

    desktop.ok(&start(&["CHOOSE", "--detach", "--name", "chooses"]));
    let id = request(&desktop, "chooses");
    answer("chooses", &id, &["--allow"]).failed(
        2,
        &["nothing was chosen", "red | blue", "--choose 'Which?=red'"],
    );
    answer("chooses", &id, &["--allow", "--choose", "Which?=green"])
        .failed(2, &["`green` is no choice", "red | blue", "--other"]);
    assert_eq!(desktop.decisions().len(), 1);
    assert_eq!(
        answer("chooses", &id, &["--allow", "--other", "Which?=green"]).code,
        0
    );
    until("it was told", || desktop.decisions().len() == 2);
    let given = &desktop.decisions()[1]["updatedInput"]["answers"];
    assert_eq!(*given, serde_json::json!({"Which?": "green"}));
}

#[test]
fn an_answer_that_nobody_runs_says_so_and_a_resume_runs_it() {
    let desktop = Desktop::with_cli();
    let mut served = Served::on(&desktop);
    let strict = [
        "PERMIT",
        "--detach",
        "--name",
        "asks",
        "--permissions",
        "strict",
    ];
    desktop.ok(&start(&strict));
    let id = request(&desktop, "asks");
    served.signal("-KILL");
    served.child.wait().unwrap();
    let shown = desktop.ok(&["session", "show", "demo", "asks"]);
    for words in [
        "its process has ended",
        "you [interrupted]: PERMIT",
        "status: IDLE",
    ] {
        assert!(shown.contains(words), "no {words:?} in {shown}");
    }
    let starts = desktop.starts().len();
    let answer = [
        "session", "answer", "demo", "asks", &id, "--allow", "--json",
    ];
    let run = desktop.ff(&answer);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let session: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&session["activity"], &session["queued"]),
        (&"idle".into(), &1.into())
    );
    let waits = session["waitsFor"].as_str().unwrap();
    for words in ["somebody to run it", "ff session resume", "ff serve"] {
        assert!(waits.contains(words), "no {words:?} in {waits}");
    }
    assert_eq!(desktop.starts().len(), starts, "nothing was started");
    let run = desktop.ff(&["session", "resume", "demo", "asks"]);
    assert_eq!(
        (run.code, &*run.stdout),
        (0, "It was allowed.\n"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_sixth_session_is_told_what_frees_a_place() {
    let desktop = Desktop::with_cli();
    let _served = Served::on(&desktop);
    for _ in 0..4 {
        desktop.ok(&start(&["HANG", "--detach"]));
    }
    desktop.ok(&start(&["go", "--name", "idle"]));
    let idle = show(&desktop, "idle");
    let (workspace, id) = (&idle["workspaceId"], idle["id"].as_str().unwrap());
    let run = desktop.ff(&start(&["HANG", "--detach"]));
    let stop = format!("ff session stop {} {id}", workspace.as_str().unwrap());
    run.failed(4, &["5 sessions of this workspace", &stop]);
    assert!(!run.stderr.contains("try:"), "{}", run.stderr);
    desktop.ok(&["session", "stop", "demo", "idle"]);
    desktop.ok(&start(&["HANG", "--detach"]));
}

#[test]
fn a_session_is_forked_changed_and_closed() {
    let desktop = Desktop::with_cli();
    desktop.ok(&start(&["go", "--name", "first"]));
    let first = show(&desktop, "first");
    let conversation = first["providerSessionId"].as_str().unwrap();
    let fork = ["session", "fork", "demo", "first", "--name", "second"];
    let run = desktop.ff(&[&fork[..], &["--prompt", "go"]].concat());
    assert_eq!((run.code, &*run.stdout), (0, "Hello\n"), "{}", run.stderr);
    let started = desktop.starts().pop().unwrap();
    assert!(
        started.contains("--fork-session") && started.contains(conversation),
        "{started}"
    );
    assert_eq!(show(&desktop, "second")["forkOf"], first["id"]);

    let configure = ["session", "configure", "demo", "second", "--model", "opus"];
    let more = [
        "--mode",
        "plan",
        "--thinking",
        "4000",
        "--permissions",
        "strict",
    ];
    let text = desktop.ok(&[&configure[..], &more].concat());
    for line in ["model: opus", "mode: plan", "thinking: at most 4000 tokens"] {
        assert!(text.contains(line), "no {line:?} in {text}");
    }
    desktop.ok(&["session", "send", "demo", "second", "--prompt", "go"]);
    let started = desktop.starts().pop().unwrap();
    for part in ["--model opus", "--permission-mode plan"] {
        assert!(started.contains(part), "no {part:?} in {started}");
    }
    let told = desktop.told();
    let mut requests = told.iter().map(|line| &line["request"]);
    assert!(
        requests.any(|it| it["subtype"] == "set_max_thinking_tokens"),
        "{told:?}"
    );

    let closed = desktop.json(&["session", "close", "demo", "second"]);
    assert!(closed["closedAt"].is_string());
    desktop
        .ff(&["session", "send", "demo", "second", "--prompt", "go"])
        .failed(4, &["closed", "ff session list"]);
    let text = desktop.ok(&["session", "show", "demo", "second"]);
    assert!(text.contains("claude: Hello"), "{text}");
}

#[test]
fn a_turn_whose_command_was_killed_does_not_seem_to_run() {
    let desktop = Desktop::with_cli();
    let mut command = desktop.command(&start(&["HANG"]));
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the CLI works", || desktop.has_heard("HANG"));
    child.kill().unwrap();
    child.wait().unwrap();
    let listed = desktop.json(&["workspace", "show", "demo"]);
    let session = &listed["sessions"][0];
    assert_eq!(
        (&session["status"], &session["activity"]),
        (&"IDLE".into(), &"idle".into())
    );
    assert_eq!(session["lastTurn"]["outcome"], "interrupted");
    let mode = |name: &str| {
        let path = desktop.path(&format!("data/factory-factory{name}"));
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode(""), mode("/core.db")), (0o700, 0o600));
}
