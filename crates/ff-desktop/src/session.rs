//! Sessions, wherever they run: finding their side, prompting, watching.

pub mod follow;
pub mod history;
pub mod host;
pub mod prompt;
pub mod pull_request;
pub mod voice;
