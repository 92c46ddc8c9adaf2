//! Processes as `/proc` shows them (proc(5)).

use std::fs;

/// A process at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Its program's name; the system keeps 15 bytes of it.
    pub(crate) name: String,
    pub(crate) zombie: bool,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) session: u32,
    /// The group in the foreground of its terminal; `None` without a terminal.
    pub(crate) foreground: Option<u32>,
    /// CPU time of its own and of the children it has reaped, in ticks.
    pub(crate) ticks: u64,
    /// When it began, in ticks since the system's start: with the number, its identity.
    pub(crate) began: u64,
}

/// The process of this number, if there is one.
pub(crate) fn look(pid: u32) -> Option<Process> {
    let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(pid, &String::from_utf8_lossy(&bytes))
}

/// Numbers of all processes there are.
pub(crate) fn all() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let number = |name: std::ffi::OsString| name.to_str()?.parse().ok();
    entries
        .flatten()
        .filter_map(|entry| number(entry.file_name()))
        .collect()
}

/// Bytes it and the children it has reaped read and wrote; 0 where that may not be known.
pub(crate) fn bytes(pid: u32) -> u64 {
    fs::read_to_string(format!("/proc/{pid}/io")).map_or(0, |text| parse_io(&text))
}

/// Whether it was started with this entry in its environment.
pub(crate) fn carries(pid: u32, mark: &[u8]) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ"));
    environment.is_ok_and(|bytes| bytes.split(|&byte| byte == 0).any(|entry| entry == mark))
}

/// The name may hold anything, so the fields are counted from the last `)`.
fn parse(pid: u32, stat: &str) -> Option<Process> {
    let (head, tail) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    let id = |place: usize| fields.get(place)?.parse::<u32>().ok();
    let ticks = (11..=14).map(number).sum::<Option<u64>>()?;
    Some(Process {
        pid,
        name: name.replace(char::is_control, "?"),
        zombie: matches!(*fields.first()?, "Z" | "X"),
        parent: id(1)?,
        group: id(2)?,
        session: id(3)?,
        // -1 without a terminal.
        foreground: id(5).filter(|group| *group > 0),
        ticks,
        began: number(19)?,
    })
}

fn parse_io(io: &str) -> u64 {
    let counts = io.lines().filter_map(|line| {
        let (name, count) = line.split_once(": ")?;
        matches!(name, "rchar" | "wchar").then(|| count.parse::<u64>().ok())?
    });
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_is_read_past() {
        let stat = "7 (a) Z (b\n) S 1 9 8 34816 6 4194304 1 2 3 4 100 20 3 4 20 0 1 0 4242 1 2 3";
        let process = parse(7, stat).unwrap();
        assert_eq!(process.name, "a) Z (b?");
        let Process {
            parent,
            group,
            session,
            foreground,
            ticks,
            began,
            ..
        } = process;
        assert_eq!((parent, group, session), (1, 9, 8));
        assert_eq!((foreground, ticks, began), (Some(6), 127, 4242));
        assert!(!process.zombie);
        let without = stat.replace(" 6 4194304", " -1 4194304");
        assert_eq!(parse(7, &without).unwrap().foreground, None);
        assert_eq!(parse(7, "7 (a) Z 1"), None);
    }

    #[test]
    fn what_goes_through_files_and_pipes_counts() {
        let io = "rchar: 1000\nwchar: 24\nsyscr: 5\nsyscw: 6\nread_bytes: 7\nwrite_bytes: 8\n";
        assert_eq!(parse_io(io), 1024);
    }

    #[test]
    fn sees_itself() {
        let own = std::process::id();
        assert!(all().contains(&own));
        assert!(look(own).unwrap().began > 0);
        assert!(bytes(own) > 0);
    }
}
