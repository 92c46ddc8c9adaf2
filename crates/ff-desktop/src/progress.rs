//! Progress of long commands, on stderr: a spinner on a terminal, plain lines otherwise.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::say;

/// Between two plain lines on how far a step is.
const PLAIN: Duration = Duration::from_secs(5);

/// Steps of a command, each told with its time.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    spinner: bool,
}

impl Progress {
    /// A spinner where stderr is a terminal that can redraw a line.
    pub fn new() -> Self {
        let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        Self {
            spinner: std::io::stderr().is_terminal() && !dumb,
        }
    }

    /// Begins a step.
    pub fn step(self, name: impl Into<String>) -> Step {
        let name = name.into();
        let bar = self.spinner.then(|| spinner(&name));
        Step {
            name,
            bar,
            began: Instant::now(),
            told: Cell::default(),
            open: true,
        }
    }
}

/// One step; a step that is dropped without an end is told as failed.
#[derive(Debug)]
pub struct Step {
    name: String,
    bar: Option<ProgressBar>,
    began: Instant,
    /// When it was last told in a plain line how far it is, since its beginning.
    told: Cell<Duration>,
    open: bool,
}

impl Step {
    /// Says how far it has come: at once where the line can be redrawn, else now and then.
    pub fn update(&self, detail: impl AsRef<str>) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {}", self.name, detail.as_ref()));
            return;
        }
        let now = self.began.elapsed();
        if now >= self.told.get() + PLAIN {
            self.told.set(now);
            say(format!("       {}: {}", self.name, detail.as_ref()));
        }
    }

    /// Ends the step.
    pub fn done(mut self) {
        self.end("ok", None);
    }

    /// Ends the step and says what came of it.
    pub fn done_with(mut self, detail: impl AsRef<str>) {
        self.end("ok", Some(detail.as_ref()));
    }

    fn end(&mut self, verdict: &str, detail: Option<&str>) {
        self.open = false;
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let detail = detail.map(|text| format!(": {text}")).unwrap_or_default();
        let time = seconds(self.began.elapsed());
        say(format!("{verdict:<6} {}{detail} ({time})", self.name));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if self.open {
            self.end("failed", None);
        }
    }
}

fn spinner(name: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(name.to_owned());
    bar.set_draw_target(ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner}      {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// A time as people read it: tenths of a second below a minute.
pub fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    if whole < 60 {
        return format!("{:.1} s", time.as_secs_f64());
    }
    format!("{} min {:02} s", whole / 60, whole % 60)
}

/// A number of bytes as people read it.
pub fn bytes(count: u64) -> String {
    const STEPS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    for (unit, size) in STEPS {
        if count >= size {
            let tenths = count / (size / 10);
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{count} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_read_well() {
        assert_eq!(seconds(Duration::from_millis(1240)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_250), "1.2 kB");
        assert_eq!(bytes(3_400_000_000), "3.4 GB");
    }
}
