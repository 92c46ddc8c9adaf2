//! Processes that we started: told from others, found again, and ended with all they started.

pub(crate) mod mark;
pub(crate) mod marked;
mod table;

pub(crate) use table::{Process, carries, look, numbers, works_in};
