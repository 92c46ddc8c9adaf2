//! `ff serve`: the sessions of a machine in one process, and who may speak to it.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use common::Desktop;
use common::person::Person;
use common::served::{Served, until};

#[test]
fn who_has_not_the_token_or_comes_from_elsewhere_is_refused() {
    let desktop = Desktop::with_cli();
    let served = Served::on(&desktop);
    let record = served.record();
    let token = record["token"].as_str().unwrap();
    let mode = std::fs::metadata(served.record_path()).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    assert!(token.len() > 60 && !served.first_words.contains(token));
    let address = served.address();
    assert!(address.starts_with("127.0.0.1:"), "{address}");

    let bearer = format!("Bearer {token}");
    let host = ("Host", address.as_str());
    let shown = ("Authorization", bearer.as_str());
    let id = desktop.json(&["workspace", "show", "demo"])["id"].clone();
    let socket = format!("/api/workspaces/{}/socket", id.as_str().unwrap());
    let upgrade = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let list = "/api/workspaces";
    assert!(served.ask(list, &[host, shown]).starts_with("HTTP/1.1 200"));
    let named = served.ask("/no/such", &[host, shown, ("X-Request-Id", "mine-1")]);
    assert!(named.contains(r#""requestId":"mine-1""#), "{named}");
    let unnamed = served.ask(list, &[host]);
    assert!(unnamed.contains(r#""requestId":""#), "{unnamed}");
    for path in [list, socket.as_str(), "/no/such/path"] {
        let with = |headers: &[(&'static str, &str)]| {
            let all: Vec<(&str, &str)> = headers.iter().chain(&upgrade).copied().collect();
            let answer = served.ask(path, &all);
            answer.lines().next().unwrap_or_default().to_owned()
        };
        assert!(with(&[host]).contains("401"), "{path} without a token");
        let wrong = ("Authorization", "Bearer fft_00");
        assert!(with(&[host, wrong]).contains("401"), "{path}, wrong token");
        let foreign = ("Host", "evil.test");
        assert!(with(&[foreign, shown]).contains("403"), "{path}, Host");
        let page = ("Origin", "http://evil.test");
        assert!(with(&[host, page, shown]).contains("403"), "{path}, Origin");
    }
}

#[test]
fn sessions_go_side_by_side_and_end_in_order_with_it() {
    let desktop = Desktop::with_cli();
    let mut served = Served::on(&desktop);
    desktop.ff(&["serve"]).failed(4, &["runs already"]);
    let start = ["session", "start", "demo", "--prompt"];
    let with = |more: &[&'static str]| -> Vec<&'static str> { [&start[..], more].concat() };
    let started = desktop.json(&with(&["HANG", "--detach", "--name", "long"]));
    until("the first works", || {
        desktop.json(&["session", "show", "demo", "long"])["activity"] == "working"
    });
    let run = desktop.ff(&with(&["go"]));
    assert_eq!((run.code, &*run.stdout), (0, "Hello\n"), "{}", run.stderr);
    let sessions = desktop.json(&["session", "list", "demo"]);
    let running = sessions.as_array().unwrap().iter();
    assert_eq!(running.filter(|s| s["status"] == "RUNNING").count(), 2);
    assert_eq!(
        desktop
            .processes()
            .iter()
            .filter(|(_, lives)| *lives)
            .count(),
        2
    );

    desktop.ok(&["session", "interrupt", "demo", "long"]);
    let shown = desktop.json(&["session", "show", "demo", "long"]);
    assert_eq!(shown["id"], started["id"]);
    assert_eq!(shown["lastTurn"]["outcome"], "interrupted");

    served.signal("-TERM");
    assert!(served.child.wait().unwrap().success());
    assert!(!served.record_path().exists());
    assert!(desktop.processes().iter().all(|(_, lives)| !lives));
    let sessions = desktop.json(&["session", "list", "demo"]);
    let mut all = sessions.as_array().unwrap().iter();
    assert!(all.all(|s| s["status"] == "IDLE"), "{sessions}");
    let run = desktop.ff(&with(&["go"]));
    assert_eq!((run.code, &*run.stdout), (0, "Hello\n"), "{}", run.stderr);
}

#[test]
fn what_a_killed_one_leaves_is_not_believed() {
    let desktop = Desktop::with_cli();
    let mut served = Served::on(&desktop);
    desktop.ok(&["session", "start", "demo", "--prompt", "HANG", "--detach"]);
    until("the CLI works", || desktop.has_heard("HANG"));
    served.signal("-KILL");
    served.child.wait().unwrap();
    assert!(served.record_path().exists());
    // Whoever has the port now is not spoken to.
    let stranger = TcpListener::bind(served.address()).unwrap();
    stranger.set_nonblocking(true).unwrap();
    let run = desktop.ff(&["session", "start", "demo", "--prompt", "go"]);
    assert_eq!((run.code, &*run.stdout), (0, "Hello\n"), "{}", run.stderr);
    assert!(stranger.accept().is_err());
    let sessions = desktop.json(&["session", "list", "demo"]);
    let mut all = sessions.as_array().unwrap().iter();
    assert!(all.all(|s| s["status"] == "IDLE"), "{sessions}");
    assert!(desktop.processes().iter().all(|(_, lives)| !lives));
    drop(stranger);
    let again = Served::on(&desktop);
    assert_eq!(again.record()["pid"], again.child.id());
    desktop.ok(&["session", "list", "demo"]);
}

async fn talking(desktop: &Desktop) -> Person {
    let mut person = Person::sits_down(desktop).await;
    let ff = env!("CARGO_BIN_EXE_ff");
    person.types(&format!("{ff} chat demo\r")).await;
    person.waits_for("> ").await;
    person
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_when_its_chat_is_left_and_others_are_heard() {
    let desktop = Desktop::with_cli();
    let _served = Served::on(&desktop);
    let mut person = talking(&desktop).await;
    person.types("go\r").await;
    person.waits_for("Hello\r\n").await;
    person.waits_for("> ").await;
    let sessions = desktop.json(&["session", "list", "demo"]);
    let id = sessions[0]["id"].as_str().unwrap();
    let sent = desktop.ff(&["session", "send", "demo", id, "--prompt", "from afar"]);
    assert_eq!(sent.stdout, "Hello\n", "{}", sent.stderr);
    person.waits_for("you (elsewhere): from afar").await;
    person.waits_for("Hello\r\n").await;
    person.waits_for("> ").await;
    person.types("HANG\r").await;
    person.waits_for("thinking").await;
    person.types("/quit\r").await;
    person.waits_for("goes on under `ff serve`").await;
    person.is_back().await;
    let shown = desktop.json(&["session", "show", "demo", id]);
    assert_eq!(
        (&shown["status"], &shown["activity"]),
        (&"RUNNING".into(), &"working".into())
    );
    let mut back = talking_in_turn(&desktop).await;
    back.types("\x03").await;
    back.waits_for("turn interrupted").await;
    let elsewhere = back.all.matches("(elsewhere)").count();
    assert_eq!(elsewhere, 0, "what is old is shown once: {}", back.all);
    back.waits_for("> ").await;
    back.types("/quit\r").await;
    back.is_back().await;
    back.leaves().await;
    person.leaves().await;
}

/// Comes to a conversation whose turn runs: what was written so far is there.
async fn talking_in_turn(desktop: &Desktop) -> Person {
    let mut person = Person::sits_down(desktop).await;
    let ff = env!("CARGO_BIN_EXE_ff");
    person.types(&format!("{ff} chat demo\r")).await;
    person.waits_for("you: HANG").await;
    person.waits_for("thinking").await;
    person
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_answered_elsewhere_is_no_longer_asked() {
    let desktop = Desktop::with_cli();
    let _served = Served::on(&desktop);
    let mut person = talking(&desktop).await;
    person.types("CHOOSE\r").await;
    person.waits_for("number or text:").await;
    let sessions = desktop.json(&["session", "list", "demo"]);
    let id = sessions[0]["id"].as_str().unwrap();
    let shown = desktop.json(&["session", "show", "demo", id]);
    let mut entries = shown["messages"].as_array().unwrap().iter();
    let asked = entries.find(|entry| entry["kind"] == "request").unwrap();
    let request = asked["payload"]["requestId"].as_str().unwrap();
    let choice = ["--allow", "--choose", "Which?=red"];
    desktop.ok(&[&["session", "answer", "demo", id, request][..], &choice].concat());
    person.waits_for("answered by Test.User").await;
    person.waits_for("It was allowed.").await;
    person.waits_for("> ").await;
    person.types("/quit\r").await;
    person.is_back().await;
    person.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_conversation_is_opened_at_its_end() {
    let desktop = Desktop::with_cli();
    let _served = Served::on(&desktop);
    let lines = desktop.path("lines");
    std::fs::write(&lines, "go\n".repeat(60)).unwrap();
    let mut command = desktop.command(&["chat", "demo"]);
    let output = command.stdin(std::fs::File::open(lines).unwrap()).output();
    let output = output.unwrap();
    assert_eq!(output.stdout, "Hello\n".repeat(60).as_bytes(), "{output:?}");
    let sessions = desktop.json(&["session", "list", "demo"]);
    let id = sessions[0]["id"].as_str().unwrap();
    let shown = desktop.json(&["session", "show", "demo", id]);
    assert!(shown["messages"].as_array().unwrap().len() > 200);
    let mut person = talking(&desktop).await;
    assert_eq!(person.all.matches("you: go").count(), 1, "{}", person.all);
    person.types("PAUSE\r").await;
    person.waits_for("one ").await;
    std::fs::write(desktop.path("home/go"), "").unwrap();
    person.waits_for("two three\r\n").await;
    person.waits_for("> ").await;
    assert_eq!(person.all.matches("Hello").count(), 1, "{}", person.all);
    person.types("/quit\r").await;
    person.is_back().await;
    person.leaves().await;
}

/// Passes connections on, until they are cut.
struct Between {
    address: String,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Between {
    fn and(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let open = Arc::new(Mutex::new(Vec::new()));
        let (all, ours) = (Arc::clone(&open), address.clone());
        // Ends with the test's process.
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(&target) else {
                    continue;
                };
                // The engine answers to its own name only.
                let names = (ours.clone(), target.clone());
                pass(near.try_clone().unwrap(), far.try_clone().unwrap(), names);
                pass(far, near.try_clone().unwrap(), Default::default());
                all.lock().unwrap().push(near);
            }
        });
        Self { address, open }
    }

    fn cut(&self) {
        let open: Vec<TcpStream> = self.open.lock().unwrap().drain(..).collect();
        assert!(!open.is_empty());
        for stream in open {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Passes on what comes, with one name put for another.
fn pass(mut from: TcpStream, mut to: TcpStream, (old, new): (String, String)) {
    std::thread::spawn(move || {
        let mut buffer = [0; 1 << 16];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let piece = &buffer[..count];
            let at = piece
                .windows(old.len().max(1))
                .position(|it| it == old.as_bytes());
            let sent = match at {
                Some(at) => [&piece[..at], new.as_bytes(), &piece[at + old.len()..]].concat(),
                None => piece.to_vec(),
            };
            if to.write_all(&sent).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_loses_and_repeats_nothing() {
    let desktop = Desktop::with_cli();
    let served = Served::on(&desktop);
    let between = Between::and(served.address());
    let mut record = served.record();
    record["address"] = format!("http://{}", between.address).into();
    std::fs::write(served.record_path(), record.to_string()).unwrap();
    let mut person = talking(&desktop).await;
    person.types("PAUSE\r").await;
    person.waits_for("one ").await;
    between.cut();
    person.waits_for("reconnecting").await;
    std::fs::write(desktop.path("home/go"), "").unwrap();
    person.waits_for("three").await;
    person.waits_for("> ").await;
    let shown = person.all.split("PAUSE").last().unwrap();
    for word in ["one ", "two ", "three"] {
        assert_eq!(shown.matches(word).count(), 1, "{word:?} in {shown:?}");
    }
    person.types("/quit\r").await;
    person.is_back().await;
    person.leaves().await;
}

#[test]
fn a_terminal_outlives_its_viewer() {
    let desktop = Desktop::with_workspace();
    let _served = Served::on(&desktop);
    let piped = |words: &str| {
        let mut command = desktop.command(&["terminal", "demo", "--name", "kept"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(words.as_bytes()).unwrap();
        (child, stdin)
    };
    let (mut first, _stdin) = piped("WORD=kept; echo $WORD''-word > \"$HOME/word\"\n");
    let word = desktop.path("home/word");
    until("the shell has it", || {
        std::fs::read_to_string(&word).is_ok_and(|text| text == "kept-word\n")
    });
    first.kill().unwrap();
    first.wait().unwrap();
    let (second, stdin) = piped("echo again-$WORD; exit 3\n");
    drop(stdin);
    let output = second.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("again-kept"), "{shown}");
    assert_eq!(output.status.code(), Some(3));
}
