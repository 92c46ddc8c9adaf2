//! Crash points of programs that run a core: the named gaps between two outside effects. A fault
//! suite ends whoever comes to one by SIGKILL.
//!
//! `FF_CRASH_TICKET=FILE` names a file that holds the name of a point: the first process that comes
//! there takes the file away and dies, once; after `NAME stop` it stops, until it is told to go on.
//! `FILE.log` lists the points there are (`has NAME`), those that were come to (`hit NAME`) and
//! who has stopped (`stopped PID`). Without the variable they do nothing.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::OnceLock;

use rustix::process::{Signal, getpid, kill_process};

/// The variable.
pub const VARIABLE: &str = "FF_CRASH_TICKET";

fn ticket() -> Option<&'static PathBuf> {
    static TICKET: OnceLock<Option<PathBuf>> = OnceLock::new();
    let ticket = TICKET.get_or_init(|| std::env::var_os(VARIABLE).map(PathBuf::from));
    ticket.as_ref()
}

/// Lists the points of this program, for whoever counts.
pub fn list(names: impl IntoIterator<Item = &'static str>) {
    if ticket().is_some() {
        let lines: String = names.into_iter().map(|it| format!("has {it}\n")).collect();
        note(&lines);
    }
}

/// Comes to a point.
pub fn come_to(name: &'static str) {
    let Some(ticket) = ticket() else { return };
    note(&format!("hit {name}\n"));
    let Ok(text) = std::fs::read_to_string(ticket) else {
        return;
    };
    let mut words = text.split_whitespace();
    // Whoever takes it away is the one that dies.
    if words.next() != Some(name) || std::fs::remove_file(ticket).is_err() {
        return;
    }
    let signal = match words.next() {
        Some("stop") => {
            note(&format!("stopped {}\n", std::process::id()));
            Signal::STOP
        }
        _ => Signal::KILL,
    };
    let _ = kill_process(getpid(), signal);
}

fn note(lines: &str) {
    let Some(ticket) = ticket() else { return };
    let mut log = ticket.clone().into_os_string();
    log.push(".log");
    // What cannot be noted is missed by whoever counts.
    if let Ok(mut log) = OpenOptions::new().create(true).append(true).open(log) {
        let _ = log.write_all(lines.as_bytes());
    }
}
