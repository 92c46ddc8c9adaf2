//! Errors on the wire: `application/problem+json` (RFC 9457) with a stable `code`.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal;)*) => {
        /// Stable error codes. A client may act on them; the text beside them is for people.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl ErrorCode {
            /// The code as it stands on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status that goes with the code.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Every code, for documentation and tests.
            pub const ALL: &'static [ErrorCode] = &[$(Self::$name,)*];
        }
    };
}

codes! {
    /// The body is not JSON, or an id breaks the rule for ids.
    BadRequest = "bad_request", 400;
    /// The JSON is well-formed but a field is missing or out of range.
    Invalid = "invalid", 422;
    /// No valid credentials.
    Unauthorized = "unauthorized", 401;
    /// The `Host` or `Origin` is not one this server answers to.
    ForeignOrigin = "foreign_origin", 403;
    /// No such object, or not the caller's.
    NotFound = "not_found", 404;
    /// The method is not allowed on this path.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The state of the object forbids it.
    Conflict = "conflict", 409;
    /// The user cannot be told from the request alone.
    AmbiguousUser = "ambiguous_user", 409;
    /// The workspace is owned by the other side.
    NotOwner = "not_owner", 409;
    /// Two sides say that they own the workspace, and a person has to decide.
    Contested = "contested", 409;
    /// Another hand-off of this workspace is under way.
    HandoffActive = "handoff_active", 409;
    /// A session's turn is running, so the workspace cannot move.
    TurnActive = "turn_active", 409;
    /// A session of the ratchet works on the workspace, so it cannot move.
    RatchetActive = "ratchet_active", 409;
    /// Another git holds the lock on the index of the worktree.
    GitIndexLocked = "git_index_locked", 409;
    /// The VM has to log in to the git host first.
    LoginRequired = "login_required", 409;
    /// The remote has no such branch.
    BranchMissing = "branch_missing", 409;
    /// The remote repository could not be reached or read.
    CloneFailed = "clone_failed", 409;
    /// What arrived is not what was sent.
    Corrupted = "corrupted", 422;
    /// The body is larger than the limit.
    TooLarge = "too_large", 413;
    /// The VM is asleep and this call does not wake it.
    Suspended = "suspended", 409;
    /// Something works in the VM, so it cannot sleep now.
    Busy = "busy", 409;
    /// The VM is about to sleep and executes nothing; the server resumes it first.
    Quiesced = "quiesced", 409;
    /// The VM holds workspaces that exist nowhere else.
    OwnsWorkspaces = "owns_workspaces", 409;
    /// The VM has ended or is ending.
    Gone = "gone", 410;
    /// A limit on count has been reached.
    LimitReached = "limit_reached", 429;
    /// The Claude CLI is not there or does not start.
    CliUnavailable = "cli_unavailable", 409;
    /// GitHub's command line tool is not there or does not start.
    GhUnavailable = "gh_unavailable", 409;
    /// GitHub takes no more requests until its limit begins anew.
    RateLimited = "rate_limited", 429;
    /// GitHub said something that nothing was expected of.
    GithubFailed = "github_failed", 502;
    /// GitHub cannot be reached, or does not work.
    GithubUnavailable = "github_unavailable", 503;
    /// The container engine does not answer.
    ComputeUnavailable = "compute_unavailable", 503;
    /// The agent in the VM does not answer.
    AgentUnavailable = "agent_unavailable", 503;
    /// The server is stopping.
    ShuttingDown = "shutting_down", 503;
    /// It took longer than its deadline.
    Timeout = "timeout", 504;
    /// A fault of ours; the log has the details under the request id.
    Internal = "internal", 500;
}

/// The body of every error answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// HTTP status, repeated in the body.
    pub status: u16,
    /// Stable code.
    pub code: ErrorCode,
    /// What happened, for people; holds no secret.
    pub detail: String,
    /// What to do about it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Id of the request, to be found in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// Media type of the body.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// A problem with the status that belongs to its code.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            status: code.status(),
            code,
            detail: detail.into(),
            hint: None,
            request_id: None,
        }
    }

    /// The same problem with a hint at what to do.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_on_the_wire_is_its_text() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!((400..600).contains(&code.status()));
        }
    }
}
