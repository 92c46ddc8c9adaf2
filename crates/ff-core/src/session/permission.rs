//! Who answers a permission request: we, by the session's preset, or the user.

use std::collections::BTreeMap;

use ff_protocol::agent::CauseKind;
use ff_protocol::session::{Answer, PermissionPreset, RequestKind, RequestState, Session};
use ff_protocol::{ErrorCode, RequestId};
use serde_json::{Value, json};

use super::load;
use super::protocol::{Decision, ToolUse};
use crate::clock;
use crate::error::{Error, Result};
use crate::store::{Asked, RequestRecord};

const QUESTION: &str = "AskUserQuestion";
const PLAN: &str = "ExitPlanMode";

/// Whether the preset lets the tool run without asking the user.
pub(super) fn allowed_by(preset: PermissionPreset, tool: &ToolUse) -> bool {
    let for_people =
        tool.requires_user_interaction || tool.tool_name == QUESTION || tool.tool_name == PLAN;
    match preset {
        PermissionPreset::Strict => false,
        PermissionPreset::Relaxed | PermissionPreset::Yolo => !for_people,
    }
}

/// The requests of a session that take an answer, and answers that came too late for the CLI which
/// asked.
///
/// ```text
///        asked            answered
///      --------> open -----------------> (the CLI gets it)
///                 |  ^
///     the CLI ends|  |the next CLI asks the same
///                 v  |
///              orphaned ---------------> carried --the next CLI asks the same--> (it gets it)
///                         answered          |
///                                           +--that turn ends without--> (dropped)
/// ```
#[derive(Debug, Default)]
pub(super) struct Requests {
    waiting: BTreeMap<RequestId, Waiting>,
    carried: Vec<RequestRecord>,
}

#[derive(Debug)]
struct Waiting {
    record: RequestRecord,
    /// The CLI's id of it, while that CLI lives.
    cli_id: Option<String>,
}

/// What a CLI's request comes to.
#[derive(Debug)]
pub(super) enum Put {
    /// It is put to the user.
    ToUser(RequestRecord),
    /// The user has answered the same before the CLI was started anew.
    Answered(RequestRecord, Decision),
}

/// What an answer comes to.
#[derive(Debug)]
pub(super) enum Taken {
    /// The CLI that asked gets it, under its own id.
    Now(RequestRecord, String, Decision),
    /// Its CLI is gone: it waits until the next one asks the same.
    Carried(RequestRecord),
}

impl Requests {
    /// Those that a session had when its last CLI ended.
    pub(super) fn left(waiting: Vec<RequestRecord>, carried: Vec<RequestRecord>) -> Self {
        let orphan = |record: RequestRecord| {
            let cli_id = None;
            (record.id.clone(), Waiting { record, cli_id })
        };
        Self {
            waiting: waiting.into_iter().map(orphan).collect(),
            carried,
        }
    }

    fn open(&self) -> impl Iterator<Item = &RequestRecord> {
        let open = self.waiting.values().filter(|it| it.cli_id.is_some());
        open.map(|waiting| &waiting.record)
    }

    /// How many a CLI waits for.
    pub(super) fn open_count(&self) -> usize {
        self.open().count()
    }

    /// What a CLI waits for, for people.
    pub(super) fn asked(&self) -> Vec<load::Asked> {
        let asked = |record: &RequestRecord| {
            let (kind, what) = match record.kind {
                RequestKind::Question => (CauseKind::Question, "a question".to_owned()),
                RequestKind::Plan => (CauseKind::Permission, "a plan".to_owned()),
                RequestKind::Permission => {
                    let tool = &record.asked.tool_name;
                    (CauseKind::Permission, format!("permission for {tool}"))
                }
            };
            let since = record.created_at;
            load::Asked { kind, what, since }
        };
        self.open().map(asked).collect()
    }

