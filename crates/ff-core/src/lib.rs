//! What happens on the machine that holds the code: projects, workspaces, sessions, terminals,
//! git, GitHub, hand-off, and their store.
//!
//! Knows no HTTP, no Docker and no users. [`Core`] is one machine's whole state: the agent runs
//! one in a VM, the desktop app one per installation.

pub mod activity;
pub mod backup;
pub mod clock;
pub mod config;
mod core;
pub mod derive;
pub mod error;
pub mod fault;
pub mod git;
pub mod github;
pub mod handoff;
mod onboarding;
mod process_group;
mod processes;
pub mod project;
pub mod pull_request;
pub mod ratchet;
pub mod session;
mod stamp;
pub mod store;
pub mod terminal;
mod tool;
pub mod workspace;

pub use config::{CoreConfig, Side};
pub use core::Core;
pub use error::{Error, Result};
