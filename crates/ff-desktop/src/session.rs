//! Sessions, wherever they run: finding their side, prompting, watching.

pub mod follow;
pub mod host;
pub mod prompt;