    /// Takes in a request of the CLI. One that an earlier CLI asked is taken up again.
    pub(super) fn put(&mut self, session: &Session, cli_id: String, tool: ToolUse) -> Put {
        let asked = Asked {
            tool_name: tool.tool_name,
            input: tool.input,
            tool_use_id: tool.tool_use_id,
            description: tool.description,
        };
        if let Some(at) = self.carried.iter().position(|it| same(&it.asked, &asked)) {
            let mut record = self.carried.remove(at);
            record.carried = false;
            if let Some(Ok(decision)) = record.answer.as_ref().map(|answer| decide(&record, answer))
            {
                return Put::Answered(record, decision);
            }
        }
        let known = self.waiting.values_mut();
        if let Some(known) = known
            .into_iter()
            .find(|it| it.cli_id.is_none() && same(&it.record.asked, &asked))
        {
            known.cli_id = Some(cli_id);
            known.record.state = RequestState::Open;
            return Put::ToUser(known.record.clone());
        }
        let kind = match asked.tool_name.as_str() {
            QUESTION => RequestKind::Question,
            PLAN => RequestKind::Plan,
            _ => RequestKind::Permission,
        };
        let record = RequestRecord {
            id: RequestId::generate(),
            workspace: session.workspace_id.clone(),
            session: session.id.clone(),
            kind,
            asked,
            state: RequestState::Open,
            answer: None,
            carried: false,
            created_at: clock::now(),
            answered_at: None,
        };
        let waiting = Waiting {
            record: record.clone(),
            cli_id: Some(cli_id),
        };
        self.waiting.insert(record.id.clone(), waiting);
        Put::ToUser(record)
    }

    /// Checks an answer against its request and closes it; `None` when no such request waits.
    ///
    /// # Errors
    /// `invalid` for an allowed question without answers.
    pub(super) fn answer(&mut self, answer: &Answer) -> Result<Option<Taken>> {
        let Some(waiting) = self.waiting.get(&answer.request_id) else {
            return Ok(None);
        };
        let decision = decide(&waiting.record, answer)?;
        let Some(Waiting { mut record, cli_id }) = self.waiting.remove(&answer.request_id) else {
            return Ok(None);
        };
        record.state = RequestState::Answered;
        record.answer = Some(answer.clone());
        record.answered_at = Some(clock::now());
        Ok(Some(match cli_id {
            Some(cli_id) => Taken::Now(record, cli_id, decision),
            None => {
                record.carried = true;
                self.carried.push(record.clone());
                Taken::Carried(record)
            }
        }))
    }

    /// The CLI took a request back.
    pub(super) fn cancel(&mut self, cli_id: &str) -> Option<RequestRecord> {
        let of_cli = |it: &&Waiting| it.cli_id.as_deref() == Some(cli_id);
        let id = self.waiting.values().find(of_cli)?.record.id.clone();
        let mut record = self.waiting.remove(&id)?.record;
        record.state = RequestState::Cancelled;
        Some(record)
    }

    /// The CLI is gone: gives the requests it had open, which wait for the next one.
    pub(super) fn orphan_all(&mut self) -> Vec<RequestRecord> {
        let mut orphaned = Vec::new();
        for waiting in self.waiting.values_mut() {
            waiting.cli_id = None;
            if waiting.record.state == RequestState::Open {
                waiting.record.state = RequestState::Orphaned;
                orphaned.push(waiting.record.clone());
            }
        }
        orphaned
    }

    /// A turn has completed: what earlier CLIs had asked and it did not ask again is moot. Gives
    /// the requests nobody needs to answer any more, and the answers nobody will ask for.
    pub(super) fn settle(&mut self) -> (Vec<RequestRecord>, Vec<RequestRecord>) {
        let moot = |waiting: &Waiting| waiting.cli_id.is_none();
        let gone: Vec<_> = self.waiting.extract_if(.., |_, it| moot(it)).collect();
        let cancelled = gone.into_iter().map(|(_, mut it)| {
            it.record.state = RequestState::Cancelled;
            it.record
        });
        let cancelled = cancelled.collect();
        let mut dropped = std::mem::take(&mut self.carried);
        dropped.iter_mut().for_each(|record| record.carried = false);
        (cancelled, dropped)
    }
}

