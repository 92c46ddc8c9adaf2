//! Random working states of a workspace, each of many kinds, and an oracle that tells in plain
//! git, `find` and `sha256sum` what there is.
//!
//! A kind is a piece of `bash`, so that it runs wherever the workspace is: on this machine or in
//! a container. The same seed gives the same repository.

mod base;
mod kinds;
mod oracle;
mod plan;
mod shell;
mod stays;

pub use crate::chaos::random::Random;
pub use base::{BASE, HOME};
pub use kinds::{Kind, after};
pub use oracle::{Told, differences, look};
pub use plan::{Story, Table, stories};
pub use shell::{Here, Inside, Shell};
pub use stays::{STAYING, Staying};
