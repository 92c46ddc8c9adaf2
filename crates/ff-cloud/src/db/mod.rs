//! The database: one code path for SQLite and PostgreSQL.
//!
//! Functions here take a connection or transaction and know no rules; every change of a state is
//! a compare-and-swap that says whether it won. On PostgreSQL transactions run at READ COMMITTED:
//! a row that was read may have changed, so what a write rests on stands in its condition; and a
//! statement that fails ends its transaction, so whoever tries again begins a new one.

mod address;
pub mod audit;
mod connection;
pub mod entity;
pub mod handoffs;
pub mod leases;
mod migration;
pub mod pool;
mod postgres;
mod sqlite;
pub mod usage;
pub mod users;
pub mod vms;
pub mod workspaces;

pub use address::{Address, DatabaseUrl};
pub use connection::Db;