/// Whether two CLIs asked for the same.
fn same(one: &Asked, other: &Asked) -> bool {
    one.tool_name == other.tool_name && one.input == other.input
}

/// The journal's entry for a request.
pub(super) fn request_entry(record: &RequestRecord) -> Value {
    json!({
        "requestId": record.id,
        "kind": record.kind,
        "toolName": record.asked.tool_name,
        "toolUseId": record.asked.tool_use_id,
        "description": record.asked.description,
        "input": record.asked.input,
    })
}

/// The journal's entry for the end of a request, or of the CLI that asked.
pub(super) fn answer_entry(record: &RequestRecord) -> Value {
    let answer = record.answer.as_ref();
    let outcome = match (record.state, answer) {
        (RequestState::Answered, Some(Answer { allow: true, .. })) => "allowed",
        (RequestState::Answered, _) => "denied",
        (RequestState::Orphaned | RequestState::Open, _) => "orphaned",
        (RequestState::Cancelled, _) => "cancelled",
    };
    json!({
        "requestId": record.id,
        "outcome": outcome,
        "message": answer.and_then(|answer| answer.message.as_ref()),
        "answers": answer.and_then(|answer| answer.answers.as_ref()),
        "by": answer.and_then(|answer| answer.by.as_ref()),
    })
}

/// The refusal of an answer to a request that takes none any more.
pub(super) fn no_longer_open(record: &RequestRecord) -> Error {
    let id = &record.id;
    let Some(answer) = &record.answer else {
        return Error::refused(
            ErrorCode::Conflict,
            format!("request {id} is no longer open: the CLI went on without an answer"),
        );
    };
    let who = answer.by.as_deref().unwrap_or("another client");
    let how = if answer.allow { "allowed" } else { "refused" };
    let when = record
        .answered_at
        .map(|at| format!(" at {}", at.format("%F %T UTC")));
    let detail = format!(
        "request {id} was {how} by {who}{}",
        when.unwrap_or_default()
    );
    Error::refused(ErrorCode::Conflict, detail).hint("a request takes one answer")
}

