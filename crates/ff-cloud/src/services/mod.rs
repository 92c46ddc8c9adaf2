//! What the server does, in domain types: no HTTP, no SQL, no Docker.

pub mod handoff;
pub mod ownership;
pub mod user;
pub mod vm;
pub mod workspace;
