//! Judges files with samples of derivations: `cargo run -p ff-core --example derive FILE...`.
//!
//! Prints a line per file and the rows that differ; ends with 1 if one does.

#![allow(clippy::print_stdout)]

mod samples;

use std::process::ExitCode;

use anyhow::Context as _;

fn main() -> anyhow::Result<ExitCode> {
    let mut all_passed = true;
    let files: Vec<_> = std::env::args_os().skip(1).collect();
    anyhow::ensure!(!files.is_empty(), "name the files with samples");
    for file in files {
        let name = file.to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).with_context(|| name.clone())?;
        let samples = serde_json::from_str(&text).with_context(|| name.clone())?;
        let report = samples::judge(samples).with_context(|| name.clone())?;
        println!(
            "{name}: {}: {} rows, {} passed, {} by choice, {} failed",
            report.derivation,
            report.rows(),
            report.passed,
            report.chosen,
            report.failed.len()
        );
        for row in &report.failed {
            println!("  {row}");
        }
        all_passed &= report.failed.is_empty();
    }
    Ok(match all_passed {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
