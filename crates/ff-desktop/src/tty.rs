//! The user's own terminal.

pub mod attach;
pub mod detach;
pub mod input;
pub mod line;
pub mod lines;
pub mod modes;
pub mod notice;
pub mod raw;
pub mod shell;
