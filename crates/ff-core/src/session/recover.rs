//! What a crash of the engine left behind: in the records, in the process table, in transcripts.

use std::collections::HashSet;
use std::path::PathBuf;

use ff_protocol::session::{Activity, EntryKind, Session, SessionStatus, TurnOutcome};
use serde_json::json;

use super::delivery::{Fate, fate, missing};
use super::driver::Shared;
use super::ending::{self, Ended};
use super::permission::Requests;
use crate::clock;
use crate::error::Result;
use crate::processes::{mark, marked};
use crate::store::{Change, MessageRecord};

const PAGE: u64 = 200;

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
    let waiting = store
        .waiting_requests(&session.workspace_id, Some(&session.id))
        .await?;
    let carried = store.carried_answers(&session.id).await?;
    let mut requests = Requests::left(waiting, carried);
    let mut left = queue.len();
    let first = queue.first();
    let fate = match first.filter(|_| outlived) {
        Some(message) => lookup(shared, &session, message).await?,
        None if outlived && session.activity != Activity::Idle => Some(Fate::Begun(Vec::new())),
        None => None,
    };
    let ended = fate.map(|fate| Ended::found(fate, first.map(|it| it.uuid.clone())));
    if let Some(Ended { finished, .. }) = &ended {
        left -= usize::from(finished.prompt.is_some());
        session.held |= left > 0 && finished.outcome != TurnOutcome::Completed;
    }
    let mut write = ending::cli_gone(&mut session, &mut requests, ended);
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
