//! `POST /api/workspaces/{workspace}/sessions/{session}/interrupt`: ends the turn that runs;
//! answered when it has ended. The body may be absent.

use axum::Json;
use axum::extract::State;
use ff_protocol::session::{Interrupt, Session};

use super::Ids;
use crate::extract::{MaybeJson, Path};
use crate::{ApiError, Engine};

pub(super) async fn interrupt(
    State(engine): State<Engine>,
    Path((workspace, session)): Path<Ids>,
    MaybeJson(Interrupt { id }): MaybeJson<Interrupt>,
) -> Result<Json<Session>, ApiError> {
    let sessions = engine.core().sessions();
    let interrupted = sessions.interrupt(&workspace, &session, id.as_ref());
    Ok(Json(interrupted.await?))
}
