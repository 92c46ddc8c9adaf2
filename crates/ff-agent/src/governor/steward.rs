//! Looks, decides, acts.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::linux::System;
use super::notices::Notices;
use super::policy::{Decision, Policy};
use super::process::{Bond, Census, Identity, Process};
use super::texts;

/// How often a gang is looked for again before the next look.
const ROUNDS: usize = 20;
/// How often, in a round, for those that were started while others were stopped.
const SWEEPS: usize = 3;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(20);

/// The governor's hands. Starts no process and no thread: when it is needed most there is none
/// to be had.
pub(super) struct Steward<S> {
    system: S,
    policy: Policy,
    notices: Arc<Notices>,
}

impl<S: System> Steward<S> {
    pub(super) fn new(system: S, notices: Arc<Notices>) -> Self {
        Self {
            system,
            policy: Policy::default(),
            notices,
        }
    }

    pub(super) fn look(&mut self) {
        let processes = self.system.processes();
        for process in processes.iter().filter(|process| !process.zombie) {
            self.system.expose(process);
        }
        let usage = self.system.usage();
        for decision in self.policy.look(processes, &usage) {
            let news = match decision {
                Decision::Tell(news) => Some(news),
                Decision::Kill(process, memory) => {
                    let killed = self.system.signal(&process, Signal::KILL);
                    killed.then(|| texts::killed(&process, memory))
                }
                Decision::KillAll(gang, tasks) => {
                    let killed = self.end(&gang.bond);
                    (killed > 0).then(|| texts::killed_all(&gang, killed, tasks))
                }
            };
            if let Some(news) = news {
                tracing::warn!(kind = ?news.kind, name = ?news.name, "a limit of the VM was reached");
                self.notices.tell(news, Instant::now());
            }
        }
    }

    /// Kills all that hold together, also what they start meanwhile, and says how many.
    fn end(&self, bond: &Bond) -> usize {
        let mut killed = HashSet::new();
        for _ in 0..ROUNDS {
            if self.round(bond, &mut killed) == 0 {
                break;
            }
            std::thread::sleep(BETWEEN_ROUNDS);
        }
        killed.len()
    }

    /// Stops them before it kills any: what is stopped starts no other in a killed one's place,
    /// and uses no CPU that the governor needs. Says how many could be killed.
    fn round(&self, bond: &Bond, killed: &mut HashSet<Identity>) -> usize {
        let mut stopped = HashSet::new();
        let mut all = Vec::new();
        for _ in 0..SWEEPS {
            let processes = self.system.processes();
            let census = Census::new(&processes);
            let fresh = census.members(bond).into_iter();
            let fresh: Vec<_> = fresh
                .filter(|member| stopped.insert(member.identity()))
                .cloned()
                .collect();
            if fresh.is_empty() {
                break;
            }
            for member in &fresh {
                self.system.signal(member, Signal::STOP);
            }
            all.extend(fresh);
        }
        all.retain(|member| self.system.signal(member, Signal::KILL));
        killed.extend(all.iter().map(Process::identity));
        all.len()
    }
}

#[cfg(test)]
#[path = "steward_tests.rs"]
mod tests;
