//! Which processes work: those that used CPU or moved bytes above a threshold a short time ago.

use std::collections::BTreeMap;
use std::time::Duration;

use ff_protocol::Timestamp;
use tokio::time::Instant;

use super::proc::Process;

/// Ticks of CPU time in a second (`USER_HZ`, the same on every Linux we run on).
const TICKS_PER_SECOND: u64 = 100;
/// CPU share of a process that works, in percent. An idle CLI of Claude uses 0.2.
const BUSY_PERCENT: u64 = 5;
/// So few ticks say nothing, however short the time.
const LEAST_TICKS: u64 = 3;
/// Bytes a second that a process that works reads and writes.
const BUSY_BYTES: u64 = 32 * 1024;
/// A process works on for this long after its last busy time: builds pause between steps.
const WORKS_ON: Duration = Duration::from_secs(30);

/// What a process has used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Usage {
    ticks: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Known {
    began: u64,
    usage: Usage,
    busy: Option<Busy>,
}

#[derive(Debug, Clone, Copy)]
struct Busy {
    since: Timestamp,
    last: Instant,
}

/// What the processes used, sample by sample.
#[derive(Debug, Default)]
pub(crate) struct Loads {
    sampled: Option<Instant>,
    known: BTreeMap<u32, Known>,
}

impl Loads {
    /// How long ago the last sample was taken; `None` before the first.
    pub(crate) fn age(&self, now: Instant) -> Option<Duration> {
        self.sampled.map(|at| now.saturating_duration_since(at))
    }

    /// Takes a sample of the processes that live; `bytes` reads what one of them moved. What was
    /// there at the first sample starts from there; what began later counts whole.
    pub(crate) fn sample(
        &mut self,
        living: &[Process],
        bytes: impl Fn(u32) -> u64,
        now: Instant,
        at: Timestamp,
    ) {
        let window = self.age(now);
        let mut before = std::mem::take(&mut self.known);
        for process in living {
            let usage = Usage {
                ticks: process.ticks,
                bytes: bytes(process.pid),
            };
            let known = before.remove(&process.pid);
            let known = known.filter(|known| known.began == process.began);
            let start = known.as_ref().map_or(Usage::default(), |known| known.usage);
            let busy_now = window.is_some_and(|window| is_busy(start, usage, window));
            let busy = known.and_then(|known| known.busy);
            let busy = busy.filter(|busy| busy_now || now - busy.last < WORKS_ON);
            let busy = match (busy_now, busy) {
                (true, busy) => Some(Busy {
                    since: busy.map_or(at, |busy| busy.since),
                    last: now,
                }),
                (false, busy) => busy,
            };
            let began = process.began;
            let known = Known { began, usage, busy };
            self.known.insert(process.pid, known);
        }
        self.sampled = Some(now);
    }

    /// The numbers of the processes that work, each with since when; the longest first.
    pub(crate) fn working(&self) -> Vec<(u32, Timestamp)> {
        let busy = |(pid, known): (&u32, &Known)| Some((*pid, known.busy?.since));
        let mut working: Vec<_> = self.known.iter().filter_map(busy).collect();
        working.sort_by_key(|(pid, since)| (*since, *pid));
        working
    }
}

