//! Who answers a permission request: we, by the session's preset, or the user.

use std::collections::{BTreeMap, VecDeque};

use ff_protocol::agent::CauseKind;
use ff_protocol::session::{Answer, PermissionPreset};
use ff_protocol::{ErrorCode, RequestId, Timestamp};
use serde_json::{Value, json};

use super::load::Asked;
use super::protocol::{Decision, ToolUse};
use crate::clock;
use crate::error::{Error, Result};

const QUESTION: &str = "AskUserQuestion";
const PLAN: &str = "ExitPlanMode";
const CLOSED_KEPT: usize = 256;

/// Whether the preset lets the tool run without asking the user.
pub(super) fn allowed_by(preset: PermissionPreset, tool: &ToolUse) -> bool {
    let for_people =
        tool.requires_user_interaction || tool.tool_name == QUESTION || tool.tool_name == PLAN;
    match preset {
        PermissionPreset::Strict => false,
        PermissionPreset::Relaxed | PermissionPreset::Yolo => !for_people,
    }
}

/// A request that waits for the user.
#[derive(Debug, Clone)]
pub(super) struct Open {
    /// The CLI's id of it.
    pub(super) cli_id: String,
    /// What it asks.
    pub(super) tool: ToolUse,
    /// Since when.
    pub(super) since: Timestamp,
}

/// The requests of one CLI process; each takes one answer.
#[derive(Debug, Default)]
pub(super) struct Requests {
    open: BTreeMap<RequestId, Open>,
    closed: VecDeque<RequestId>,
}

impl Requests {
    /// How many wait for the user.
    pub(super) fn open_count(&self) -> usize {
        self.open.len()
    }

    /// What waits for the user, for people.
    pub(super) fn asked(&self) -> Vec<Asked> {
        let asked = |open: &Open| {
            let (kind, what) = match open.tool.tool_name.as_str() {
                QUESTION => (CauseKind::Question, "a question".to_owned()),
                PLAN => (CauseKind::Permission, "a plan".to_owned()),
                tool => (CauseKind::Permission, format!("permission for {tool}")),
            };
            let since = open.since;
            Asked { kind, what, since }
        };
        self.open.values().map(asked).collect()
    }

    /// Puts a request to the user; gives its id and its journal entry.
    pub(super) fn open(&mut self, cli_id: String, tool: ToolUse) -> Value {
        let id = RequestId::generate();
        let kind = match tool.tool_name.as_str() {
            QUESTION => "question",
            PLAN => "plan",
            _ => "permission",
        };
        let entry = json!({
            "requestId": id,
            "kind": kind,
            "toolName": tool.tool_name,
            "toolUseId": tool.tool_use_id,
            "description": tool.description,
            "input": tool.input,
        });
        let since = clock::now();
        self.open.insert(
            id,
            Open {
                cli_id,
                tool,
                since,
            },
        );
        entry
    }

    /// Checks an answer against its request and closes it.
    ///
    /// # Errors
    /// `conflict` when the request is closed already, `not_found` when there never was one,
    /// `invalid` for an allowed question without answers.
    pub(super) fn answer(&mut self, answer: &Answer) -> Result<(String, Decision)> {
        let id = &answer.request_id;
        let Some(open) = self.open.get(id) else {
            return Err(self.not_open(id));
        };
        let decision = decide(open, answer)?;
        let cli_id = open.cli_id.clone();
        self.close(id);
        Ok((cli_id, decision))
    }

    /// The CLI took a request back; gives our id of it.
    pub(super) fn cancel(&mut self, cli_id: &str) -> Option<RequestId> {
        let id = self
            .open
            .iter()
            .find(|(_, open)| open.cli_id == cli_id)?
            .0
            .clone();
        self.close(&id);
        Some(id)
    }

    /// The process is gone: takes all requests that nobody answered.
    pub(super) fn orphan_all(&mut self) -> Vec<RequestId> {
        let ids: Vec<RequestId> = self.open.keys().cloned().collect();
        ids.iter().for_each(|id| self.close(id));
        ids
    }

    fn close(&mut self, id: &RequestId) {
        self.open.remove(id);
        if self.closed.len() == CLOSED_KEPT {
            self.closed.pop_front();
        }
        self.closed.push_back(id.clone());
    }

    fn not_open(&self, id: &RequestId) -> Error {
        if self.closed.contains(id) {
            return no_longer_open(id);
        }
        Error::refused(
            ErrorCode::NotFound,
            format!("there is no request {id} in this session"),
        )
    }
}

