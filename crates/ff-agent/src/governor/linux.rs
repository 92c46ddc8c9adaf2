//! The processes as `/proc` shows them, and what can be done to them without starting anything.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

use super::cgroup::{Cgroup, Usage};
use super::process::Process;

/// How much sooner than the agent the others are killed by the kernel, of at most 1000.
const SOONER: i32 = 500;
const SOONEST: i32 = 1000;
/// The type of the page size in the auxiliary vector (getauxval(3)).
const AT_PAGESZ: usize = 6;
const INIT: i32 = 1;

/// What the governor sees and does.
pub(super) trait System: Send + 'static {
    /// The users' processes: all but the agent and the VM's first.
    fn processes(&self) -> Vec<Process>;
    /// What the VM uses.
    fn usage(&self) -> Usage;
    /// Makes the kernel kill it before the agent.
    fn expose(&self, process: &Process);
    /// Sends the signal to this very process; says whether it was there.
    fn signal(&self, process: &Process, signal: Signal) -> bool;
}

/// The machine.
#[derive(Debug)]
pub(super) struct Linux {
    proc: PathBuf,
    cgroup: Cgroup,
    agent: i32,
    page: u64,
    /// The score of a user's process.
    score: i32,
}

impl Linux {
    /// The machine whose processes are in `proc`, and whose control group is mounted at `cgroup`.
    pub(super) fn at(proc: &Path, cgroup: &Path) -> Self {
        let own = read_score(&proc.join("self/oom_score_adj")).unwrap_or(0);
        Self {
            proc: proc.to_owned(),
            cgroup: Cgroup::at(cgroup),
            agent: getpid().as_raw_pid(),
            page: page_size(&proc.join("self/auxv")).unwrap_or(4096),
            score: (own + SOONER).min(SOONEST),
        }
    }

    fn read(&self, pid: i32) -> Option<Process> {
        let stat = fs::read_to_string(self.proc.join(format!("{pid}/stat"))).ok()?;
        parse(&stat, self.page)
    }
}

impl System for Linux {
    fn processes(&self) -> Vec<Process> {
        let Ok(entries) = fs::read_dir(&self.proc) else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|&pid: &i32| pid != INIT && pid != self.agent)
            .filter_map(|pid| self.read(pid))
            .collect()
    }

    fn usage(&self) -> Usage {
        self.cgroup.usage()
    }

    // Raising needs no right. One of another user's, such as a `docker exec` as root, is out of reach.
    fn expose(&self, process: &Process) {
        let path = self.proc.join(format!("{}/oom_score_adj", process.pid));
        if read_score(&path).is_some_and(|score| score < self.score) {
            let _ = fs::write(path, self.score.to_string());
        }
    }

    fn signal(&self, process: &Process, signal: Signal) -> bool {
        let protected = process.pid == INIT || process.pid == self.agent;
        let Some(pid) = Pid::from_raw(process.pid).filter(|_| !protected) else {
            return false;
        };
        let Ok(held) = pidfd_open(pid, PidfdFlags::empty()) else {
            return false;
        };
        // Once the number is held it cannot become another's.
        let same = self.read(process.pid).map(|seen| seen.identity()) == Some(process.identity());
        same && pidfd_send_signal(held, signal).is_ok()
    }
}

/// The name may hold anything, so fields are counted from the last `)` (proc_pid_stat(5)): state
/// is the 3rd, parent, group and session follow, threads are the 20th, the start time is the
/// 22nd, resident pages are the 24th.
fn parse(stat: &str, page: u64) -> Option<Process> {
    let (start, rest) = stat.rsplit_once(')')?;
    let (pid, name) = start.split_once(" (")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).copied();
    Some(Process {
        pid: pid.parse().ok()?,
        began: field(22)?.parse().ok()?,
        name: name.to_owned(),
        parent: field(4)?.parse().ok()?,
        group: field(5)?.parse().ok()?,
        session: field(6)?.parse().ok()?,
        threads: field(20)?.parse::<u64>().ok()?.max(1),
        memory: field(24)?.parse::<u64>().ok()?.saturating_mul(page),
        zombie: matches!(field(3)?, "Z" | "X"),
    })
}

