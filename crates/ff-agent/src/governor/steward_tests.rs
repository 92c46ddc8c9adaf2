use std::sync::{Mutex, MutexGuard};

use ff_protocol::agent::NoticeKind;

use super::super::cgroup::{Memory, Tasks, Usage};
use super::super::process::tests::process;
use super::*;

const LIMIT: u64 = 100;
const BOMB: i32 = 50;

#[derive(Default)]
struct World {
    all: Vec<Process>,
    stopped: HashSet<i32>,
    exposed: HashSet<i32>,
    memory: u64,
    next: i32,
    looks: usize,
}

impl World {
    fn add(&mut self, group: i32) {
        let mut one = process(self.next, 1, "bash");
        (one.group, one.session) = (group, 7);
        self.next += 1;
        self.all.push(one);
    }

    /// What runs of the bomb fills the limit again.
    fn fork(&mut self) {
        let runs = |p: &Process| p.group == BOMB && !self.stopped.contains(&p.pid);
        if self.all.iter().any(runs) {
            while self.all.len() < LIMIT as usize {
                self.add(BOMB);
            }
        }
    }
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<World>>);

impl Fake {
    fn with_bomb() -> Self {
        let fake = Self::default();
        let mut world = fake.world();
        world.next = 10;
        world.add(10);
        world.add(BOMB);
        world.fork();
        drop(world);
        fake
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
}

impl System for Fake {
    fn processes(&self) -> Vec<Process> {
        let mut world = self.world();
        let seen = world.all.clone();
        world.looks += 1;
        world.fork();
        seen
    }

    fn usage(&self) -> Usage {
        let world = self.world();
        let tasks = Tasks {
            used: world.all.len() as u64,
            limit: LIMIT,
        };
        let memory = Memory {
            used: world.memory,
            limit: 1000,
        };
        Usage {
            memory: Some(memory),
            tasks: Some(tasks),
            kernel_kills: Some(0),
        }
    }

    fn expose(&self, process: &Process) {
        self.world().exposed.insert(process.pid);
    }

    fn signal(&self, process: &Process, signal: Signal) -> bool {
        let mut world = self.world();
        let there = world.all.contains(process);
        if signal == Signal::STOP {
            world.stopped.insert(process.pid);
        } else {
            world.all.retain(|other| other != process);
        }
        // The freed place is taken at once.
        world.fork();
        there
    }
}

#[test]
fn a_bomb_that_forks_while_it_is_killed_ends_and_the_shell_stays() {
    let fake = Fake::with_bomb();
    let notices = Arc::new(Notices::default());
    let mut steward = Steward::new(fake.clone(), notices.clone());
    steward.look();
    let world = fake.world();
    let left: Vec<i32> = world.all.iter().map(|process| process.group).collect();
    assert_eq!(left, [10]);
    assert!(world.exposed.len() >= LIMIT as usize);
    assert!(world.looks <= 1 + ROUNDS * SWEEPS);
    let all = notices.all();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].kind, NoticeKind::TooManyProcesses);
    assert!(all[0].text.contains("99 processes of `bash`"), "{all:?}");
}

#[test]
fn a_full_memory_costs_the_largest_its_life() {
    let fake = Fake::default();
    fake.world().all = vec![process(20, 1, "bash"), process(21, 1, "node")];
    fake.world().all[1].memory = 900;
    fake.world().memory = 960;
    fake.world().all[0].memory = 60;
    let notices = Arc::new(Notices::default());
    let mut steward = Steward::new(fake.clone(), notices.clone());
    steward.look();
    assert!(notices.all().is_empty());
    steward.look();
    assert_eq!(fake.world().all.len(), 1);
    assert_eq!(fake.world().all[0].name, "bash");
    let all = notices.all();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].kind, NoticeKind::OutOfMemory);
    assert!(all[0].text.starts_with("`node` (pid 21"), "{all:?}");
}
