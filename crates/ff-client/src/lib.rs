//! Typed client of the engine and cloud APIs.
//!
//! [`CloudClient`] speaks to a cloud server, [`EngineClient`] to an engine (the same paths, also
//! behind a cloud server), [`AgentClient`] to the agent in a VM. [`socket`] has the WebSockets,
//! which come back by themselves without losing a byte or an entry.
//!
//! Every call has a deadline, and an error tells whether the other side refused
//! ([`ClientError::Problem`]) or could not be reached.

pub mod agent;
pub mod cloud;
pub mod engine;
pub mod error;
pub mod proof;
pub mod raw;
pub mod secret;
pub mod socket;

mod conversation;
mod domain;
mod http;
mod ndjson;
mod pull_requests;
mod transfer;

pub use agent::AgentClient;
pub use cloud::CloudClient;
pub use engine::{EngineClient, TerminalPlace};
pub use error::{ClientError, Result};
pub use http::{Auth, Connections};
pub use raw::ByteStream;
pub use secret::Secret;
