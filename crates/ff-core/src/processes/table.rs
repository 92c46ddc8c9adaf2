//! What `/proc` says of the processes of this machine.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, getpid};

/// A process that lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) pid: Pid,
    /// Number of its parent; 0 for those that the kernel started.
    pub(crate) parent: i32,
    /// Its session.
    pub(crate) session: i32,
}

/// Numbers of all processes but ours.
pub(crate) fn numbers() -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
        .filter(|&pid| pid != getpid())
        .collect()
}

/// A process; `None` when it has ended, also if nobody has noticed yet.
pub(crate) fn look(pid: Pid) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    parse(pid, &stat)
}

/// `/proc/<pid>/stat` (proc(5)). The name may hold anything, so the fields are counted from the
/// last `)`: state, parent, group, session.
fn parse(pid: Pid, stat: &str) -> Option<Process> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        session,
    })
}

/// Whether a process was started with this variable in its environment, given as `NAME=value`.
/// The environment of one that has ended reads as empty.
pub(crate) fn carries(pid: Pid, mark: &[u8]) -> bool {
    let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()));
    environment.is_ok_and(|bytes| bytes.split(|&byte| byte == 0).any(|entry| entry == mark))
}

/// Whether a program of this name runs whose working directory is in a directory.
pub(crate) fn works_in(program: &str, dir: &Path) -> bool {
    let of = |pid: Pid, name: &str| format!("/proc/{}/{name}", pid.as_raw_nonzero());
    let Ok(dir) = dir.canonicalize() else {
        return false;
    };
    numbers().into_iter().any(|pid| {
        let is_it =
            fs::read_to_string(of(pid, "comm")).is_ok_and(|comm| comm.trim_end() == program);
        is_it && fs::read_link(of(pid, "cwd")).is_ok_and(|cwd| cwd.starts_with(&dir))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_a_name_that_looks_like_fields() {
        let pid = getpid();
        let found = parse(pid, "77 (a) S 9 9) S 5 70 71 34816 70 0").unwrap();
        assert_eq!((found.parent, found.session), (5, 71));
        assert_eq!(parse(pid, "77 (a) Z 5 70 71 0 70 0"), None);
        assert_eq!(parse(pid, "77 (a) S 5"), None);
    }

    #[test]
    fn we_are_not_among_the_others() {
        let all = numbers();
        assert!(!all.is_empty() && !all.contains(&getpid()));
        assert!(look(getpid()).is_some());
    }
}
