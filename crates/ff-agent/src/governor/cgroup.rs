//! What the VM uses and may use, as its control group tells: version 1 or 2.

use std::fs;
use std::path::{Path, PathBuf};

/// Limits this high are the kernel's way to say "none".
const NO_LIMIT: u64 = 1 << 60;

/// What the VM uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// `None` without a limit.
    pub(super) memory: Option<Memory>,
    /// `None` without a limit.
    pub(super) tasks: Option<Tasks>,
    /// How many processes the kernel has killed for want of memory, since the VM's start.
    pub(super) kernel_kills: Option<u64>,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    /// What the kernel cannot take back by itself: without swap, all that is no file on a disk.
    pub(super) used: u64,
    pub(super) limit: u64,
}

/// Processes and threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tasks {
    pub(super) used: u64,
    pub(super) limit: u64,
}

/// The VM's control group, where the container engine mounts it.
#[derive(Debug)]
pub(super) enum Cgroup {
    /// A directory for each controller.
    V1(PathBuf),
    /// One for all.
    V2(PathBuf),
}

impl Cgroup {
    /// The group mounted at `root`; nothing in it needs to exist.
    pub(super) fn at(root: &Path) -> Self {
        if root.join("cgroup.controllers").exists() {
            Self::V2(root.to_owned())
        } else {
            Self::V1(root.to_owned())
        }
    }

    pub(super) fn usage(&self) -> Usage {
        let (memory, tasks) = (self.memory(), self.tasks());
        Usage {
            memory: memory.filter(|memory| memory.limit < NO_LIMIT),
            tasks: tasks.filter(|tasks| tasks.limit < NO_LIMIT),
            kernel_kills: self.kernel_kills(),
        }
    }

    fn memory(&self) -> Option<Memory> {
        let (stat, limit, [anonymous, shared]) = match self {
            Self::V1(root) => (
                root.join("memory/memory.stat"),
                root.join("memory/memory.limit_in_bytes"),
                ["total_rss", "total_shmem"],
            ),
            Self::V2(root) => (
                root.join("memory.stat"),
                root.join("memory.max"),
                ["anon", "shmem"],
            ),
        };
        let stat = fs::read_to_string(stat).ok()?;
        let used = field(&stat, anonymous)? + field(&stat, shared).unwrap_or(0);
        Some(Memory {
            used,
            limit: number(&limit)?,
        })
    }

    fn tasks(&self) -> Option<Tasks> {
        let dir = match self {
            Self::V1(root) => root.join("pids"),
            Self::V2(root) => root.clone(),
        };
        Some(Tasks {
            used: number(&dir.join("pids.current"))?,
            limit: number(&dir.join("pids.max"))?,
        })
    }

    fn kernel_kills(&self) -> Option<u64> {
        let path = match self {
            Self::V1(root) => root.join("memory/memory.oom_control"),
            Self::V2(root) => root.join("memory.events"),
        };
        field(&fs::read_to_string(path).ok()?, "oom_kill")
    }
}

/// The number in a file; `max` is no limit, and no number.
fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A number from lines of `name number`.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let (_, value) = lines.find(|(key, _)| *key == name)?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(files: &[(&str, &str)]) -> (tempfile::TempDir, Usage) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let usage = Cgroup::at(dir.path()).usage();
        (dir, usage)
    }

    const WANTED: Usage = Usage {
        memory: Some(Memory {
            used: 110,
            limit: 2 << 30,
        }),
        tasks: Some(Tasks {
            used: 12,
            limit: 256,
        }),
        kernel_kills: Some(3),
    };

    #[test]
    fn version_1() {
        let stat = "rss 1\nshmem 2\ntotal_cache 9\ntotal_rss 100\ntotal_shmem 10\n";
        let (_dir, usage) = group(&[
            ("memory/memory.stat", stat),
            ("memory/memory.limit_in_bytes", "2147483648\n"),
            (
                "memory/memory.oom_control",
                "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
            ),
            ("pids/pids.current", "12\n"),
            ("pids/pids.max", "256\n"),
        ]);
        assert_eq!(usage, WANTED);
    }

    #[test]
    fn version_2() {
        let (_dir, usage) = group(&[
            ("cgroup.controllers", "memory pids\n"),
            (
                "memory.stat",
                "anon 100\nfile 900\nanon_thp 7\nshmem 10\ninactive_anon 5\n",
            ),
            ("memory.max", "2147483648\n"),
            ("memory.events", "low 0\nhigh 0\nmax 5\noom 4\noom_kill 3\n"),
            ("pids.current", "12\n"),
            ("pids.max", "256\n"),
        ]);
        assert_eq!(usage, WANTED);
    }

    #[test]
    fn without_limits_or_files_there_is_nothing_to_govern() {
        let (_dir, usage) = group(&[
            ("memory/memory.stat", "total_rss 100\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("pids/pids.current", "12\n"),
            ("pids/pids.max", "max\n"),
        ]);
        assert_eq!(usage, Usage::default());
        assert_eq!(group(&[]).1, Usage::default());
    }
}
