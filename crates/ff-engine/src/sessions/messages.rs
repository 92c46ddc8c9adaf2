//! `GET /api/workspaces/{workspace}/sessions/{session}/messages?after=SEQ&limit=N`: a page of the
//! session's entries; `next` is the `after` of the following one.

use axum::Json;
use axum::extract::State;
use ff_protocol::session::JournalEntry;
use ff_protocol::{ErrorCode, Page};
use serde::Deserialize;

use super::{Ids, known};
use crate::extract::{Path, Query};
use crate::pages::within;
use crate::{ApiError, Engine};

const USUAL: u64 = 100;
const MOST: u64 = 200;
/// A page ends here, but has one entry at least.
const BYTES: usize = 4 << 20;

#[derive(Deserialize)]
pub(super) struct Params {
    #[serde(default)]
    after: u64,
    #[serde(default = "usual")]
    limit: u64,
}

fn usual() -> u64 {
    USUAL
}

pub(super) async fn messages(
    State(engine): State<Engine>,
    Path((workspace, id)): Path<Ids>,
    Query(Params { after, limit }): Query<Params>,
) -> Result<Json<Page<JournalEntry>>, ApiError> {
    if !(1..=MOST).contains(&limit) {
        let detail = format!("`limit` is 1 to {MOST}");
        return Err(ApiError::new(ErrorCode::Invalid, detail));
    }
    known(&engine, &workspace, &id).await?;
    let store = engine.core().store();
    let found = store.entries(&workspace, Some(&id), after, limit + 1);
    let mut found = found.await?;
    let beyond = found.len() as u64 > limit;
    if beyond {
        found.pop();
    }
    let (mut items, mut rest) = within(BYTES, found);
    if items.is_empty() && !rest.is_empty() {
        items.push(rest.remove(0));
    }
    let more = beyond || !rest.is_empty();
    let last = items.last().filter(|_| more);
    let next = last.map(|entry| entry.seq.to_string());
    Ok(Json(Page { items, next }))
}
