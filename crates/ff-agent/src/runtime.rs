//! The runtime, with every thread it will ever have.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::runtime::{Builder, Runtime};

const WORKERS: usize = 2;
/// For files and `/proc`; the database has a thread of its own.
const BLOCKING: usize = 4;
/// As good as for ever.
const KEPT: Duration = Duration::from_secs(u32::MAX as u64);
const DEADLINE: Duration = Duration::from_secs(10);

/// Starts the runtime with all its threads. A VM at its limit of processes has none for a runtime
/// that starts threads when it needs them: that panics, and a fork bomb would end the agent.
///
/// # Errors
/// The system has not as many threads left.
pub(crate) fn start() -> Result<Runtime> {
    let runtime = build().context("cannot start the runtime")?;
    occupy(&runtime)?;
    Ok(runtime)
}

fn build() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .thread_keep_alive(KEPT)
        .enable_all()
        .build()
}

/// Has every blocking thread at work at the same time once, so that each is started.
fn occupy(runtime: &Runtime) -> Result<()> {
    let meeting = Arc::new((Mutex::new(0), Condvar::new()));
    let tasks: Vec<_> = (0..BLOCKING)
        .map(|_| {
            let meeting = meeting.clone();
            runtime.spawn_blocking(move || meet(&meeting))
        })
        .collect();
    for task in tasks {
        let met = runtime.block_on(task).context("a thread has died")?;
        ensure!(met, "the system has no threads left for the runtime");
    }
    Ok(())
}

fn meet((present, arrival): &(Mutex<usize>, Condvar)) -> bool {
    let mut count = present.lock().unwrap_or_else(PoisonError::into_inner);
    *count += 1;
    arrival.notify_all();
    let waited = arrival.wait_timeout_while(count, DEADLINE, |count| *count < BLOCKING);
    let (count, _) = waited.unwrap_or_else(PoisonError::into_inner);
    *count >= BLOCKING
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads() -> usize {
        std::fs::read_dir("/proc/self/task").unwrap().count()
    }

    #[test]
    fn no_thread_is_started_later() {
        let before = threads();
        let runtime = start().unwrap();
        let all = threads();
        assert_eq!(all - before, WORKERS + BLOCKING);
        let sleep = || std::thread::sleep(Duration::from_millis(50));
        let tasks: Vec<_> = (0..20).map(|_| runtime.spawn_blocking(sleep)).collect();
        let most = threads();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
        assert_eq!((most, threads()), (all, all));
    }
}
