//! How fast the screen model takes output and draws itself, and how much memory it needs.
//!
//! ```text
//! screen_bench
//! ```
//!
//! Each figure is the median of several runs on one thread. The screen has 200x50 characters and
//! 10,000 lines above it.

#![expect(clippy::print_stdout, reason = "it reports to whoever runs it")]

use std::time::{Duration, Instant};

use ff_core::terminal::model::{Limits, Model};
use ff_protocol::terminal::Size;

const SIZE: Size = Size {
    cols: 200,
    rows: 50,
};
const LINES: usize = 10_000;
const FED: usize = 32 << 20;
const RUNS: usize = 5;

fn main() {
    println!("200x50, {LINES} lines above it");
    println!(
        "{:<34} {:>10} {:>10} {:>10} {:>10}",
        "content", "feed MB/s", "first ms", "all ms", "memory MB"
    );
    for (name, line) in contents() {
        report(name, &line);
    }
}

fn report(name: &str, line: &dyn Fn(usize) -> String) {
    let text: String = (0..LINES + 50).map(line).collect();
    let times = FED.div_ceil(text.len());
    let feed = median(|| {
        let mut model = Model::new(SIZE, Limits::default());
        let begun = Instant::now();
        for _ in 0..times {
            text.as_bytes()
                .chunks(16 << 10)
                .for_each(|chunk| model.feed(chunk));
        }
        begun.elapsed()
    });
    let mut model = Model::new(SIZE, Limits::default());
    model.feed(text.as_bytes());
    let redraw = model.redraw();
    let all = median(|| {
        let begun = Instant::now();
        std::hint::black_box(model.redraw());
        begun.elapsed()
    });
    // What a terminal does with the first part before its user sees the screen.
    let first = median(|| {
        let mut viewer = Model::new(SIZE, Limits::default());
        let begun = Instant::now();
        viewer.feed(&redraw.screen);
        begun.elapsed()
    });
    let kept = model.scrollback_lines();
    let note = if kept < LINES {
        format!(" ({kept} lines kept)")
    } else {
        String::new()
    };
    println!(
        "{name:<34} {:>10.0} {:>10.2} {:>10.2} {:>10.2}{note}",
        (times * text.len()) as f64 / 1e6 / feed.as_secs_f64(),
        first.as_secs_f64() * 1e3,
        all.as_secs_f64() * 1e3,
        model.memory() as f64 / 1e6,
    );
}

fn median(mut run: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<_> = (0..RUNS).map(|_| run()).collect();
    times.sort();
    times[RUNS / 2]
}

type Line = Box<dyn Fn(usize) -> String>;

fn contents() -> Vec<(&'static str, Line)> {
    vec![
        (
            "plain text, 72 wide",
            Box::new(|n| format!("{n:>8} {}\r\n", "plain text ".repeat(6).trim_end())),
        ),
        (
            "plain text, 200 wide",
            Box::new(|n| format!("{n:>8} {}\r\n", "x".repeat(190))),
        ),
        (
            "wide characters, 200 wide",
            Box::new(|n| format!("{n:>8} {}\r\n", "広い文字".repeat(23))),
        ),
        (
            "colours every 10, 200 wide",
            Box::new(|n| {
                let words =
                    (0..19).map(|word| format!("\x1b[3{};1m{:>9} \x1b[m", word % 8, n + word));
                words.collect::<String>() + "\r\n"
            }),
        ),
        (
            "wide, colours every 10, 200 wide",
            Box::new(|n| {
                let words = (0..19)
                    .map(|word| format!("\x1b[38;5;{}m広い{:>5} \x1b[m", (n + word) % 256, word));
                words.collect::<String>() + "\r\n"
            }),
        ),
        (
            "true colour in each cell, 200 wide",
            Box::new(|n| {
                let cells = (0..199).map(|cell| format!("\x1b[38;2;{cell};{};99mx", n % 256));
                cells.collect::<String>() + "\x1b[m\r\n"
            }),
        ),
    ]
}
