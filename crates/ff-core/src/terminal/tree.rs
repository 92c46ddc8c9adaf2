//! The end of everything that was started in a terminal.

use std::collections::HashSet;
use std::time::Duration;

use ff_protocol::TerminalId;
use rustix::process::{Pid, Signal, kill_process};

use crate::processes::{self, Process};

/// Environment variable that carries the terminal's id into everything started in it.
pub(super) const VARIABLE: &str = "FF_TERMINAL_ID";

const ROUNDS: usize = 5;
const HANG_UP: Duration = Duration::from_millis(200);
const BETWEEN_ROUNDS: Duration = Duration::from_millis(20);

/// Ends every process of a terminal: a hang-up first, as when a window is closed, then by force.
/// To be called before the shell is reaped, while its number is its own.
pub(super) async fn end(terminal: &TerminalId, shell: Pid) {
    let tree = Tree {
        shell: shell.as_raw_nonzero().get(),
        mark: format!("{VARIABLE}={terminal}"),
    };
    signal(&tree, Signal::HUP).await;
    tokio::time::sleep(HANG_UP).await;
    for _ in 0..ROUNDS {
        if signal(&tree, Signal::KILL).await == 0 {
            return;
        }
        tokio::time::sleep(BETWEEN_ROUNDS).await;
    }
    tracing::warn!(%terminal, "processes of a terminal are left after several rounds of killing");
}

/// What the processes of a terminal have in common.
#[derive(Debug, Clone)]
struct Tree {
    shell: i32,
    mark: String,
}

impl Tree {
    /// Whether a process shows that it belongs here: one that left the session has still the
    /// mark, and one that dropped its environment the session. (A terminal controls one session
    /// only.)
    fn holds(&self, process: &Process) -> bool {
        process.session == self.shell || processes::carries(process.pid, self.mark.as_bytes())
    }

    /// Those that show it, and their descendants.
    fn members(&self) -> Vec<Pid> {
        let all = processes::numbers().into_iter().filter_map(processes::look);
        let (mut found, mut others): (Vec<_>, Vec<_>) = all.partition(|one| self.holds(one));
        let mut known: HashSet<i32> = found.iter().map(number).collect();
        loop {
            let (children, rest): (Vec<_>, _) = others
                .into_iter()
                .partition(|one| known.contains(&one.parent));
            if children.is_empty() {
                return found.iter().map(|one| one.pid).collect();
            }
            known.extend(children.iter().map(number));
            found.extend(children);
            others = rest;
        }
    }
}

fn number(process: &Process) -> i32 {
    process.pid.as_raw_nonzero().get()
}

async fn signal(tree: &Tree, signal: Signal) -> usize {
    let tree = tree.clone();
    let signalled = tokio::task::spawn_blocking(move || {
        let members = tree.members();
        for &pid in &members {
            // One that ended meanwhile needs no signal.
            let _ = kill_process(pid, signal);
        }
        members.len()
    });
    signalled.await.unwrap_or(0)
}
