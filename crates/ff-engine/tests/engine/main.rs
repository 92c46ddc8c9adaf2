//! The engine over a real core, a scripted CLI and the machine's own shell.

mod sessions;
mod terminals;
mod world;
mod workspace_socket;
