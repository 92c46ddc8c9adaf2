//! What the governor knows of a process, and how the users' processes hang together.

use std::collections::HashMap;

/// A user's process at a moment. The agent and the VM's first process are never among these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    /// When it began, in clock ticks since the system's start: with the number, its identity.
    pub(super) began: u64,
    pub(super) name: String,
    pub(super) parent: i32,
    /// Its process group; with job control, one for each command line.
    pub(super) group: i32,
    pub(super) session: i32,
    /// What it counts against the limit of processes; a zombie counts too.
    pub(super) threads: u64,
    /// Resident memory, in bytes.
    pub(super) memory: u64,
    /// It has ended, and its parent has not asked how.
    pub(super) zombie: bool,
}

/// What tells a process from another that got its number later.
pub(super) type Identity = (i32, u64);

impl Process {
    pub(super) fn identity(&self) -> Identity {
        (self.pid, self.began)
    }
}

/// What processes have in common, from narrow to wide.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Bond {
    Group(i32),
    Session(i32),
    /// Below this process, itself included.
    Tree(i32),
    Name(String),
}

/// Processes that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gang {
    pub(super) bond: Bond,
    /// The name that most of them have.
    pub(super) name: String,
}

/// All of the users' processes at a moment.
pub(super) struct Census<'a> {
    all: &'a [Process],
    by_pid: HashMap<i32, &'a Process>,
}

impl<'a> Census<'a> {
    pub(super) fn new(all: &'a [Process]) -> Self {
        let by_pid = all.iter().map(|process| (process.pid, process)).collect();
        Self { all, by_pid }
    }

    /// How much they count against the limit of processes.
    pub(super) fn tasks(&self) -> u64 {
        self.all.iter().map(|process| process.threads).sum()
    }

    /// The processes to blame for their number: by the narrowest bond that holds half of all
    /// together, so that a fork bomb does not take the shell it was typed in with it; where none
    /// does, the largest session.
    pub(super) fn offender(&self) -> Option<Gang> {
        let group = |p: &Process| Bond::Group(p.group);
        let session = |p: &Process| Bond::Session(p.session);
        let tree = |p: &Process| Bond::Tree(self.top(p));
        let name = |p: &Process| Bond::Name(p.name.clone());
        let bonds: [&dyn Fn(&Process) -> Bond; 4] = [&group, &session, &tree, &name];
        let all = self.tasks();
        let holds_half = |bond: &&dyn Fn(&Process) -> Bond| {
            let (found, tasks) = self.largest(bond)?;
            (tasks * 2 >= all).then_some(found)
        };
        let bond = bonds
            .iter()
            .find_map(holds_half)
            .or_else(|| Some(self.largest(session)?.0))?;
        let name = self.common_name(&bond)?;
        Some(Gang { bond, name })
    }

