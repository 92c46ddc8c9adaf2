//! How fast the screen model takes output and draws itself, and how much memory it needs.
//!
//! ```text
//! screen_bench [MEGABYTES]
//! ```
//!
//! Each figure is the median of several runs on one thread, fed so much at least. The first part of
//! a redraw counts from the time it is asked for until another model has taken it, all of it until
//! it is written. The screen has 200x50 characters and 10,000 lines above it. Memory is what ten
//! such screens add to a process of their own, by ten.

#![expect(clippy::print_stdout, reason = "it reports to whoever runs it")]

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ff_core::terminal::model::{Limits, Model};
use ff_protocol::terminal::Size;

const SIZE: Size = Size {
    cols: 200,
    rows: 50,
};
const LINES: usize = 10_000;
const FED: usize = 32;
const RUNS: usize = 5;
const CHUNK: usize = 16 << 10;
const SCREENS: usize = 10;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let first = args.next();
    if first.as_deref() == Some("memory") {
        let content = args.next().context("which content?")?.parse()?;
        return memory(&contents().swap_remove(content).1);
    }
    let fed = first.map_or(Ok(FED), |text| text.parse())? << 20;
    println!("200x50, {LINES} lines above it");
    println!(
        "{:<34} {:>10} {:>10} {:>10} {:>10}",
        "content", "feed MB/s", "first ms", "all ms", "memory MB"
    );
    for (index, (name, line)) in contents().into_iter().enumerate() {
        report(index, name, &line, fed)?;
    }
    Ok(())
}

/// Prints the megabytes of one screen.
fn memory(line: &dyn Fn(usize) -> String) -> Result<()> {
    let text = text(line);
    let before = resident()?;
    let mut models = Vec::new();
    for _ in 0..SCREENS {
        let mut model = Model::new(SIZE, Limits::default());
        text.as_bytes()
            .chunks(CHUNK)
            .for_each(|chunk| model.feed(chunk));
        models.push(model);
    }
    println!("{}", (resident()? - before) / models.len() as f64);
    Ok(())
}

/// Megabytes of this process that are in memory.
fn resident() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    let kilobytes: f64 = kilobytes.context("no VmRSS")?.parse()?;
    Ok(kilobytes * 1024.0 / 1e6)
}

fn text(line: &dyn Fn(usize) -> String) -> String {
    (0..LINES + 50).map(line).collect()
}

fn report(index: usize, name: &str, line: &dyn Fn(usize) -> String, fed: usize) -> Result<()> {
    let text = text(line);
    let times = fed.div_ceil(text.len());
    let feed = median(|| {
        let mut model = Model::new(SIZE, Limits::default());
        let begun = Instant::now();
        for _ in 0..times {
            text.as_bytes()
                .chunks(CHUNK)
                .for_each(|chunk| model.feed(chunk));
        }
        begun.elapsed()
    });
    let mut model = Model::new(SIZE, Limits::default());
    model.feed(text.as_bytes());
    let all = median(|| {
        let begun = Instant::now();
        std::hint::black_box(model.redraw());
        begun.elapsed()
    });
    let first = median(|| {
        let mut viewer = Model::new(SIZE, Limits::default());
        let begun = Instant::now();
        viewer.feed(&model.redraw().screen);
        begun.elapsed()
    });
    let own = Command::new(std::env::current_exe()?)
        .args(["memory", &index.to_string()])
        .output()?;
    let memory = String::from_utf8(own.stdout)?;
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
        memory.trim().parse::<f64>()?,
    );
    Ok(())
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
