//! What a machine that can be put to sleep needs of its core: a gate before everything that
//! changes something, a clock that knows of freezes, and the times it has to be awake at.
//!
//! On a desktop the gate never closes.

mod awake;
mod permits;
mod schedule;

pub use awake::Awake;
pub use permits::{CloseRefused, Permit, Permits};
pub use schedule::Schedule;
