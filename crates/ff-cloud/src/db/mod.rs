//! The database: one code path for SQLite and PostgreSQL.
//!
//! Functions here take a connection or transaction and know no rules; every change of a state is
//! a compare-and-swap that says whether it won.

mod connection;
pub mod entity;
pub mod handoffs;
mod migration;
pub mod users;
pub mod vms;
pub mod workspaces;

pub use connection::Db;
