//! What to do about what is seen. Time is counted in looks: a thawed VM has not looked meanwhile.

use std::collections::HashMap;

use super::cgroup::{Memory, Tasks, Usage};
use super::notices::News;
use super::process::{Census, Gang, Identity, Process};
use super::texts;

/// Memory is full at this part of the limit, in per cent.
const FULL: u64 = 95;
/// And it must be so for this many looks: a peak may pass.
const FULL_LOOKS: u32 = 2;
/// Users' processes get this part of the VM's, in per cent; the rest is the agent's.
const USERS_TASKS: u64 = 90;
/// What the agent and the first process may count themselves, rounded up. Tasks beyond those
/// seen and these are dying already, and no reason to kill others.
const OWN_TASKS: u64 = 16;
/// A killed process may take this many looks to give its memory back before the next has to go.
const DYING_LOOKS: u32 = 20;
/// What the kernel killed has vanished this many looks later.
const VANISHING_LOOKS: u32 = 4;
/// Who vanishes with more than this part of the memory (a twentieth) is the likely one at once.
const LIKELY_PART: u64 = 20;

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Kill this process: it is the largest, and memory is full.
    Kill(Process, Memory),
    /// Kill all of these: they are too many.
    KillAll(Gang, Tasks),
    /// Tell the user.
    Tell(News),
}

/// Decides from one look to the next.
#[derive(Debug, Default)]
pub(super) struct Policy {
    full: u32,
    /// The last one killed, and for how many more looks it is waited for.
    dying: Option<(Identity, u32)>,
    /// The last one killed, so that its end is not taken for the kernel's work.
    killed: Option<Identity>,
    kernel_kills: Option<u64>,
    last: Vec<Process>,
    search: Option<Search>,
}

/// The kernel killed something that is not known yet.
#[derive(Debug)]
struct Search {
    among: HashMap<Identity, Process>,
    kills: u64,
    looks: u32,
}

impl Policy {
    /// Takes what was seen: the processes first, then what the VM used.
    pub(super) fn look(&mut self, processes: Vec<Process>, usage: &Usage) -> Vec<Decision> {
        let mut decisions = Vec::new();
        let limit = usage.memory.map(|memory| memory.limit);
        self.note_kernel_kills(&processes, usage);
        decisions.extend(self.found(&processes, limit).map(Decision::Tell));
        if let Some(memory) = usage.memory {
            let victim = self.victim(&processes, memory);
            decisions.extend(victim.map(|victim| Decision::Kill(victim, memory)));
        }
        if let Some(tasks) = usage.tasks {
            let gang = too_many(&processes, tasks);
            decisions.extend(gang.map(|gang| Decision::KillAll(gang, tasks)));
        }
        self.last = processes;
        decisions
    }

    fn victim(&mut self, processes: &[Process], memory: Memory) -> Option<Process> {
        let living = || processes.iter().filter(|process| !process.zombie);
        self.dying = self.dying.take().and_then(|(identity, looks)| {
            let there = living().any(|process| process.identity() == identity);
            (there && looks > 0).then(|| (identity, looks - 1))
        });
        let full = memory.used.saturating_mul(100) >= memory.limit.saturating_mul(FULL);
        self.full = if full { self.full + 1 } else { 0 };
        if self.full < FULL_LOOKS || self.dying.is_some() {
            return None;
        }
        let others = living().filter(|process| Some(process.identity()) != self.killed);
        let victim = others.max_by_key(|process| process.memory)?;
        self.full = 0;
        self.dying = Some((victim.identity(), DYING_LOOKS));
        self.killed = Some(victim.identity());
        Some(victim.clone())
    }

    fn note_kernel_kills(&mut self, processes: &[Process], usage: &Usage) {
        let Some(now) = usage.kernel_kills else {
            return;
        };
        let before = self.kernel_kills.replace(now).unwrap_or(now);
        if now <= before {
            return;
        }
        let kills = now - before;
        let search = self.search.get_or_insert_with(|| Search {
            among: HashMap::new(),
            kills: 0,
            looks: VANISHING_LOOKS,
        });
        search.kills += kills;
        for process in self.last.iter().chain(processes) {
            let known = search.among.entry(process.identity());
            let known = known.or_insert_with(|| process.clone());
            known.memory = known.memory.max(process.memory);
        }
    }

    /// The largest of those that have vanished is most likely what the kernel killed.
    fn found(&mut self, processes: &[Process], limit: Option<u64>) -> Option<News> {
        let search = self.search.as_mut()?;
        let lives = |identity: &Identity| {
            let mut living = processes.iter().filter(|process| !process.zombie);
            living.any(|process| process.identity() == *identity)
        };
        let gone = search
            .among
            .values()
            .filter(|process| !lives(&process.identity()))
            .filter(|process| Some(process.identity()) != self.killed);
        let largest = gone.max_by_key(|process| process.memory);
        let likely = largest.is_some_and(|process| {
            process.memory.saturating_mul(LIKELY_PART) >= limit.unwrap_or(u64::MAX)
        });
        if !likely && search.looks > 0 {
            search.looks -= 1;
            return None;
        }
        let news = texts::killed_by_kernel(largest, search.kills, limit);
        self.search = None;
        Some(news)
    }
}

fn too_many(processes: &[Process], tasks: Tasks) -> Option<Gang> {
    let users = tasks.limit.saturating_mul(USERS_TASKS) / 100;
    let census = Census::new(processes);
    let seen = census.tasks() + OWN_TASKS;
    (tasks.used >= users && seen >= users)
        .then(|| census.offender())
        .flatten()
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
