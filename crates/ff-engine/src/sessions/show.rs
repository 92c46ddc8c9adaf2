//! `GET /api/workspaces/{workspace}/sessions/{session}?after=SEQ`: a session with its messages.
//! A very long history comes in parts: ask again with the last `seq`.

use axum::Json;
use axum::extract::State;
use ff_protocol::session::{JournalEntry, SessionDetail};
use serde::Deserialize;

use super::{Ids, known};
use crate::extract::{Path, Query};
use crate::{ApiError, Engine};

const PAGE: u64 = 200;
const MOST: usize = 10_000;

#[derive(Deserialize)]
pub(super) struct Params {
    #[serde(default)]
    after: u64,
}

pub(super) async fn show(
    State(engine): State<Engine>,
    Path((workspace, id)): Path<Ids>,
    Query(params): Query<Params>,
) -> Result<Json<SessionDetail>, ApiError> {
    let session = known(&engine, &workspace, &id).await?;
    let store = engine.core().store();
    let mut messages: Vec<JournalEntry> = Vec::new();
    while messages.len() < MOST {
        let after = messages.last().map_or(params.after, |entry| entry.seq);
        let page = store.entries(&workspace, Some(&id), after, PAGE).await?;
        if page.is_empty() {
            break;
        }
        messages.extend(page);
    }
    let unfinished = store.unfinished(&id).await?;
    Ok(Json(SessionDetail {
        session,
        messages,
        unfinished,
    }))
}
