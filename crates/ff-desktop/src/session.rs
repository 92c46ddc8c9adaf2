//! Sessions, wherever they run: finding their side, prompting, watching.

mod calls;
pub mod follow;
pub mod history;
pub mod host;
pub mod prompt;
pub mod pull_request;
pub mod voice;
pub mod waits;
