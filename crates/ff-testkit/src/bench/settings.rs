//! How a run is made: where the programs are, and how many samples are taken.

use std::path::PathBuf;

/// What a run is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Directory with `ff`, `ff-cloud` and the examples.
    pub programs: PathBuf,
    /// Image of the VMs.
    pub image: String,
    /// Take few samples: a look, not a measurement.
    pub quick: bool,
    /// Samples of each measurement, in place of its own number.
    pub samples: Option<usize>,
}

/// How many VMs the pool holds, where there is one.
pub const POOL: u32 = 20;

impl Settings {
    /// The server's program.
    pub fn server(&self) -> PathBuf {
        self.programs.join("ff-cloud")
    }

    /// How many samples to take: `full`, or `quick` in a quick run, unless another number was given.
    pub fn samples(&self, full: usize, quick: usize) -> usize {
        let own = if self.quick { quick } else { full };
        self.samples.unwrap_or(own).max(1)
    }
}
