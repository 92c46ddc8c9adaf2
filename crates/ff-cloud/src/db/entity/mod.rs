//! Rows of the tables. Enums are stored as the text they have on the wire.

#![allow(missing_docs)]

pub mod audit_event;
pub mod handoff;
pub mod lease;
pub mod usage;
pub mod user;
pub mod vm;
pub mod workspace;
