//! Terminals, and viewers that remember what they saw.

use std::path::Path;
use std::time::Duration;

use ff_protocol::TerminalId;
use ff_protocol::terminal::{CreateTerminal, Size, Terminal};

use crate::terminal::{Attached, Terminals, ViewerEvent, ViewerInput, ViewerOutput};

pub(super) const DEADLINE: Duration = Duration::from_secs(60);

pub(super) struct World {
    pub(super) dir: tempfile::TempDir,
    pub(super) terminals: Terminals,
}

impl World {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let terminals = Terminals::new(dir.path());
        Self { dir, terminals }
    }

    pub(super) async fn open(&self) -> Terminal {
        self.open_sized(Size::default()).await
    }

    pub(super) async fn open_sized(&self, size: Size) -> Terminal {
        let create = CreateTerminal { name: None, size };
        self.terminals
            .create(self.dir.path().to_owned(), None, create)
            .await
            .unwrap()
    }

    pub(super) fn attach(&self, terminal: &Terminal) -> Viewer {
        self.attach_as(terminal, TerminalId::generate(), None)
    }

    pub(super) fn attach_as(
        &self,
        terminal: &Terminal,
        id: TerminalId,
        from: Option<(&str, u64)>,
    ) -> Viewer {
        let handle = self.terminals.get(&terminal.id).unwrap();
        let (attached, output, input) = handle.attach(id, from);
        let typed = attached.input_offset;
        Viewer {
            attached,
            output,
            input,
            typed,
            seen: Vec::new(),
            acked: 0,
        }
    }
}

pub(super) struct Viewer {
    pub(super) attached: Attached,
    pub(super) output: ViewerOutput,
    pub(super) input: ViewerInput,
    pub(super) typed: u64,
    pub(super) seen: Vec<u8>,
    pub(super) acked: u64,
}

impl Viewer {
    pub(super) async fn type_in(&mut self, text: &str) {
        self.input.send(self.typed, text.into()).await.unwrap();
        self.typed += text.len() as u64;
    }

    pub(super) async fn next(&mut self) -> ViewerEvent {
        let event = tokio::time::timeout(DEADLINE, self.output.next()).await;
        let event = event.unwrap_or_else(|_| panic!("nothing came after {:?}", self.text()));
        match &event {
            ViewerEvent::Output { offset, bytes } => {
                assert_eq!(*offset, self.attached.offset + self.seen.len() as u64);
                self.seen.extend_from_slice(bytes);
            }
            ViewerEvent::Ack { offset } => self.acked = *offset,
            _ => {}
        }
        event
    }

    pub(super) async fn until(&mut self, wanted: &str) {
        while !self.text().contains(wanted) {
            if let ViewerEvent::Exited { code } = self.next().await {
                panic!("the shell ended with {code} after {:?}", self.text());
            }
        }
    }

    pub(super) async fn exit_code(&mut self) -> i32 {
        loop {
            if let ViewerEvent::Exited { code } = self.next().await {
                return code;
            }
        }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}

pub(super) fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}
