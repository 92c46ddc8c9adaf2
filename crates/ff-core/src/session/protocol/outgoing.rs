//! What we say to the CLI. Every value becomes one line of its stdin.

use ff_protocol::session::PermissionMode;
use serde_json::{Value, json};

/// A message of the user. The CLI drops a uuid it has seen before, so a message never reaches
/// the model twice.
pub fn user_message(uuid: &str, text: &str) -> Value {
    json!({ "type": "user", "message": { "role": "user", "content": text }, "uuid": uuid })
}

/// Asks whether the CLI is ready.
pub fn initialize(request_id: &str) -> Value {
    control(request_id, json!({ "subtype": "initialize" }))
}

/// Asks the CLI to end its turn.
pub fn interrupt(request_id: &str) -> Value {
    control(request_id, json!({ "subtype": "interrupt" }))
}

/// Asks for another model; any name is taken, the API may refuse it later.
pub fn set_model(request_id: &str, model: &str) -> Value {
    control(
        request_id,
        json!({ "subtype": "set_model", "model": model }),
    )
}

/// Asks for another permission mode.
pub fn set_permission_mode(request_id: &str, mode: PermissionMode) -> Value {
    control(
        request_id,
        json!({ "subtype": "set_permission_mode", "mode": mode }),
    )
}

/// Limits the model's thinking; 0 for none.
pub fn set_thinking_tokens(request_id: &str, tokens: u32) -> Value {
    let request = json!({ "subtype": "set_max_thinking_tokens", "max_thinking_tokens": tokens });
    control(request_id, request)
}

fn control(request_id: &str, request: Value) -> Value {
    json!({ "type": "control_request", "request_id": request_id, "request": request })
}

/// An answer to `can_use_tool`.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The tool runs with this input.
    Allow {
        /// The input asked for, or one with the user's answers in it.
        input: Value,
    },
    /// The tool does not run and the turn goes on.
    Deny {
        /// The reason, which reaches the model.
        message: String,
    },
}

/// Answers `can_use_tool`.
pub fn decision(request_id: &str, decision: &Decision) -> Value {
    let response = match decision {
        Decision::Allow { input } => json!({ "behavior": "allow", "updatedInput": input }),
        Decision::Deny { message } => json!({ "behavior": "deny", "message": message }),
    };
    json!({
        "type": "control_response",
        "response": { "subtype": "success", "request_id": request_id, "response": response },
    })
}

/// Answers a request we do not serve; without an answer the CLI would wait.
pub fn unsupported_request(request_id: &str) -> Value {
    json!({
        "type": "control_response",
        "response": {
            "subtype": "error",
            "request_id": request_id,
            "error": "this host does not support the request",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line() {
        let line = user_message("u-1", "two\nlines \u{2028} \"quoted\"").to_string();
        assert!(!line.contains('\n'));
        let back: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(back["message"]["content"], "two\nlines \u{2028} \"quoted\"");
    }

    #[test]
    fn decisions_have_the_shape_the_cli_reads() {
        let allow = decision(
            "r",
            &Decision::Allow {
                input: json!({"command": "ls"}),
            },
        );
        assert_eq!(
            allow["response"]["response"],
            json!({"behavior": "allow", "updatedInput": {"command": "ls"}})
        );
        let deny = decision(
            "r",
            &Decision::Deny {
                message: "no".into(),
            },
        );
        assert_eq!(deny["response"]["request_id"], "r");
        assert_eq!(
            deny["response"]["response"],
            json!({"behavior": "deny", "message": "no"})
        );
    }
}
