//! What a crash of the engine left behind: in the records, in the process table, in transcripts.

use std::collections::HashSet;
use std::path::PathBuf;

use ff_protocol::session::{
    Activity, EntryKind, LastTurn, RequestState, Session, SessionStatus, TurnOutcome,
};
use serde_json::{Value, json};

use super::delivery::{Fate, fate, missing};
use super::driver::{Shared, cut_entry};
use super::permission::answer_entry;
use super::turn::Finished;

use crate::clock;
use crate::error::Result;
use crate::processes::{mark, marked};
use crate::store::{Change, MessageRecord, MessageState, Write};

const PAGE: u64 = 200;
const CUT: &str = "the engine ended while the turn ran";
const RECOVERED: &str =
    "the turn ended before its result could be entered; taken from the CLI's transcript";

/// Ends what outlived its engine and settles what was under way.
pub(super) async fn recover(shared: &Shared) -> Result<()> {
    let mut ids: Vec<_> = shared.store.sessions_with_queue().await?;
    let running = shared.store.running_sessions().await?;
    ids.extend(running.into_iter().map(|session| session.id));
    ids.sort();
    ids.dedup();
    for id in ids {
        if let Some(process) = shared.store.process(&id).await? {
            mark::kill_group(&process);
        }
        // A CLI whose stdin closed finishes its turn first; two of them on one conversation
        // would fork it. Tools leave its group, so its mark is looked for, too.
        marked::kill(marked::SESSION, id.as_str()).await;
        if let Some(session) = shared.store.session_anywhere(&id).await? {
            settle(shared, session).await?;
        }
    }
    Ok(())
}

/// Settles one session, in one write.
async fn settle(shared: &Shared, mut session: Session) -> Result<()> {
    let store = &shared.store;
    let queue = store.queued(&session.id).await?;
    let outlived = session.status == SessionStatus::Running;
    if outlived {
        tracing::warn!(session = %session.id, activity = ?session.activity, "the session outlived its engine");
    }
    let mut write = Write::default();
    let workspace = &session.workspace_id;
    for mut record in store.waiting_requests(workspace, Some(&session.id)).await? {
        if record.state == RequestState::Open {
            record.state = RequestState::Orphaned;
            write = write
                .and_entry(&session, EntryKind::Answer, answer_entry(&record))
                .and(Change::Request(Box::new(record)));
        }
    }
    let mut left = queue.len();
    let found = match queue.first().filter(|_| outlived) {
        Some(message) => lookup(shared, &session, message).await?,
        None if outlived && session.activity != Activity::Idle => Some(Fate::Begun(Vec::new())),
        None => None,
    };
    if let Some(found) = found {
        let (entries, end, finished) = end(found);
        for line in entries {
            write = write.and_entry(&session, EntryKind::ClaudeMessage, line);
        }
        write = write.and_entry(&session, EntryKind::TurnEnded, end);
        if let Some(message) = queue.first() {
            left -= 1;
            let state = match finished.outcome {
                TurnOutcome::Completed => MessageState::Done,
                _ => MessageState::Interrupted,
            };
            let uuid = message.uuid.clone();
            write = write.and(Change::Message { uuid, state });
        }
        session.held |= left > 0 && finished.outcome != TurnOutcome::Completed;
        session.last_turn = Some(LastTurn {
            outcome: finished.outcome,
            reason: finished.reason,
            failure: None,
            result: finished.result,
            usage: None,
            cost_usd: None,
            ended_at: clock::now(),
        });
    }
    session.queued = u32::try_from(left).unwrap_or(u32::MAX);
    session.activity = Activity::Idle;
    session.updated_at = clock::now();
    if outlived {
        session.status = SessionStatus::Idle;
        let entry = json!({ "status": session.status, "error": null, "unsent": 0 });
        write = write.and_entry(&session, EntryKind::Status, entry);
    }
    let write = write.and(Change::Process(session.id.clone(), None));
    store.write(write.and_session(&session)).await.map(drop)
}

/// What became of the first message: `None` when no CLI ever had it.
pub(super) async fn lookup(
    shared: &Shared,
    session: &Session,
    message: &MessageRecord,
) -> Result<Option<Fate>> {
    let store = &shared.store;
    let mut known = HashSet::new();
    let mut after = message.seq;
    loop {
        let page = store
            .entries(&session.workspace_id, Some(&session.id), after, PAGE)
            .await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        let lines = page.iter().filter(|it| it.kind == EntryKind::ClaudeMessage);
        known.extend(lines.filter_map(|it| it.payload["uuid"].as_str().map(str::to_owned)));
    }
    let workspace = store.known_workspace(&session.workspace_id).await?;
    let cwd = PathBuf::from(workspace.worktree_path.unwrap_or_default());
    let home = shared.config.home.clone();
    let (conversation, uuid) = (session.provider_session_id.clone(), message.uuid.clone());
    let looked = tokio::task::spawn_blocking(move || fate(&home, &cwd, &conversation, &uuid)).await;
    Ok(match looked {
        Ok(Fate::Absent) if known.is_empty() => None,
        // The model has answered, so it had the message whatever the transcript says.
        Ok(Fate::Absent) | Err(_) => Some(Fate::Begun(Vec::new())),
        Ok(Fate::Begun(lines)) => Some(Fate::Begun(missing(lines, &known))),
        Ok(Fate::Finished(lines, text)) => Some(Fate::Finished(missing(lines, &known), text)),
    })
}

/// Lines to take over, the entry that ends the turn, and how it ended.
pub(super) fn end(fate: Fate) -> (Vec<Value>, Value, Finished) {
    match fate {
        Fate::Finished(lines, text) => {
            let entry = json!({
                "type": "result", "subtype": "success", "is_error": false,
                "result": text, "recovered": true,
            });
            let finished = Finished {
                reason: Some(RECOVERED.to_owned()),
                result: Some(text),
                ..Finished::of(TurnOutcome::Completed)
            };
            (lines, entry, finished)
        }
        Fate::Begun(lines) => (lines, cut_entry(&cut()), cut()),
        Fate::Absent => (Vec::new(), cut_entry(&cut()), cut()),
    }
}

fn cut() -> Finished {
    Finished {
        reason: Some(CUT.to_owned()),
        ..Finished::of(TurnOutcome::Interrupted)
    }
}
