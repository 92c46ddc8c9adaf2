//! The engine over a real core, a scripted CLI and the machine's own shell.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad_input_sessions;
mod bad_input_terminals;
mod pull_requests;
mod sessions;
mod socket_intents;
mod socket_partials;
mod terminals;
mod terminals_fuzz;
mod terminals_viewers;
mod workspace_socket;
mod workspaces;
mod world;
