//! A person at a real PTY.

use std::time::Duration;

use ff_core::terminal::{
    Attach, TerminalConfig, Terminals, ViewerEvent, ViewerInput, ViewerOutput,
};
use ff_protocol::TerminalId;
use ff_protocol::terminal::{CreateTerminal, Size};

use super::Desktop;

const LONGEST: Duration = Duration::from_secs(20);

/// A person's terminal with a shell, in which `ff` is started.
pub struct Person {
    terminals: Terminals,
    output: ViewerOutput,
    input: ViewerInput,
    typed: u64,
    seen: String,
    /// Everything that was ever shown.
    pub all: String,
}

impl Person {
    pub async fn sits_down(desktop: &Desktop) -> Self {
        let terminals = Terminals::new(&desktop.path("home"), TerminalConfig::default());
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
        let attach = Attach {
            from: Some((terminal.incarnation, 0)),
            read_only: false,
        };
        let (_, output, input) = handle.attach(TerminalId::generate(), attach).unwrap();
        let mut person = Self {
            terminals,
            output,
            input,
            typed: 0,
            seen: String::new(),
            all: String::new(),
        };
        let environment = format!(
            "export HOME={} PATH={}:$PATH XDG_DATA_HOME={} XDG_CONFIG_HOME={}; PS1='per''son> '",
            desktop.path("home").display(),
            desktop.path("bin").display(),
            desktop.path("data").display(),
            desktop.path("config").display(),
        );
        person.types(&format!("{environment}\r")).await;
        person.waits_for("person> ").await;
        person
    }

    pub async fn types(&mut self, text: &str) {
        let bytes = text.as_bytes().to_vec();
        let offset = self.typed;
        self.typed += bytes.len() as u64;
        self.input.send(offset, bytes).await.unwrap();
    }

    /// Waits for words in the output that was not looked at yet.
    pub async fn waits_for(&mut self, words: &str) {
        let waiting = async {
            while !self.seen.contains(words) {
                if let ViewerEvent::Output { bytes, .. } = self.output.next().await {
                    let text = String::from_utf8_lossy(&bytes);
                    self.seen.push_str(&text);
                    self.all.push_str(&text);
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
    pub async fn is_back(&mut self) {
        self.waits_for("person> ").await;
    }

    /// Asserts that the terminal's mode is one to type commands in.
    pub async fn has_the_old_mode(&mut self) {
        self.is_back().await;
        self.types("stty -a | tr ' ;' '\\n\\n' | grep -xE -- '-?(icanon|echo|isig)' | xargs echo mode''s\r").await;
        self.waits_for("modes isig icanon echo").await;
    }

    /// Ends everything that runs in the terminal.
    pub async fn leaves(self) {
        self.terminals.shutdown().await;
    }
}
