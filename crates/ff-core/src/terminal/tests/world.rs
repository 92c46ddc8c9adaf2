//! Terminals, and viewers that remember what they saw.

use std::path::Path;
use std::time::Duration;

use ff_protocol::TerminalId;
use ff_protocol::terminal::{CreateTerminal, Exit, Size, Terminal};

use crate::terminal::{
    Attach, Attached, TerminalConfig, Terminals, ViewerEvent, ViewerInput, ViewerOutput,
};

pub(super) const DEADLINE: Duration = Duration::from_secs(60);

pub(super) struct World {
    pub(super) dir: tempfile::TempDir,
    pub(super) terminals: Terminals,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(TerminalConfig::default())
    }

    pub(super) fn with(config: TerminalConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let terminals = Terminals::new(dir.path(), config);
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

    /// A viewer that sees the output from its beginning.
    pub(super) fn attach(&self, terminal: &Terminal) -> Viewer {
        self.attach_as(
            terminal,
            TerminalId::generate(),
            Some((&terminal.incarnation, 0)),
        )
    }

    pub(super) fn attach_as(
        &self,
        terminal: &Terminal,
        id: TerminalId,
        from: Option<(&str, u64)>,
    ) -> Viewer {
        let from = from.map(|(incarnation, offset)| (incarnation.to_owned(), offset));
        let attach = Attach {
            from,
            read_only: false,
        };
        self.attach_with(terminal, id, attach).unwrap()
    }

    pub(super) fn attach_with(
        &self,
        terminal: &Terminal,
        id: TerminalId,
        attach: Attach,
    ) -> crate::Result<Viewer> {
        let handle = self.terminals.get(&terminal.id).unwrap();
        let (attached, output, input) = handle.attach(id, attach)?;
        Ok(Viewer {
            typed: attached.input_offset,
            offset: attached.offset,
            attached,
            output,
            input,
            seen: Vec::new(),
            drawn: Vec::new(),
            acked: 0,
        })
    }
}

pub(super) struct Viewer {
    pub(super) attached: Attached,
    pub(super) output: ViewerOutput,
    pub(super) input: ViewerInput,
    pub(super) typed: u64,
    /// Offset of the next output; none while the screen is drawn.
    pub(super) offset: Option<u64>,
    pub(super) seen: Vec<u8>,
    /// What the last redraw drew.
    pub(super) drawn: Vec<u8>,
    pub(super) acked: u64,
}

impl Viewer {
    pub(super) async fn type_in(&mut self, text: &str) {
        let bytes = text.as_bytes().to_vec();
        self.input.send(self.typed, bytes).await.unwrap();
        self.typed += text.len() as u64;
    }

    pub(super) async fn next(&mut self) -> ViewerEvent {
        let event = tokio::time::timeout(DEADLINE, self.output.next()).await;
        let event = event.unwrap_or_else(|_| panic!("nothing came after {:?}", self.text()));
        match &event {
            ViewerEvent::Output { offset, bytes } => {
                assert_eq!(Some(*offset), self.offset);
                self.offset = Some(offset + bytes.len() as u64);
                self.seen.extend_from_slice(bytes);
            }
            ViewerEvent::Redraw => {
                self.offset = None;
                self.drawn.clear();
            }
            ViewerEvent::Drawn { bytes } => {
                assert_eq!(self.offset, None);
                self.drawn.extend_from_slice(bytes);
            }
            ViewerEvent::Live { offset } => self.offset = Some(*offset),
            ViewerEvent::Ack { offset } => self.acked = *offset,
            _ => {}
        }
        event
    }

    pub(super) async fn until(&mut self, wanted: &str) {
        while !self.text().contains(wanted) {
            if let ViewerEvent::Exited(exit) = self.next().await {
                panic!("the shell ended with {exit} after {:?}", self.text());
            }
        }
    }

    /// Reads on, keeping only the end, until something shows in output or redraw.
    pub(super) async fn shows(&mut self, wanted: &str) {
        while !String::from_utf8_lossy(&self.seen).contains(wanted)
            && !String::from_utf8_lossy(&self.drawn).contains(wanted)
        {
            let over = self.seen.len().saturating_sub(2000);
            self.seen.drain(..over);
            self.next().await;
        }
    }

    pub(super) async fn exit(&mut self) -> Exit {
        loop {
            if let ViewerEvent::Exited(exit) = self.next().await {
                return exit;
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
