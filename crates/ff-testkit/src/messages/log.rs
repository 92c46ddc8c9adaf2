use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

/// How a request named its caller. The value itself is never kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// No credential.
    None,
    /// The `x-api-key` header.
    ApiKey,
    /// The `Authorization` header.
    Bearer,
}

/// One request the Messages API received.
#[derive(Clone, Debug)]
pub struct MessagesRequest {
    /// Counts from 1; the log keeps only the newest entries.
    pub number: u64,
    /// When it arrived in full.
    pub at: SystemTime,
    /// The HTTP method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The CLI's session id header.
    pub session: Option<String>,
    /// The kind of credential.
    pub credential: Credential,
    /// Whether the credential was the expected key.
    pub authorized: bool,
    /// The status answered.
    pub status: u16,
    /// The parsed JSON body, null when there is none.
    pub body: Arc<Value>,
}

impl MessagesRequest {
    /// Whether this asked the model for a message.
    pub fn is_message(&self) -> bool {
        self.method == "POST" && self.path.split('?').next() == Some("/v1/messages")
    }
}
