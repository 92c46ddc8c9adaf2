//! The steps of a move, by the lines that `ff` writes at their ends.

use std::time::Instant;

use anyhow::Result;
use tokio::process::Command;

use super::desktop::listened;
use crate::bench::clock::millis;
use crate::bench::report::{Row, Unit};

/// How long each step of a move took, over several moves.
#[derive(Default)]
pub(super) struct Steps(Vec<(String, Vec<f64>)>);

impl Steps {
    /// Runs `ff` to its end, and takes the times; returns how long all of it took, in milliseconds.
    pub(super) async fn of(&mut self, command: Command) -> Result<f64> {
        let begun = Instant::now();
        let mut last = 0.0;
        let heard = |line: &str| {
            let Some(name) = line.strip_prefix("ok ").and_then(step) else {
                return;
            };
            let now = millis(begun.elapsed());
            self.note(name, now - last);
            last = now;
        };
        listened(command, heard).await?;
        Ok(millis(begun.elapsed()))
    }

    fn note(&mut self, name: &str, took: f64) {
        match self.0.iter_mut().find(|(it, _)| it == name) {
            Some((_, times)) => times.push(took),
            None => self.0.push((name.to_owned(), vec![took])),
        }
    }

    /// A row for each step, in their order.
    pub(super) fn rows(self) -> impl Iterator<Item = Row> {
        let steps = self.0.into_iter();
        steps.filter_map(|(name, times)| Row::new(format!("  {name}"), Unit::Millis, times))
    }
}

/// Name of a step in `ff`'s line about its end, without what differs from time to time.
fn step(line: &str) -> Option<&str> {
    let line = line.trim();
    let (name, _) = line.rsplit_once(" (")?;
    Some(name.split_once(':').map_or(name, |(name, _)| name))
}