fn is_busy(start: Usage, end: Usage, window: Duration) -> bool {
    let millis = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    let ticks = end.ticks.saturating_sub(start.ticks);
    let bytes = end.bytes.saturating_sub(start.bytes);
    // In thousandths, so that short times are not rounded away.
    let enough_ticks = millis.saturating_mul(TICKS_PER_SECOND * BUSY_PERCENT) / 100;
    let enough_bytes = millis.saturating_mul(BUSY_BYTES) / 1000;
    ticks >= LEAST_TICKS && ticks.saturating_mul(1000) >= enough_ticks
        || bytes >= enough_bytes.max(BUSY_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(3);

    struct World {
        loads: Loads,
        start: Instant,
        at: Timestamp,
        samples: u32,
    }

    impl World {
        fn new() -> Self {
            Self {
                loads: Loads::default(),
                start: Instant::now(),
                at: ff_core::clock::now(),
                samples: 0,
            }
        }

        /// One window later, with these processes as (number, ticks, bytes).
        fn sample(&mut self, processes: &[(u32, u64, u64)]) -> Vec<u32> {
            let after = WINDOW * self.samples;
            self.samples += 1;
            let living: Vec<Process> = processes
                .iter()
                .map(|(pid, ticks, _)| process(*pid, *ticks))
                .collect();
            let bytes = |pid| processes.iter().find(|p| p.0 == pid).map_or(0, |p| p.2);
            let (now, at) = (self.start + after, self.at + after);
            self.loads.sample(&living, bytes, now, at);
            self.loads.working().iter().map(|(pid, _)| *pid).collect()
        }
    }

    fn process(pid: u32, ticks: u64) -> Process {
        Process {
            pid,
            name: "make".into(),
            zombie: false,
            parent: 1,
            group: pid,
            session: pid,
            foreground: None,
            ticks,
            began: 1,
        }
    }

    #[test]
    fn cpu_and_bytes_above_the_threshold_work_and_below_do_not() {
        let mut world = World::new();
        assert!(world.sample(&[(7, 9000, 1 << 30), (8, 0, 0)]).is_empty());
        // 4 ticks in 3 s are more than an idle CLI of Claude or an editor uses.
        assert!(world.sample(&[(7, 9004, 1 << 30), (8, 14, 0)]).is_empty());
        assert_eq!(world.sample(&[(7, 9004, 1 << 30), (8, 29, 0)]), [8]);
        let moved = (1 << 30) + 3 * 32 * 1024;
        assert_eq!(world.sample(&[(7, 9004, moved), (8, 29, 0)]), [8, 7]);
    }

    #[test]
    fn what_began_since_the_last_sample_counts_whole() {
        let mut world = World::new();
        world.sample(&[]);
        assert_eq!(world.sample(&[(7, 15, 0), (8, 2, 0)]), [7]);
    }

    #[test]
    fn pauses_between_steps_are_work_and_a_long_one_ends_it() {
        let mut world = World::new();
        world.sample(&[(7, 0, 0)]);
        assert_eq!(world.sample(&[(7, 300, 0)]), [7]);
        for _ in 0..8 {
            assert_eq!(world.sample(&[(7, 300, 0)]), [7]);
        }
        // Busy again: since the beginning.
        assert_eq!(world.sample(&[(7, 600, 0)]), [7]);
        assert_eq!(world.loads.working()[0].1, world.at + WINDOW);
        for _ in 0..9 {
            assert_eq!(world.sample(&[(7, 600, 0)]), [7]);
        }
        assert!(world.sample(&[(7, 600, 0)]).is_empty());
    }

    #[test]
    fn a_number_that_is_anothers_now_inherits_nothing() {
        let mut world = World::new();
        world.sample(&[(7, 0, 0)]);
        assert_eq!(world.sample(&[(7, 300, 0)]), [7]);
        let reused = Process {
            began: 2,
            ..process(7, 1)
        };
        let now = world.start + WINDOW * 2;
        world.loads.sample(&[reused], |_| 0, now, world.at);
        assert!(world.loads.working().is_empty());
        assert!(world.sample(&[]).is_empty());
        assert!(world.loads.known.is_empty());
    }

    #[test]
    fn a_few_ticks_in_a_short_time_are_nothing() {
        let usage = |ticks| Usage { ticks, bytes: 0 };
        let short = Duration::from_millis(200);
        assert!(!is_busy(usage(0), usage(2), short));
        assert!(is_busy(usage(0), usage(20), short));
        // After a freeze of an hour, what was used before it is spread over that hour.
        assert!(!is_busy(usage(0), usage(20), Duration::from_secs(3600)));
    }
}
