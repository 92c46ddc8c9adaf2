//! From nothing to a VM that is ready: the real `ff` at a real terminal, a real server, a VM on
//! Docker, the real `gh` and Claude CLI, and stand-ins for GitHub and for the host of logins.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../support/stage.rs"]
mod stage;

mod ready;
mod setup;
mod terminals;
mod waiting;
