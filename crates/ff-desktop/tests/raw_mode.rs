//! `ff terminal` at a real PTY: raw mode while it runs, the old mode after every way out.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::Desktop;
use ff_core::terminal::{Terminals, ViewerEvent, ViewerInput, ViewerOutput};
use ff_protocol::TerminalId;
use ff_protocol::terminal::{CreateTerminal, Size};

const LONGEST: Duration = Duration::from_secs(20);

/// A person's terminal with a shell, in which `ff` is started.
struct Person {
    terminals: Terminals,
    output: ViewerOutput,
    input: ViewerInput,
    typed: u64,
    seen: String,
}

impl Person {
    async fn sits_down(desktop: &Desktop) -> Self {
        let terminals = Terminals::new(&desktop.path("home"));
        let create = CreateTerminal {
            name: None,
            size: Size {
                cols: 200,
                rows: 50,
            },
        };
        let terminal = terminals
            .create(desktop.path("home"), None, create)
            .await
            .unwrap();
        let handle = terminals.get(&terminal.id).unwrap();
        let (_, output, input) = handle.attach(TerminalId::generate(), None);
        let mut person = Self {
            terminals,
            output,
            input,
            typed: 0,
            seen: String::new(),
        };
        let environment = format!(
            "export XDG_DATA_HOME={} XDG_CONFIG_HOME={}; PS1='per''son> '",
            desktop.path("data").display(),
            desktop.path("config").display(),
        );
        person.types(&format!("{environment}\r")).await;
        person.waits_for("person> ").await;
        person
    }

    async fn types(&mut self, text: &str) {
        let bytes = text.as_bytes().to_vec();
        let offset = self.typed;
        self.typed += bytes.len() as u64;
        self.input.send(offset, bytes).await.unwrap();
    }

    /// Waits for words in the output that was not looked at yet.
    async fn waits_for(&mut self, words: &str) {
        let waiting = async {
            while !self.seen.contains(words) {
                if let ViewerEvent::Output { bytes, .. } = self.output.next().await {
                    self.seen.push_str(&String::from_utf8_lossy(&bytes));
                }
            }
        };
        if tokio::time::timeout(LONGEST, waiting).await.is_err() {
            panic!("no {words:?} in: {}", self.seen);
        }
        let end = self.seen.find(words).unwrap() + words.len();
        self.seen.drain(..end);
    }

    /// Waits until `ff` has ended and the person's own shell reads again.
    async fn is_back(&mut self) {
        self.waits_for("person> ").await;
    }

    /// Asserts that the terminal's mode is one to type commands in.
    async fn has_the_old_mode(&mut self) {
        self.is_back().await;
        self.types("stty -a | tr ' ;' '\\n\\n' | grep -xE -- '-?(icanon|echo|isig)' | xargs echo mode''s\r").await;
        self.waits_for("modes isig icanon echo").await;
    }
}

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
    person.terminals.shutdown().await;
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
    person.terminals.shutdown().await;
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
    person.terminals.shutdown().await;
}
