//! A browser's tab: it follows a workspace and shows terminals, and says nothing by itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ff_client::socket::{
    TerminalEvent, TerminalInput, TerminalOptions, TerminalSocket, WorkspaceEvent, WorkspaceSocket,
};
use ff_protocol::RequestId;
use ff_protocol::session::{EntryKind, JournalEntry};
use ff_protocol::socket::WorkspaceFrame;
use ff_protocol::terminal::Terminal;
use tokio::task::JoinSet;

use crate::vm::{Vm, soon};

/// What a tab has seen.
#[derive(Debug, Default)]
struct Seen {
    entries: Vec<JournalEntry>,
    screen: String,
    /// Connections that did not last.
    lost: Vec<String>,
}

#[derive(Default)]
pub struct Tab {
    seen: Arc<Mutex<Seen>>,
    /// End with the tab.
    sockets: JoinSet<()>,
}

impl Tab {
    /// Shows a terminal.
    pub async fn show(&mut self, vm: &Vm, terminal: &Terminal) -> TerminalInput {
        let options = TerminalOptions::default();
        let socket = vm.engine().attach(&vm.place(), &terminal.id, options).await;
        let (socket, seen) = (socket.unwrap(), Arc::clone(&self.seen));
        let input = socket.input();
        self.sockets.spawn(watch_terminal(socket, seen));
        input
    }

    /// Follows the workspace.
    pub async fn follow(&mut self, vm: &Vm) {
        let socket = vm.engine().follow(&vm.workspace(), None).await;
        let (socket, seen) = (socket.unwrap(), Arc::clone(&self.seen));
        self.sockets.spawn(watch_workspace(socket, seen));
    }

    /// Waits for a permission to be asked for.
    pub async fn request(&self) -> RequestId {
        let request = |entry: &JournalEntry| {
            let id = entry.payload["requestId"].as_str()?;
            (entry.kind == EntryKind::Request).then(|| id.parse().unwrap())
        };
        self.has("a request", |seen| seen.entries.iter().find_map(request))
            .await
    }

    /// Waits for the end of a turn; every entry up to it has come, once.
    pub async fn turn_ended(&self) {
        let is_end = |entry: &JournalEntry| entry.kind == EntryKind::TurnEnded;
        let end = |seen: &Seen| seen.entries.iter().any(is_end).then_some(());
        self.has("the turn's end", end).await;
        let seen = self.seen.lock().unwrap();
        let places = seen.entries.iter().map(|entry| entry.seq);
        let first = seen.entries[0].seq;
        assert!(places.eq(first..first + seen.entries.len() as u64));
    }

    /// Waits until the screen has shown a text so often.
    pub async fn shows(&self, text: &str, times: usize) {
        let shown = |seen: &Seen| (seen.screen.matches(text).count() >= times).then_some(());
        self.has(text, shown).await;
    }

    /// Asserts that no connection was lost.
    pub fn is_connected(&self) {
        let seen = self.seen.lock().unwrap();
        assert!(seen.lost.is_empty(), "{:?}", seen.lost);
    }

    async fn has<T>(&self, what: &str, look: impl Fn(&Seen) -> Option<T>) -> T {
        let look = async || look(&self.seen.lock().unwrap());
        soon(what, Duration::from_secs(60), look).await
    }
}

async fn watch_terminal(mut socket: TerminalSocket, seen: Arc<Mutex<Seen>>) {
    loop {
        let event = socket.next().await;
        let mut seen = seen.lock().unwrap();
        match event {
            Some(Ok(TerminalEvent::Output(bytes) | TerminalEvent::Redraw(bytes))) => {
                seen.screen += &String::from_utf8_lossy(&bytes);
            }
            Some(Ok(
                TerminalEvent::Attached { .. }
                | TerminalEvent::Live { .. }
                | TerminalEvent::Resized(_),
            )) => {}
            other => {
                let over = !matches!(other, Some(Ok(_)));
                seen.lost.push(format!("the terminal: {other:?}"));
                if over {
                    return;
                }
            }
        }
    }
}

async fn watch_workspace(mut socket: WorkspaceSocket, seen: Arc<Mutex<Seen>>) {
    loop {
        let event = socket.next().await;
        let mut seen = seen.lock().unwrap();
        match event {
            Some(Ok(WorkspaceEvent::Frame(frame))) => match *frame {
                WorkspaceFrame::MessagesSnapshot { messages, .. } => seen.entries.extend(messages),
                WorkspaceFrame::ClaudeMessage { entry }
                | WorkspaceFrame::UserQuestion { entry }
                | WorkspaceFrame::PermissionRequest { entry } => seen.entries.push(entry),
                _ => {}
            },
            other => {
                let over = !matches!(other, Some(Ok(_)));
                seen.lost.push(format!("the workspace: {other:?}"));
                if over {
                    return;
                }
            }
        }
    }
}
