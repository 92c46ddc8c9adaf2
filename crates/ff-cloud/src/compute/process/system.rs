//! Processes as `/proc` shows them, found by a mark in their environment, and signals that reach
//! no other process than the one that was looked at.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

/// Variable that carries the machine's mark into everything its agent starts.
pub const MARK: &str = "FF_MACHINE";

const ROUNDS: usize = 50;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(20);

/// A process at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// It has ended, and its parent has not asked how.
    pub zombie: bool,
    /// Number of its group.
    pub group: i32,
    /// When it began, in clock ticks since the system's start: with the number, its identity.
    pub began: u64,
}

/// The process of this number, if there is one.
pub fn look(pid: Pid) -> Option<Seen> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    parse(&stat)
}

/// The name may hold anything, so fields are counted from the last `)`: state, parent, group;
/// the start time is the 22nd of all (proc_pid_stat(5)).
fn parse(stat: &str) -> Option<Seen> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let zombie = matches!(fields.next()?, "Z" | "X");
    let group = fields.nth(1)?.parse().ok()?;
    let began = fields.nth(16)?.parse().ok()?;
    Some(Seen {
        zombie,
        group,
        began,
    })
}

/// Identity of this start of the system.
pub fn boot() -> std::io::Result<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(id.trim().to_owned())
}

/// The processes of a machine: those that carry its mark, and those in the group of its leader,
/// which the caller knows to be the machine's.
#[derive(Debug, Clone)]
pub struct Members {
    /// `FF_MACHINE=…`.
    pub mark: String,
    /// The leader, as long as its number cannot be another's.
    pub leader: Option<Pid>,
}

impl Members {
    /// All that live now.
    pub fn living(&self) -> Vec<Pid> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
            .filter(|&pid| pid != getpid() && self.has(pid))
            .collect()
    }

    /// The living process that leads a group of its own, the first there was.
    pub fn first_leader(&self) -> Option<Pid> {
        let leads = |pid: &Pid| look(*pid).is_some_and(|seen| seen.group == pid.as_raw_pid());
        let mut leaders: Vec<Pid> = self.living().into_iter().filter(leads).collect();
        leaders.sort_by_key(|pid| look(*pid).map(|seen| seen.began));
        leaders.first().copied()
    }

    /// Asks the leader's group to end.
    pub fn terminate(&self) {
        let Some(leader) = self.leader else { return };
        for pid in self.living() {
            if look(pid).is_some_and(|seen| seen.group == leader.as_raw_pid()) {
                self.signal(pid, Signal::TERM);
            }
        }
    }

    /// Kills all, also what they start meanwhile; says whether none is left. Blocks for a second
    /// at most.
    pub fn kill(&self) -> bool {
        for _ in 0..ROUNDS {
            let living = self.living();
            if living.is_empty() {
                return true;
            }
            for pid in living {
                self.signal(pid, Signal::KILL);
            }
            std::thread::sleep(BETWEEN_ROUNDS);
        }
        self.living().is_empty()
    }

    /// Looks again once the number is held: then the signal reaches the one that was looked at.
    fn signal(&self, pid: Pid, signal: Signal) {
        let Ok(held) = pidfd_open(pid, PidfdFlags::empty()) else {
            return;
        };
        if self.has(pid) {
            // One that ended meanwhile needs no signal.
            let _ = pidfd_send_signal(held, signal);
        }
    }

    fn has(&self, pid: Pid) -> bool {
        let Some(seen) = look(pid).filter(|seen| !seen.zombie) else {
            return false;
        };
        let in_group = |leader: Pid| seen.group == leader.as_raw_pid();
        self.leader.is_some_and(in_group) || carries(pid, &self.mark)
    }
}

fn carries(pid: Pid, mark: &str) -> bool {
    let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()));
    environment.is_ok_and(|bytes| {
        bytes
            .split(|&byte| byte == 0)
            .any(|entry| entry == mark.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use super::*;

    struct Sleeper(Child);

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn sleeper(mark: Option<&str>) -> (Sleeper, Pid) {
        let mut command = Command::new("sleep");
        command.arg("600").process_group(0);
        if let Some(mark) = mark {
            command.env(MARK, mark);
        }
        let child = command.spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        (Sleeper(child), pid)
    }

    #[test]
    fn a_name_with_brackets_and_spaces_is_read_past() {
        let stat = "7 (a) Z (b) S 1 9 9 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 4242 1 2 3";
        let seen = parse(stat).unwrap();
        assert_eq!((seen.zombie, seen.group, seen.began), (false, 9, 4242));
        assert_eq!(parse("7 (a) Z 1"), None);
        assert!(look(getpid()).unwrap().began > 0);
    }

    #[test]
    fn only_what_is_marked_or_in_the_group_is_killed() {
        let ours = format!("{}@/here", uuid::Uuid::new_v4());
        let (_marked, first) = sleeper(Some(&ours));
        let (_grouped, leader) = sleeper(None);
        let (_foreign, other) = sleeper(Some("another@/here"));
        let mut members = Members {
            mark: format!("{MARK}={ours}"),
            leader: None,
        };
        assert_eq!(members.living(), [first]);
        assert_eq!(members.first_leader(), Some(first));
        members.leader = Some(leader);
        assert!(members.kill());
        assert!(look(first).is_none_or(|seen| seen.zombie));
        assert!(look(leader).is_none_or(|seen| seen.zombie));
        assert!(look(other).is_some_and(|seen| !seen.zombie));
    }
}
