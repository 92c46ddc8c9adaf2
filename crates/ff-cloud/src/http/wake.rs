//! `?wake=true` on a read.

use serde::Deserialize;

use crate::services::workspace::Purpose;

/// Whether a read may wake the VM; without a word it may not.
#[derive(Debug, Deserialize)]
pub struct Wake {
    /// The query's own field.
    #[serde(default)]
    pub wake: bool,
}

impl Wake {
    /// What the read counts as.
    pub fn purpose(&self) -> Purpose {
        match self.wake {
            true => Purpose::Intent,
            false => Purpose::Read,
        }
    }
}
