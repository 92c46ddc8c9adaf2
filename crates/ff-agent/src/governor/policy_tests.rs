use super::super::process::{Bond, tests::process};
use super::*;

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 512 * MIB;

fn sized(pid: i32, name: &str, memory: u64) -> Process {
    let mut one = process(pid, 1, name);
    one.memory = memory;
    one
}

fn memory(used: u64, kernel_kills: u64) -> Usage {
    let memory = Memory { used, limit: LIMIT };
    Usage {
        memory: Some(memory),
        tasks: None,
        kernel_kills: Some(kernel_kills),
    }
}

fn tasks(used: u64, limit: u64) -> Usage {
    Usage {
        tasks: Some(Tasks { used, limit }),
        ..Usage::default()
    }
}

fn two() -> Vec<Process> {
    vec![sized(20, "bash", 5 * MIB), sized(21, "node", 400 * MIB)]
}

fn killed(decisions: &[Decision]) -> Vec<&str> {
    let killed = decisions.iter().filter_map(|decision| match decision {
        Decision::Kill(process, _) => Some(process.name.as_str()),
        _ => None,
    });
    killed.collect()
}

fn told(decisions: Vec<Decision>) -> Vec<String> {
    let told = decisions.into_iter().filter_map(|decision| match decision {
        Decision::Tell(news) => Some(news.text),
        _ => None,
    });
    told.collect()
}

#[test]
fn the_largest_goes_when_memory_stays_full() {
    let mut policy = Policy::default();
    let full = memory(500 * MIB, 0);
    assert!(policy.look(two(), &full).is_empty());
    assert!(policy.look(two(), &memory(100 * MIB, 0)).is_empty());
    assert!(policy.look(two(), &full).is_empty());
    let decisions = policy.look(two(), &full);
    assert_eq!(killed(&decisions), ["node"]);
    let Decision::Kill(process, memory) = &decisions[0] else {
        panic!("{decisions:?}");
    };
    let text = texts::killed(process, *memory).text;
    assert!(
        text.starts_with("`node` (pid 21, 400 MB) was killed: the VM's memory (512 MB) was full."),
        "{text}"
    );
}

#[test]
fn the_next_waits_until_the_first_has_gone() {
    let mut policy = Policy::default();
    let full = memory(500 * MIB, 0);
    policy.look(two(), &full);
    assert_eq!(killed(&policy.look(two(), &full)), ["node"]);
    for _ in 0..DYING_LOOKS {
        assert!(policy.look(two(), &full).is_empty());
    }
    assert_eq!(killed(&policy.look(two(), &full)), ["bash"]);

    let mut policy = Policy::default();
    policy.look(two(), &full);
    assert_eq!(killed(&policy.look(two(), &full)), ["node"]);
    assert!(policy.look(vec![two().remove(0)], &full).is_empty());
    assert_eq!(killed(&policy.look(vec![two().remove(0)], &full)), ["bash"]);
}

#[test]
fn what_the_kernel_killed_is_named_by_who_vanished() {
    let mut policy = Policy::default();
    let start = memory(50 * MIB, 7);
    let mut all = two();
    all.push(sized(22, "ls", MIB));
    assert!(policy.look(all, &start).is_empty());
    let left = vec![two().remove(0)];
    let told = told(policy.look(left.clone(), &memory(50 * MIB, 8)));
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("(512 MB) was full, and a process was killed: probably `node` (pid 21)."),
        "{told:?}"
    );
    assert!(policy.look(left, &memory(50 * MIB, 8)).is_empty());
}

#[test]
fn a_late_end_is_waited_for_and_small_ones_are_not_blamed_at_once() {
    let mut policy = Policy::default();
    let usage = |kills| memory(50 * MIB, kills);
    let mut all = two();
    all.push(sized(22, "ls", MIB));
    policy.look(all, &usage(0));
    assert!(policy.look(two(), &usage(2)).is_empty(), "blames ls");
    let mut ended = two();
    ended[1].zombie = true;
    let told = told(policy.look(ended, &usage(2)));
    assert!(
        told[0].contains("2 processes were killed: probably `node`"),
        "{told:?}"
    );
}

#[test]
fn with_no_one_gone_no_one_is_named() {
    let mut policy = Policy::default();
    policy.look(two(), &memory(50 * MIB, 0));
    for _ in 0..VANISHING_LOOKS {
        assert!(policy.look(two(), &memory(50 * MIB, 1)).is_empty());
    }
    let told = told(policy.look(two(), &memory(50 * MIB, 1)));
    assert!(
        told[0].contains("and a process was killed. Use fewer"),
        "{told:?}"
    );
}

#[test]
fn users_get_nine_tenths_of_the_processes() {
    let bomb: Vec<Process> = (100..330)
        .map(|pid| {
            let mut one = process(pid, 1, "bash");
            one.group = 100;
            one
        })
        .collect();
    let mut policy = Policy::default();
    assert!(policy.look(bomb.clone(), &tasks(229, 256)).is_empty());
    let decisions = policy.look(bomb, &tasks(230, 256));
    let [Decision::KillAll(gang, at)] = decisions.as_slice() else {
        panic!("{decisions:?}");
    };
    assert_eq!(gang.bond, Bond::Group(100));
    let text = texts::killed_all(gang, 222, *at).text;
    assert!(
        text.starts_with(
            "222 processes of `bash` were killed: the VM had 230 processes and threads of the 256"
        ),
        "{text}"
    );
}

#[test]
fn nobody_is_killed_for_tasks_that_are_not_seen() {
    let mut policy = Policy::default();
    assert!(policy.look(two(), &tasks(256, 256)).is_empty());
    assert!(policy.look(Vec::new(), &tasks(256, 256)).is_empty());
}
