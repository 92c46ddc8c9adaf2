//! Which processes are the VM's.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use super::proc::{self, Process};

/// Variable with the mark of a VM that is no container: everything in it inherits that.
pub(crate) const MARK: &str = "FF_MACHINE";

/// How the VM's processes are told from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All that can be seen: the VM is a container, with this agent as its first program.
    All,
    /// Descendants of the agent, and those with this entry in their environment.
    Marked(Vec<u8>),
    /// Descendants of the agent.
    Descendants,
}

impl Scope {
    /// The scope of an agent with this mark in its environment and this parent.
    pub(crate) fn of(mark: Option<OsString>, parent: u32) -> Self {
        match mark {
            Some(mark) => Self::Marked([MARK.as_bytes(), b"=", mark.as_bytes()].concat()),
            // tini, or what started the container.
            None if parent <= 1 => Self::All,
            None => Self::Descendants,
        }
    }
}

/// Finds the VM's processes. A mark is looked for once in each.
#[derive(Debug)]
pub(crate) struct Members {
    scope: Scope,
    agent: u32,
    marked: BTreeMap<(u32, u64), bool>,
}

impl Members {
    pub(crate) fn new(scope: Scope, agent: u32) -> Self {
        Self {
            scope,
            agent,
            marked: BTreeMap::new(),
        }
    }

    /// Those that live now, without the agent and the first process of the system. Reads `/proc`.
    pub(crate) fn living(&mut self) -> Vec<Process> {
        let all: Vec<Process> = proc::all().into_iter().filter_map(proc::look).collect();
        let living: BTreeSet<(u32, u64)> = all.iter().map(|p| (p.pid, p.began)).collect();
        self.marked.retain(|identity, _| living.contains(identity));
        let descend = descendants(self.agent, &all);
        all.into_iter()
            .filter(|process| self.has(process, &descend))
            .collect()
    }

    fn has(&mut self, process: &Process, descend: &BTreeSet<u32>) -> bool {
        let (pid, identity) = (process.pid, (process.pid, process.began));
        if process.zombie || pid == self.agent || pid == 1 {
            return false;
        }
        if descend.contains(&pid) {
            return true;
        }
        match &self.scope {
            Scope::All => true,
            Scope::Descendants => false,
            Scope::Marked(mark) => {
                let look = || proc::carries(pid, mark);
                *self.marked.entry(identity).or_insert_with(look)
            }
        }
    }
}

/// Everything below a process.
pub(crate) fn descendants(root: u32, all: &[Process]) -> BTreeSet<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for process in all {
        children
            .entry(process.parent)
            .or_default()
            .push(process.pid);
    }
    let mut found = BTreeSet::new();
    let mut next = vec![root];
    while let Some(parent) = next.pop() {
        for &child in children.get(&parent).into_iter().flatten() {
            if found.insert(child) {
                next.push(child);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_scope_follows_from_how_the_agent_was_started() {
        let mark = |text: &str| Scope::Marked(text.as_bytes().to_vec());
        assert_eq!(Scope::of(Some("vm@x".into()), 1), mark("FF_MACHINE=vm@x"));
        assert_eq!(Scope::of(None, 1), Scope::All);
        assert_eq!(Scope::of(None, 0), Scope::All);
        assert_eq!(Scope::of(None, 4000), Scope::Descendants);
    }

    #[test]
    fn descendants_and_marked_processes_are_members_and_others_are_not() {
        let mut child = Command::new("sleep")
            .arg("600")
            .env(MARK, "members-test")
            .spawn()
            .unwrap();
        let pid = child.id();
        let finds = |scope: Scope, agent: u32| {
            let mut members = Members::new(scope, agent);
            members.living().iter().any(|process| process.pid == pid)
        };
        let own = std::process::id();
        let marked = |mark: &str| Scope::of(Some(mark.into()), 1);
        let found = [
            finds(Scope::Descendants, own),
            finds(Scope::Descendants, pid),
            finds(marked("members-test"), pid + 1_000_000),
            finds(marked("another"), pid + 1_000_000),
            finds(Scope::All, own),
        ];
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found, [true, false, true, false, true]);
    }
}
