//! Tables.

pub mod handoff;
pub mod journal;
pub mod message;
pub mod meta;
pub mod project;
pub mod request;
pub mod session;
pub mod workspace;
pub mod workspace_init_output;
pub mod workspace_pr;
pub mod workspace_ratchet;
pub mod workspace_run_script;
