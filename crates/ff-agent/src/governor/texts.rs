//! What is said to the user.

use ff_protocol::agent::NoticeKind;

use super::cgroup::{Memory, Tasks};
use super::notices::News;
use super::process::{Gang, Process};

const LESS_MEMORY: &str =
    "Use fewer or smaller programs at once, or ask for a VM with more memory.";
const FEWER_TASKS: &str = "Start fewer at once, or ask for a VM that may have more.";

/// The agent killed a process because memory was full.
pub(super) fn killed(process: &Process, memory: Memory) -> News {
    let Process { name, pid, .. } = process;
    let (size, limit) = (bytes(process.memory), bytes(memory.limit));
    out_of_memory(
        Some(process),
        format!(
            "`{name}` (pid {pid}, {size}) was killed: the VM's memory ({limit}) was full. \
             {LESS_MEMORY}"
        ),
    )
}

/// The kernel did, and does not say which; this one is the likely one.
pub(super) fn killed_by_kernel(likely: Option<&Process>, kills: u64, limit: Option<u64>) -> News {
    let which = match likely {
        Some(Process { name, pid, .. }) => format!(": probably `{name}` (pid {pid})"),
        None => String::new(),
    };
    let what = match kills {
        1 => format!("a process was killed{which}"),
        _ => format!("{kills} processes were killed{which}"),
    };
    let limit = limit.map_or(String::new(), |limit| format!(" ({})", bytes(limit)));
    let text = format!("The VM's memory{limit} was full, and {what}. {LESS_MEMORY}");
    out_of_memory(likely, text)
}

/// The agent killed processes because they were too many.
pub(super) fn killed_all(gang: &Gang, killed: usize, tasks: Tasks) -> News {
    let Tasks { used, limit } = tasks;
    let name = &gang.name;
    let what = match killed {
        1 => format!("`{name}` was killed"),
        _ => format!("{killed} processes of `{name}` were killed"),
    };
    News {
        kind: NoticeKind::TooManyProcesses,
        name: Some(name.clone()),
        text: format!(
            "{what}: the VM had {used} processes and threads of the {limit} it may have. \
             {FEWER_TASKS}"
        ),
    }
}

fn out_of_memory(about: Option<&Process>, text: String) -> News {
    News {
        kind: NoticeKind::OutOfMemory,
        name: about.map(|process| process.name.clone()),
        text,
    }
}

/// In the units that limits are given in.
fn bytes(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 1024.0 {
        format!("{mib:.0} MB")
    } else {
        format!("{:.1} GB", mib / 1024.0)
    }
}