    /// The living processes of a gang.
    pub(super) fn members(&self, bond: &Bond) -> Vec<&'a Process> {
        let living = self.all.iter().filter(|process| !process.zombie);
        living.filter(|process| self.holds(bond, process)).collect()
    }

    fn holds(&self, bond: &Bond, process: &Process) -> bool {
        match bond {
            Bond::Group(id) => process.group == *id,
            Bond::Session(id) => process.session == *id,
            Bond::Tree(id) => self.line(process).any(|above| above.pid == *id),
            Bond::Name(name) => process.name == *name,
        }
    }

    fn largest(&self, bond: impl Fn(&Process) -> Bond) -> Option<(Bond, u64)> {
        let mut sizes: HashMap<Bond, u64> = HashMap::new();
        for process in self.all {
            *sizes.entry(bond(self.to_blame(process))).or_default() += process.threads;
        }
        sizes.into_iter().max_by_key(|(_, tasks)| *tasks)
    }

    /// Only a zombie's parent can end what it still counts.
    fn to_blame<'p>(&'p self, process: &'p Process) -> &'p Process {
        let parent = self.by_pid.get(&process.parent);
        match parent {
            Some(parent) if process.zombie => parent,
            _ => process,
        }
    }

    fn common_name(&self, bond: &Bond) -> Option<String> {
        let mut counts: HashMap<&str, u64> = HashMap::new();
        for process in self.all {
            if self.holds(bond, self.to_blame(process)) {
                *counts.entry(&process.name).or_default() += process.threads;
            }
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count)?;
        Some(most.0.to_owned())
    }

    fn top(&self, process: &Process) -> i32 {
        self.line(process).last().map_or(process.pid, |top| top.pid)
    }

    /// The process and those above it. Parents are read one after the other, so the line is
    /// bounded in case they form a ring.
    fn line<'p>(&'p self, process: &'p Process) -> impl Iterator<Item = &'p Process> {
        let above = |p: &&'p Process| self.by_pid.get(&p.parent).copied();
        std::iter::successors(Some(process), above).take(self.all.len() + 1)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn process(pid: i32, parent: i32, name: &str) -> Process {
        Process {
            pid,
            began: 1000 + u64::try_from(pid).unwrap(),
            name: name.to_owned(),
            parent,
            group: pid,
            session: pid,
            threads: 1,
            memory: 1 << 20,
            zombie: false,
        }
    }

    const SHELL: i32 = 10;

    /// A shell with a build in it, and 20 more processes that `change` makes.
    fn with_bomb(change: impl Fn(&mut Process)) -> Vec<Process> {
        let mut all = vec![process(SHELL, 7, "bash"), process(11, SHELL, "make")];
        all[1].session = SHELL;
        for pid in 100..120 {
            let mut one = process(pid, 1, "bomb");
            change(&mut one);
            all.push(one);
        }
        all
    }

    fn bond(all: &[Process]) -> Bond {
        Census::new(all).offender().unwrap().bond
    }

    fn pids(all: &[Process], bond: &Bond) -> Vec<i32> {
        let members = Census::new(all).members(bond);
        members.iter().map(|member| member.pid).collect()
    }

    #[test]
    fn the_narrowest_bond_is_taken() {
        let job = with_bomb(|p| (p.group, p.session) = (100, SHELL));
        assert_eq!(bond(&job), Bond::Group(100));
        assert_eq!(pids(&job, &Bond::Group(100)), Vec::from_iter(100..120));
        let own_groups = with_bomb(|p| p.session = 100);
        assert_eq!(bond(&own_groups), Bond::Session(100));
        let own_sessions = with_bomb(|p| p.parent = SHELL);
        assert_eq!(bond(&own_sessions), Bond::Tree(SHELL));
        let no_parent = with_bomb(|_| {});
        assert_eq!(bond(&no_parent), Bond::Name("bomb".to_owned()));
        assert_eq!(pids(&no_parent, &bond(&no_parent)).len(), 20);
    }

    #[test]
    fn without_a_majority_the_largest_session_is_taken() {
        let all = with_bomb(|p| {
            p.name = format!("n{}", p.pid);
            p.session = p.pid / 3;
        });
        assert!(matches!(bond(&all), Bond::Session(33..=39)));
        assert!(Census::new(&[]).offender().is_none());
    }

    #[test]
    fn zombies_are_their_parents_fault() {
        let all = with_bomb(|p| (p.parent, p.zombie) = (11, true));
        let bond = bond(&all);
        assert_eq!(bond, Bond::Group(11));
        assert_eq!(pids(&all, &bond), [11]);
    }

    #[test]
    fn threads_count() {
        let mut all = with_bomb(|_| {});
        all[1].threads = 200;
        assert_eq!(bond(&all), Bond::Group(11));
        assert_eq!(Census::new(&all).tasks(), 221);
    }

    #[test]
    fn a_ring_of_parents_ends() {
        let all = [process(3, 4, "a"), process(4, 3, "b")];
        assert!(Census::new(&all).offender().is_some());
        assert_eq!(pids(&all, &Bond::Tree(4)), [3, 4]);
    }
}
