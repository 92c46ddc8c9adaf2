//! Who answers a permission request: we, by the session's preset, or the user.

use std::collections::BTreeMap;

use ff_protocol::RequestId;
use ff_protocol::agent::CauseKind;
use ff_protocol::session::{Answer, PermissionPreset, RequestKind, RequestState, Session};
use serde_json::{Value, json};

use super::decision::decide;
use super::load;
use super::protocol::{Decision, ToolUse};
use crate::clock;
use crate::error::Result;
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
        let orphaned = |it: &Waiting| it.record.state == RequestState::Orphaned;
        let moot = |it: &Waiting| it.cli_id.is_none() && orphaned(it);
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
        "other": answer.and_then(|answer| answer.other.as_ref()),
        "by": answer.and_then(|answer| answer.by.as_ref()),
    })
}

#[cfg(test)]
#[path = "permission_tests.rs"]
mod tests;
