//! The cloud server: users, VMs, who hosts which workspace, and the relay.
//!
//! Data flows one way: `http | ws -> services -> db | compute | agent`. A handler parses,
//! authorises, calls one service function and shapes the reply; services know no HTTP; only
//! [`compute`] knows Docker; only [`db`] knows SQL.

pub mod agent;
pub mod app;
pub mod clock;
pub mod compute;
pub mod config;
pub mod db;
pub mod doctor;
pub mod error;
pub mod fault;
pub mod http;
pub mod identity;
pub mod lifecycle;
pub mod serve;
pub mod services;
pub mod telemetry;
pub mod ws;

pub use app::App;
pub use error::{Error, Result};
