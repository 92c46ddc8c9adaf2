//! What `ff chat` itself understands of what begins with a slash; the rest is the CLI's. Pure.

use ff_protocol::session::{Configure, PermissionMode, PermissionPreset};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The commands of `ff chat`, with what they do.
pub const COMMANDS: [(&str, &str); 9] = [
    ("/help", "this, and the commands of the Claude CLI"),
    ("/status", "the session, its model and permissions"),
    (
        "/model [NAME]",
        "take another model; without a name, list them",
    ),
    ("/mode MODE", "default, acceptEdits, plan or dontAsk"),
    ("/permissions PRESET", "strict, relaxed or yolo"),
    ("/thinking TOKENS", "most tokens to think with in a turn"),
    (
        "/resume",
        "let messages that wait go on after an interrupted turn",
    ),
    (
        "/stop",
        "end the session's process; the next message starts it again",
    ),
    ("/quit", "leave"),
];

/// A command of `ff chat`.
#[derive(Debug, Clone)]
pub enum Local {
    /// Lists commands.
    Help,
    /// Tells how the session stands.
    Status,
    /// Lists models.
    Models,
    /// Changes the session; the words say how.
    Configure(Configure, String),
    /// Lets held messages go on.
    Resume,
    /// Ends the process.
    Stop,
    /// Leaves.
    Quit,
    /// One of ours, but not like that; the words say why.
    Wrong(String),
}

/// The command a line means, unless it is a message or a command of the CLI.
pub fn parse(line: &str) -> Option<Local> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    Some(match word {
        "/help" => Local::Help,
        "/status" => Local::Status,
        "/model" if rest.is_empty() => Local::Models,
        "/model" => {
            let change = Configure {
                model: Some(rest.to_owned()),
                ..Configure::default()
            };
            Local::Configure(change, format!("model {rest}"))
        }
        "/mode" => choice(
            rest,
            "/mode takes default, acceptEdits, plan or dontAsk",
            |mode| Configure {
                permission_mode: Some::<PermissionMode>(mode),
                ..Configure::default()
            },
        ),
        "/permissions" => choice(
            &rest.to_uppercase(),
            "/permissions takes strict, relaxed or yolo",
            |preset| Configure {
                permissions: Some::<PermissionPreset>(preset),
                ..Configure::default()
            },
        ),
        "/thinking" => match rest.parse() {
            Ok(tokens) => {
                let change = Configure {
                    thinking_tokens: Some(tokens),
                    ..Configure::default()
                };
                Local::Configure(change, format!("at most {tokens} tokens to think with"))
            }
            Err(_) => Local::Wrong("/thinking takes a number of tokens".into()),
        },
        "/resume" => Local::Resume,
        "/stop" => Local::Stop,
        "/quit" | "/exit" => Local::Quit,
        _ => return None,
    })
}

/// A value by its name on the wire.
fn choice<T: DeserializeOwned>(
    name: &str,
    usage: &str,
    change: impl FnOnce(T) -> Configure,
) -> Local {
    match serde_json::from_value(Value::from(name)) {
        Ok(value) => Local::Configure(change(value), format!("now {name}")),
        Err(_) => Local::Wrong(usage.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(line: &str) -> Configure {
        match parse(line) {
            Some(Local::Configure(change, _)) => change,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn changes_are_understood_by_their_names() {
        assert_eq!(change("/model opus").model.as_deref(), Some("opus"));
        assert_eq!(
            change("/mode plan").permission_mode,
            Some(PermissionMode::Plan)
        );
        assert_eq!(
            change("/permissions strict").permissions,
            Some(PermissionPreset::Strict)
        );
        assert_eq!(change("/thinking 0").thinking_tokens, Some(0));
        assert!(matches!(parse("/model"), Some(Local::Models)));
        for wrong in [
            "/mode fast",
            "/mode",
            "/permissions maybe",
            "/thinking much",
        ] {
            assert!(matches!(parse(wrong), Some(Local::Wrong(_))), "{wrong}");
        }
    }

    #[test]
    fn the_rest_is_the_clis() {
        for line in [
            "/cost",
            "/compact now",
            "hello",
            "/modelling",
            "a /quit",
            "/",
        ] {
            assert!(parse(line).is_none(), "{line}");
        }
        assert!(matches!(parse(" /quit "), Some(Local::Quit)));
    }
}