fn decide(record: &RequestRecord, answer: &Answer) -> Result<Decision> {
    if !answer.allow {
        let message = answer
            .message
            .clone()
            .filter(|text| !text.trim().is_empty());
        let message = message.unwrap_or_else(|| "The user refused.".to_owned());
        return Ok(Decision::Deny { message });
    }
    let mut input = record.asked.input.clone();
    if record.kind == RequestKind::Question {
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
        let asked = record.asked.input["questions"].as_array();
        let asked: Vec<_> = asked
            .into_iter()
            .flatten()
            .filter_map(|question| question["question"].as_str())
            .collect();
        if let Some(unknown) = answers.keys().find(|key| !asked.contains(&key.as_str())) {
            let detail = format!("`{unknown}` was not asked");
            let hint = format!("name the question as it was asked: {}", asked.join(" | "));
            return Err(Error::refused(ErrorCode::Invalid, detail).hint(hint));
        }
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

    fn answer(record: &RequestRecord, allow: bool) -> Answer {
        Answer {
            request_id: record.id.clone(),
            allow,
            message: None,
            answers: None,
            id: None,
            by: Some("somebody".into()),
        }
    }

    fn to_user(requests: &mut Requests, cli_id: &str, name: &str) -> RequestRecord {
        let session = crate::session::tests::world::session();
        match requests.put(&session, cli_id.into(), tool(name)) {
            Put::ToUser(record) => record,
            Put::Answered(..) => panic!("answered"),
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
        let record = to_user(&mut requests, "cli-1", "Bash");
        assert_eq!(
            (record.kind, requests.open_count()),
            (RequestKind::Permission, 1)
        );
        let taken = requests.answer(&answer(&record, false)).unwrap().unwrap();
        let Taken::Now(record, cli_id, decision) = taken else {
            panic!("{taken:?}")
        };
        assert_eq!(cli_id, "cli-1");
        let message = "The user refused.".into();
        assert_eq!(decision, Decision::Deny { message });
        assert!(requests.answer(&answer(&record, true)).unwrap().is_none());
        let refusal = no_longer_open(&record).to_string();
        assert!(refusal.contains("refused by somebody at 20"), "{refusal}");
    }

    #[test]
    fn a_question_carries_its_answers_and_stays_open_without() {
        let mut requests = Requests::default();
        let record = to_user(&mut requests, "cli-1", QUESTION);
        let mut given = answer(&record, true);
        assert_eq!(
            requests.answer(&given).unwrap_err().code(),
            ErrorCode::Invalid
        );
        assert_eq!(requests.open_count(), 1);
        given.answers = Some(BTreeMap::from([("Which?".into(), "This".into())]));
        let taken = requests.answer(&given).unwrap().unwrap();
        let Taken::Now(_, _, Decision::Allow { input }) = taken else {
            panic!("{taken:?}")
        };
        assert_eq!(input["answers"], json!({"Which?": "This"}));
        assert_eq!(input["questions"][0]["question"], "Which?");
    }

    #[test]
    fn a_request_outlives_its_cli_and_is_taken_up_by_the_next() {
        let mut requests = Requests::default();
        let first = to_user(&mut requests, "cli-1", "Bash");
        let second = to_user(&mut requests, "cli-2", "Write");
        assert!(requests.cancel("cli-9").is_none());
        assert_eq!(requests.cancel("cli-1").unwrap().id, first.id);
        let orphaned = requests.orphan_all();
        assert_eq!((orphaned.len(), &orphaned[0].id), (1, &second.id));
        assert_eq!(answer_entry(&orphaned[0])["outcome"], "orphaned");
        assert_eq!(requests.open_count(), 0);
        let again = to_user(&mut requests, "cli-3", "Write");
        assert_eq!((again.id, requests.open_count()), (second.id, 1));
    }

    #[test]
    fn a_late_answer_counts_for_the_same_request_only() {
        let mut requests = Requests::default();
        let record = to_user(&mut requests, "cli-1", "Write");
        requests.orphan_all();
        let taken = requests.answer(&answer(&record, true)).unwrap().unwrap();
        let Taken::Carried(carried) = taken else {
            panic!("{taken:?}")
        };
        assert!(carried.carried);
        let other = to_user(&mut requests, "cli-2", "Bash");
        assert_ne!(other.id, record.id);
        let session = crate::session::tests::world::session();
        let put = requests.put(&session, "cli-3".into(), tool("Write"));
        assert!(
            matches!(put, Put::Answered(it, Decision::Allow { .. }) if it.id == record.id && !it.carried)
        );
        // It counts once.
        assert_ne!(to_user(&mut requests, "cli-4", "Write").id, record.id);
    }

    #[test]
    fn what_a_completed_turn_did_not_ask_again_is_moot() {
        let mut requests = Requests::default();
        let (old, answered) = (
            to_user(&mut requests, "cli-1", "Write"),
            to_user(&mut requests, "cli-2", "Bash"),
        );
        requests.orphan_all();
        requests.answer(&answer(&answered, true)).unwrap();
        let open = to_user(&mut requests, "cli-3", "Edit");
        let (cancelled, dropped) = requests.settle();
        assert_eq!((cancelled.len(), &cancelled[0].id), (1, &old.id));
        assert_eq!(
            (dropped.len(), &dropped[0].id, dropped[0].carried),
            (1, &answered.id, false)
        );
        assert_eq!(requests.open().next().unwrap().id, open.id);
    }
}
