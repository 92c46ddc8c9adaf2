//! What Docker tells of a container that sleeps, wakes or ends, as it happens: an engine keeps
//! only its last few hundred events.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ff_testkit::journey::process::Run;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::task::AbortOnDropHandle;

use crate::vm::soon;

const ACTIONS: [&str; 7] = ["pause", "unpause", "stop", "start", "die", "oom", "destroy"];

/// An action, and when, in seconds.
pub type Move = (String, f64);

/// The moves of a container; hearing them ends with it.
pub struct Moves {
    told: Arc<Mutex<Vec<Move>>>,
    _docker: Child,
    _task: AbortOnDropHandle<()>,
}

impl Moves {
    /// Begins to hear them.
    pub async fn of(container: &str) -> Self {
        let time = Run::new("docker").args(["info", "--format", "{{.SystemTime}}"]);
        let mut docker = Command::new("docker");
        docker.args(["events", "--since", &time.text().await.unwrap()]);
        docker.args(["--filter", &format!("container={container}")]);
        for action in ACTIONS {
            docker.args(["--filter", &format!("event={action}")]);
        }
        docker.args(["--format", "{{.Action}} {{.TimeNano}}"]);
        docker.stdout(Stdio::piped()).kill_on_drop(true);
        let mut docker = docker.spawn().unwrap();
        let mut lines = BufReader::new(docker.stdout.take().unwrap()).lines();
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let task = tokio::spawn(async move {
            while let Some(line) = lines.next_line().await.unwrap() {
                let (action, nanos) = line.split_once(' ').unwrap();
                let at = nanos.parse::<f64>().unwrap() / 1e9;
                heard.lock().unwrap().push((action.to_owned(), at));
            }
        });
        Self {
            told,
            _docker: docker,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// How many there were so far.
    pub fn count(&self) -> usize {
        self.told.lock().unwrap().len()
    }

    /// Those after the first `count`.
    pub fn after(&self, count: usize) -> Vec<Move> {
        self.told.lock().unwrap()[count..].to_vec()
    }

    /// Waits for the one after the first `count`.
    pub async fn next(&self, count: usize, within: Duration) -> Move {
        let next = async || self.after(count).into_iter().next();
        soon("the container moves", within, next).await
    }
}
