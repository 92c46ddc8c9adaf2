//! Tables.

pub mod handoff;
pub mod journal;
pub mod message;
pub mod meta;
pub mod project;
pub mod project_tracker;
pub mod request;
pub mod retained;
pub mod session;
pub mod session_origin;
pub mod terminal_session;
pub mod user_settings;
pub mod workspace;
pub mod workspace_init_output;
pub mod workspace_pr;
pub mod workspace_ratchet;
pub mod workspace_run_output;
pub mod workspace_run_script;
