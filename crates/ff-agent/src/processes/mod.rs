//! The VM's processes: which of them work, and which are in the foreground of a terminal.

mod foreground;
mod load;
mod members;
mod name;
mod proc;

pub(crate) use foreground::Foregrounds;
pub(crate) use load::Loads;
pub(crate) use members::{MARK, Members, Scope};
pub(crate) use name::name;
pub(crate) use proc::bytes;