/// The refusal of a second answer.
pub(super) fn no_longer_open(id: &RequestId) -> Error {
    Error::refused(
        ErrorCode::Conflict,
        format!("request {id} is no longer open"),
    )
    .hint("a request takes one answer, and ends with the CLI that asked")
}

fn decide(open: &Open, answer: &Answer) -> Result<Decision> {
    if !answer.allow {
        let message = answer
            .message
            .clone()
            .filter(|text| !text.trim().is_empty());
        let message = message.unwrap_or_else(|| "The user refused.".to_owned());
        return Ok(Decision::Deny { message });
    }
    let mut input = open.tool.input.clone();
    if open.tool.tool_name == QUESTION {
        let answers = answer
            .answers
            .as_ref()
            .filter(|answers| !answers.is_empty());
        let Some(answers) = answers else {
            return Err(
                Error::refused(ErrorCode::Invalid, "a question needs `answers`")
                    .hint("give one label per question, or `allow: false`"),
            );
        };
        input["answers"] = json!(answers);
    }
    Ok(Decision::Allow { input })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str) -> ToolUse {
        ToolUse {
            tool_name: name.into(),
            input: json!({"questions": [{"question": "Which?"}]}),
            tool_use_id: None,
            description: None,
            requires_user_interaction: false,
        }
    }

    fn answer(entry: &Value, allow: bool) -> Answer {
        let request_id = serde_json::from_value(entry["requestId"].clone()).unwrap();
        Answer {
            request_id,
            allow,
            message: None,
            answers: None,
        }
    }

    #[test]
    fn presets_leave_people_their_questions() {
        use PermissionPreset::{Relaxed, Strict, Yolo};
        for (preset, name, allowed) in [
            (Strict, "Bash", false),
            (Relaxed, "Bash", true),
            (Yolo, "Write", true),
            (Relaxed, QUESTION, false),
            (Yolo, PLAN, false),
        ] {
            assert_eq!(
                allowed_by(preset, &tool(name)),
                allowed,
                "{preset:?} {name}"
            );
        }
        let asks = ToolUse {
            requires_user_interaction: true,
            ..tool("New")
        };
        assert!(!allowed_by(Yolo, &asks));
    }

    #[test]
    fn a_request_takes_one_answer() {
        let mut requests = Requests::default();
        let entry = requests.open("cli-1".into(), tool("Bash"));
        assert_eq!(
            (entry["kind"].as_str(), requests.open_count()),
            (Some("permission"), 1)
        );
        let (cli_id, decision) = requests.answer(&answer(&entry, false)).unwrap();
        assert_eq!(cli_id, "cli-1");
        assert_eq!(
            decision,
            Decision::Deny {
                message: "The user refused.".into()
            }
        );
        let second = requests.answer(&answer(&entry, true)).unwrap_err();
        assert_eq!(second.code(), ErrorCode::Conflict);
        let unknown = Answer {
            request_id: RequestId::generate(),
            ..answer(&entry, true)
        };
        assert_eq!(
            requests.answer(&unknown).unwrap_err().code(),
            ErrorCode::NotFound
        );
    }

    #[test]
    fn a_question_carries_its_answers_and_stays_open_without() {
        let mut requests = Requests::default();
        let entry = requests.open("cli-1".into(), tool(QUESTION));
        let mut given = answer(&entry, true);
        assert_eq!(
            requests.answer(&given).unwrap_err().code(),
            ErrorCode::Invalid
        );
        assert_eq!(requests.open_count(), 1);
        given.answers = Some(BTreeMap::from([("Which?".into(), "This".into())]));
        let (_, decision) = requests.answer(&given).unwrap();
        let Decision::Allow { input } = decision else {
            panic!("{decision:?}")
        };
        assert_eq!(input["answers"], json!({"Which?": "This"}));
        assert_eq!(input["questions"][0]["question"], "Which?");
    }

    #[test]
    fn cancelled_and_orphaned_requests_are_closed() {
        let mut requests = Requests::default();
        let first = requests.open("cli-1".into(), tool("Bash"));
        let second = requests.open("cli-2".into(), tool("Bash"));
        assert!(requests.cancel("cli-9").is_none());
        assert_eq!(json!(requests.cancel("cli-1").unwrap()), first["requestId"]);
        assert_eq!(json!(requests.orphan_all()), json!([second["requestId"]]));
        assert_eq!(requests.open_count(), 0);
        assert_eq!(
            requests.answer(&answer(&first, true)).unwrap_err().code(),
            ErrorCode::Conflict
        );
    }
}
