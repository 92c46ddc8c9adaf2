//! The ratchet: it keeps a pull request moving by starting a fixer session when checks fail,
//! reviews ask for changes or the branch conflicts.
//!
//! Pure parts only: what is seen ([`reviews`], [`snapshot`]), what to do about it ([`decision`]), and
//! what becomes of its records ([`fixer`], [`records`]).

pub mod decision;
pub mod fixer;
pub mod records;
pub mod reviews;
pub mod snapshot;
