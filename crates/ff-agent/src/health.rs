//! The health report, once and as a stream.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use ff_engine::ApiError;
use ff_protocol::ErrorCode;
use ff_protocol::agent::Health;
use futures_util::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::activity::Activity;

/// Streams of reports at a time: one for each server that might look, and some for reconnects.
const STREAMS: usize = 4;
/// A report at least this often.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// Two reports are at least this far apart.
const APART: Duration = Duration::from_millis(200);

/// What the reports are made from. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Vitals {
    activity: Activity,
    streams: Arc<Semaphore>,
    stopping: CancellationToken,
}

impl Vitals {
    pub(crate) fn new(activity: Activity, stopping: CancellationToken) -> Self {
        Self {
            activity,
            streams: Arc::new(Semaphore::new(STREAMS)),
            stopping,
        }
    }
}

pub(crate) async fn health(State(vitals): State<Vitals>) -> Result<Json<Health>, ApiError> {
    Ok(Json(vitals.activity.look().await?))
}

/// `GET /agent/reports`: one report a line.
pub(crate) async fn reports(State(vitals): State<Vitals>) -> Result<Response, ApiError> {
    let Ok(slot) = Arc::clone(&vitals.streams).try_acquire_owned() else {
        let detail = format!("{STREAMS} streams of reports are open");
        return Err(ApiError::new(ErrorCode::LimitReached, detail));
    };
    // So that the first line is of now.
    vitals.activity.look().await?;
    let stream = Reports {
        source: vitals.activity.reports(),
        stopping: vitals.stopping,
        sent: None,
        _slot: slot,
    };
    let kind = [(CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(stream.lines())).into_response())
}

/// One stream. A reader that is slow gets the newest report when it comes for it.
struct Reports {
    source: watch::Receiver<Health>,
    stopping: CancellationToken,
    sent: Option<Instant>,
    _slot: OwnedSemaphorePermit,
}

impl Reports {
    fn lines(self) -> impl Stream<Item = serde_json::Result<String>> {
        futures_util::stream::unfold(self, async |mut reports| {
            reports.due().await.then_some(())?;
            let health = reports.source.borrow_and_update().clone();
            reports.sent = Some(Instant::now());
            let line = serde_json::to_string(&health).map(|line| line + "\n");
            Some((line, reports))
        })
    }

    /// Waits for the next report's time; `false` when none comes any more.
    async fn due(&mut self) -> bool {
        let Some(sent) = self.sent else { return true };
        let next = async {
            tokio::time::sleep_until(sent + APART).await;
            let changed = tokio::time::timeout_at(sent + SIGN_OF_LIFE, self.source.changed());
            !matches!(changed.await, Ok(Err(_)))
        };
        tokio::select! {
            () = self.stopping.cancelled() => false,
            goes_on = next => goes_on,
        }
    }
}