fn read_score(path: &Path) -> Option<i32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Pairs of words: type and value.
fn page_size(auxv: &Path) -> Option<u64> {
    const WORD: usize = size_of::<usize>();
    let bytes = fs::read(auxv).ok()?;
    let (words, _) = bytes.as_chunks::<WORD>();
    let mut pairs = words.chunks_exact(2);
    let word = |bytes: [u8; WORD]| usize::from_ne_bytes(bytes);
    let found = pairs.find(|pair| word(pair[0]) == AT_PAGESZ)?;
    u64::try_from(word(found[1])).ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    struct Sleeper(Child);

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn sleeper() -> (Sleeper, i32) {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = child.id().cast_signed();
        (Sleeper(child), pid)
    }

    fn real() -> Linux {
        Linux::at(Path::new("/proc"), Path::new("/sys/fs/cgroup"))
    }

    #[test]
    fn a_name_with_brackets_and_spaces_is_read_past() {
        let stat = "7 (a) Z (b) S 1 8 9 0 -1 4 1 2 3 4 5 6 7 8 20 0 3 0 4242 1 25 3";
        let seen = parse(stat, 4096).unwrap();
        let wanted = Process {
            pid: 7,
            began: 4242,
            name: "a) Z (b".to_owned(),
            parent: 1,
            group: 8,
            session: 9,
            threads: 3,
            memory: 25 * 4096,
            zombie: false,
        };
        assert_eq!(seen, wanted);
        assert_eq!(parse("7 (a) Z 1", 4096), None);
    }

    #[test]
    fn the_machine_is_seen_without_the_agent_and_the_first_process() {
        let (_sleeper, pid) = sleeper();
        let linux = real();
        assert!(linux.page.is_power_of_two() && linux.page >= 4096);
        let all = linux.processes();
        let found = all.iter().find(|process| process.pid == pid).unwrap();
        assert_eq!(found.parent, linux.agent);
        assert!(found.threads == 1 && !found.zombie);
        // The kernel counts a small process's pages roughly, so a larger one is looked at.
        assert!(linux.read(linux.agent).unwrap().memory > 1 << 20);
        assert!(
            all.iter()
                .all(|process| process.pid != 1 && process.pid != linux.agent)
        );
    }

    #[test]
    fn only_the_very_process_gets_a_signal() {
        let (mut sleeper, pid) = sleeper();
        let linux = real();
        let process = linux.read(pid).unwrap();
        let later = Process {
            began: process.began + 1,
            ..process.clone()
        };
        assert!(!linux.signal(&later, Signal::KILL));
        for pid in [INIT, linux.agent] {
            assert!(!linux.signal(&linux.read(pid).unwrap(), Signal::CONT));
        }
        assert!(sleeper.0.try_wait().unwrap().is_none());
        assert!(linux.signal(&process, Signal::KILL));
        let status = sleeper.0.wait().unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9)
        );
    }

    #[test]
    fn scores_are_raised_and_never_lowered() {
        let dir = tempfile::tempdir().unwrap();
        let score = |pid: &str, text: &str| {
            fs::create_dir_all(dir.path().join(pid)).unwrap();
            fs::write(dir.path().join(pid).join("oom_score_adj"), text).unwrap();
        };
        score("self", "200\n");
        score("20", "0\n");
        score("21", "900\n");
        let linux = Linux::at(dir.path(), dir.path());
        for (pid, wanted) in [(20, "700"), (21, "900\n")] {
            let process = super::super::process::tests::process(pid, 1, "bash");
            linux.expose(&process);
            let path = dir.path().join(format!("{pid}/oom_score_adj"));
            assert_eq!(fs::read_to_string(path).unwrap(), wanted);
        }
        // Gone meanwhile.
        linux.expose(&super::super::process::tests::process(22, 1, "bash"));
        assert!(!dir.path().join("22").exists());
    }
}
