//! `GET /api/handoffs/{handoff}/events`.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use ff_protocol::HandoffId;
use ff_protocol::handoff::{Handoff, HandoffState};
use futures_util::{Stream, stream};

use crate::App;
use crate::http::{DevUser, Failure, Path};

/// How often the hand-off is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// Tells of a hand-off as it is, and again whenever it changes, until it has ended.
pub async fn events(
    State(app): State<App>,
    user: DevUser,
    Path(id): Path<HandoffId>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let first = app.handoffs.get(&id, user.0.as_ref()).await?;
    let state = (Some(first), None::<Handoff>);
    let told = stream::unfold(state, move |(first, last)| {
        let (app, id, user) = (app.clone(), id.clone(), user.0.clone());
        async move {
            let next = match first {
                Some(first) => first,
                None => changed(&app, &id, user.as_ref(), last?).await?,
            };
            let event = Event::default().event("handoff").json_data(&next).ok()?;
            Some((Ok(event), (None, Some(next))))
        }
    });
    Ok(Sse::new(told).keep_alive(KeepAlive::default()))
}

/// The hand-off, once it is another than it was; `None` when it cannot change any more, or the
/// server stops.
async fn changed(
    app: &App,
    id: &HandoffId,
    user: Option<&ff_protocol::UserId>,
    last: Handoff,
) -> Option<Handoff> {
    if matches!(last.state, HandoffState::Finalized | HandoffState::Aborted) {
        return None;
    }
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = app.lifecycle.soft.cancelled() => return None,
        }
        let now = app.handoffs.get(id, user).await.ok()?;
        if (now.state, now.progress) != (last.state, last.progress) {
            return Some(now);
        }
    }
}
