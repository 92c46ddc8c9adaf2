//! Sessions with the real CLI, in a VM, through the server; the Messages API is played.

#![allow(clippy::unwrap_used)]

mod continuity;
mod conversation;
mod failures;
mod moving;
mod pull_requests;
mod settings;
#[path = "../support/stage.rs"]
mod stage;
mod vm;
mod ways;
