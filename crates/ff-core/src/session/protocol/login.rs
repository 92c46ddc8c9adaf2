//! What a line of the CLI says about its login.
//!
//! Up to 2.1.330 the CLI does not fail when it is logged out: it makes up an assistant message with
//! `error: "authentication_failed"` and ends the turn with `is_error`; `api_error_status` is 401 or
//! 403 where the API refused, and `null` where the CLI never asked it. Its exit code is 1 only if
//! that was its last turn, and nothing is on stderr.

use super::incoming::{Incoming, Message};

const LONGEST_REASON: usize = 200;
/// How the CLI words it, in versions that give no `error` and where only text is left.
const LOGGED_OUT: &[&str] = &[
    "Not logged in",
    "Please run /login",
    "claude auth login",
    "claude login",
    "Failed to authenticate",
    "Authentication required",
    "Login expired",
    "Login reached its time limit",
    "OAuth token revoked",
    "OAuth token has",
    "OAuth access token has",
    "OAuth session expired",
    "Invalid API key",
    "Invalid auth token",
    "Invalid bearer token",
];
/// How it says that it waited in vain for another CLI to renew the login. It reports it as
/// `server_error`, and the next try works.
const BUSY: &str = "another Claude Code process is refreshing it";

/// What is known of the login from a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// The API has answered, so the login works.
    Answered,
    /// The login does not work.
    LoggedOut(LoggedOut),
    /// Another CLI renews it and took too long: what failed can be tried again.
    Busy,
}

/// A login that was shown not to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedOut {
    /// The CLI's words, for people; on one line, without tokens.
    pub reason: String,
    /// Whether there is no login at all: then only a new one helps, and trying does not.
    pub absent: bool,
}

impl LoggedOut {
    /// Reads it from what the CLI says of a failure: a result's text, or stderr.
    pub fn in_text(text: &str) -> Option<Self> {
        let words = text.lines().map(str::trim);
        let line = words
            .into_iter()
            .find(|line| LOGGED_OUT.iter().any(|words| line.contains(words)))?;
        Some(Self::because(line))
    }

    fn because(text: &str) -> Self {
        let absent =
            text.starts_with("Not logged in") || text.starts_with("Authentication required");
        let words = text.split_whitespace();
        let words = words.map(|word| {
            if word.contains("sk-ant-") {
                "…"
            } else {
                word
            }
        });
        let line = words.collect::<Vec<_>>().join(" ");
        let line = line.replace(char::is_control, "");
        let reason = line.chars().take(LONGEST_REASON).collect();
        Self { reason, absent }
    }
}

/// What a line says about the login, if anything.
pub fn sign(incoming: &Incoming) -> Option<Sign> {
    match &incoming.message {
        Message::StreamEvent(_) => Some(Sign::Answered),
        Message::Assistant(line) => {
            let text = incoming.raw["message"]["content"][0]["text"].as_str();
            match line.error.as_deref() {
                None => Some(Sign::Answered),
                Some("authentication_failed") => {
                    let reason = text.unwrap_or("the CLI could not authenticate");
                    Some(Sign::LoggedOut(LoggedOut::because(reason)))
                }
                Some(_) => text.filter(|text| text.contains(BUSY)).map(|_| Sign::Busy),
            }
        }
        // Text of the model is in no result that failed like this.
        Message::Result(result) if result.is_error && !result.aborted() => {
            let text = result.failure();
            let refused = incoming.raw["api_error_status"] == 401;
            if text.contains(BUSY) {
                Some(Sign::Busy)
            } else if refused {
                Some(Sign::LoggedOut(LoggedOut::because(&text)))
            } else {
                LoggedOut::in_text(&text).map(Sign::LoggedOut)
            }
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
