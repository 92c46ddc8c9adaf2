//! What a crash of the engine left behind in the records and in the process table.

use std::collections::BTreeSet;

use ff_protocol::session::{Activity, EntryKind, LastTurn, Session, SessionStatus, TurnOutcome};
use serde_json::json;

use super::driver::cut_entry;
use super::marked;
use super::turn::Finished;
use crate::clock;
use crate::error::Result;
use crate::store::Store;

const PAGE: u64 = 200;
const REASON: &str = "the engine ended while the turn ran";

/// Ends every session whose row still says that a process lives.
pub(super) async fn recover(store: &Store) -> Result<()> {
    for session in store.running_sessions().await? {
        // A CLI whose stdin closed finishes its turn first; two of them on one conversation
        // would fork it.
        marked::kill(&session.id).await;
        end(store, session).await?;
    }
    Ok(())
}

async fn end(store: &Store, mut session: Session) -> Result<()> {
    let (workspace, id) = (session.workspace_id.clone(), session.id.clone());
    tracing::warn!(session = %id, activity = ?session.activity, "the session outlived its engine");
    if session.activity == Activity::WaitingForUser {
        for request in open_requests(store, &session).await? {
            let entry = json!({ "requestId": request, "outcome": "orphaned" });
            store
                .append(&workspace, &id, EntryKind::Answer, entry)
                .await?;
        }
    }
    if session.activity != Activity::Idle {
        let (outcome, reason) = (TurnOutcome::Interrupted, Some(REASON.to_owned()));
        let finished = Finished {
            outcome,
            reason: reason.clone(),
            result: None,
        };
        store
            .append(&workspace, &id, EntryKind::TurnEnded, cut_entry(&finished))
            .await?;
        let ended_at = clock::now();
        session.last_turn = Some(LastTurn {
            outcome,
            reason,
            result: None,
            ended_at,
        });
    }
    session.status = SessionStatus::Idle;
    session.activity = Activity::Idle;
    session.updated_at = clock::now();
    let entry = json!({ "status": session.status, "error": null, "unsent": 0 });
    store
        .append(&workspace, &id, EntryKind::Status, entry)
        .await?;
    store.update_session(&session).await
}

async fn open_requests(store: &Store, session: &Session) -> Result<BTreeSet<String>> {
    let mut open = BTreeSet::new();
    let mut after = 0;
    loop {
        let page = store
            .entries(&session.workspace_id, Some(&session.id), after, PAGE)
            .await?;
        let Some(last) = page.last() else {
            return Ok(open);
        };
        after = last.seq;
        for entry in &page {
            let Some(request) = entry.payload["requestId"].as_str() else {
                continue;
            };
            match entry.kind {
                EntryKind::Request => drop(open.insert(request.to_owned())),
                EntryKind::Answer => drop(open.remove(request)),
                _ => {}
            }
        }
    }
}
