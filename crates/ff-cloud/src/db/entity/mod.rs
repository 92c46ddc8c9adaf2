//! Rows of the tables. Enums are stored as the text they have on the wire.

#![allow(missing_docs)]

pub mod handoff;
pub mod user;
pub mod vm;
pub mod workspace;
