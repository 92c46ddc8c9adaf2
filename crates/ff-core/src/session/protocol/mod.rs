//! The CLI's stream-json protocol: one JSON object per line, in both directions.
//!
//! Pure. What the lines look like was measured on versions 2.1.197 and 2.1.330; unknown kinds
//! and unknown fields are expected and kept.

#[cfg(test)]
mod fuzz;
mod incoming;
mod lines;
mod login;
mod outgoing;
mod result;

pub(super) use incoming::{
    ControlRequest, ControlRequestBody, ControlResponse, Incoming, Message, System, ToolUse, parse,
};
pub(super) use lines::{Line, Lines};
pub use login::LoggedOut;
pub(super) use login::{Sign, sign};
pub(super) use outgoing::{
    Decision, decision, initialize, interrupt, set_model, set_permission_mode, set_thinking_tokens,
    unsupported_request, user_message,
};
pub(super) use result::TurnResult;
