//! A pane of a real tmux, with a server of its own.

use std::fs::File;
use std::io::Write;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use ff_protocol::terminal::Size;
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(60);
const CONFIG: &str = "set -g status off\nset -g history-limit 20000\nset -g escape-time 0\n";

/// A pane that shows what it is fed.
pub struct Pane {
    dir: TempDir,
    pipe: File,
    fed: std::cell::Cell<u32>,
}

impl Pane {
    /// Starts a server with one pane of this size.
    pub fn start(size: Size) -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("tmux.conf"), CONFIG).unwrap();
        let fifo = dir.path().join("fifo");
        assert!(
            Command::new("mkfifo")
                .arg(&fifo)
                .status()
                .unwrap()
                .success()
        );
        let show = format!("stty raw -echo; exec cat {}", fifo.display());
        let (cols, rows) = (size.cols.to_string(), size.rows.to_string());
        run(tmux(&dir).args(["new-session", "-d", "-x", &cols, "-y", &rows, &show]));
        // Opens as soon as the pane's cat has opened its end.
        let pipe = File::options().write(true).open(&fifo).unwrap();
        Self {
            dir,
            pipe,
            fed: std::cell::Cell::new(0),
        }
    }

    /// Writes bytes into the pane.
    pub fn feed(&self, bytes: &[u8]) {
        (&self.pipe).write_all(bytes).unwrap();
    }

    /// What the pane shows, with its attributes, once all it was fed has arrived there.
    pub fn shown(&self) -> String {
        self.wait();
        let output = run(tmux(&self.dir).args(["capture-pane", "-p", "-e", "-N"]));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The title is set, and then seen, after all that came before it.
    fn wait(&self) {
        self.fed.set(self.fed.get() + 1);
        let title = format!("fed {}", self.fed.get());
        self.feed(format!("\x1b]2;{title}\x1b\\").as_bytes());
        let begun = Instant::now();
        loop {
            let output = run(tmux(&self.dir).args(["display-message", "-p", "#{pane_title}"]));
            if String::from_utf8_lossy(&output.stdout).trim() == title {
                return;
            }
            assert!(
                begun.elapsed() < DEADLINE,
                "tmux did not take what it was fed"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Pane {
    fn drop(&mut self) {
        // Its own server, which has nothing else.
        let _ = tmux(&self.dir).arg("kill-server").output();
    }
}

fn tmux(dir: &TempDir) -> Command {
    let mut tmux = Command::new("tmux");
    tmux.args(["-u", "-S"]).arg(dir.path().join("socket"));
    tmux.arg("-f").arg(dir.path().join("tmux.conf"));
    tmux.env_remove("TMUX")
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "xterm-256color");
    tmux
}

fn run(command: &mut Command) -> Output {
    let output = command
        .output()
        .expect("tmux is missing: run scripts/setup.sh tmux");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
