//! The `result` line, which ends a turn.

use ff_protocol::session::{TurnFailure, Usage};
use serde::Deserialize;

/// How a turn ended, in the CLI's words.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct TurnResult {
    /// `success`, `error_during_execution`, `error_max_turns`, `error_max_budget_usd`.
    #[serde(default)]
    pub subtype: String,
    /// Whether it failed: an API failure has subtype `success` and this set.
    #[serde(default)]
    pub is_error: bool,
    /// The model's final text, or an API failure's.
    #[serde(default)]
    pub result: Option<String>,
    /// What went wrong.
    #[serde(default)]
    pub errors: Vec<String>,
    /// `completed`, `aborted_streaming`, `aborted_tools`, `api_error`, ...
    #[serde(default)]
    pub terminal_reason: Option<String>,
    /// The user messages this turn answered; older versions do not say.
    #[serde(default)]
    pub user_message_uuids: Option<Vec<String>>,
    /// Who started the turn, if it was not a user message.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// HTTP status of an API failure; absent when the API was not reached.
    #[serde(default)]
    pub api_error_status: Option<u16>,
    /// What this turn used.
    #[serde(default)]
    pub usage: Option<Usage>,
    /// What the conversation has cost so far, in US dollars.
    #[serde(default)]
    pub total_cost_usd: Option<f64>,
}

/// Who started a turn.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Origin {
    /// For example `task-notification`.
    #[serde(default)]
    pub kind: String,
}

impl TurnResult {
    /// Whether the turn was cut short from outside.
    pub fn aborted(&self) -> bool {
        self.terminal_reason
            .as_deref()
            .is_some_and(|reason| reason.starts_with("aborted"))
    }

    /// Whether this is the end of the turn that answers the message `uuid`.
    pub fn answers(&self, uuid: &str) -> bool {
        match &self.user_message_uuids {
            Some(uuids) if !uuids.is_empty() => uuids.iter().any(|seen| seen == uuid),
            _ => self.origin.is_none(),
        }
    }

    /// What kind of failure it reports, if any.
    pub fn kind(&self) -> Option<TurnFailure> {
        if !self.is_error {
            return None;
        }
        let text = self.failure();
        let told = text.strip_prefix("API Error: ");
        let api = told.is_some() || self.terminal_reason.as_deref() == Some("api_error");
        // Older versions have the status in the text alone.
        let in_text = told.and_then(|rest| rest.split(' ').next()?.parse().ok());
        Some(match self.api_error_status.or(in_text) {
            Some(401) => TurnFailure::LoggedOut,
            Some(429) => TurnFailure::RateLimited,
            Some(529) => TurnFailure::Overloaded,
            Some(_) => TurnFailure::Api,
            None if text.contains("/login") => TurnFailure::LoggedOut,
            None if api => TurnFailure::Unreachable,
            None => TurnFailure::Cli,
        })
    }

    /// What went wrong, for people.
    pub fn failure(&self) -> String {
        let said = self
            .result
            .as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty());
        let errors = self.errors.join("; ");
        match (errors.trim(), said) {
            ("", Some(text)) => clip(text),
            ("", None) => format!("the CLI reported {}", clip(&self.subtype)),
            (errors, _) => clip(errors),
        }
    }
}

fn clip(text: &str) -> String {
    const LONGEST: usize = 2_000;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
