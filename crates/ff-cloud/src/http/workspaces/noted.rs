//! What the engine says of a workspace itself, noted in the mirror on its way by.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use ff_protocol::pull_request::PullRequestStatus;
use ff_protocol::workspace::{InitReport, Workspace};
use ff_protocol::{UserId, WorkspaceId};

use crate::http::DevUser;
use crate::http::forward::to_agent;
use crate::services::workspace::{Purpose, Route};
use crate::{App, Error, Result};

/// Largest answer that is looked into, in bytes.
const LARGEST: usize = 4 << 20;

/// What an answer holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Said {
    /// A workspace.
    Workspace,
    /// How its making stands.
    Init,
    /// How its pull request stands.
    PullRequest,
}

/// Forwards a request to the VM that holds a workspace, and notes what it answers.
///
/// # Errors
/// What finding and waking the VM may answer; the database fails.
pub(super) async fn pass(
    app: &App,
    user: &DevUser,
    id: &WorkspaceId,
    purpose: Purpose,
    request: Request,
    said: Said,
) -> Result<Response> {
    let way = app.workspaces.routed(id, user.0.as_ref(), purpose);
    let (user, route) = way.await?;
    let answer = to_agent(app, route.clone(), request).await?;
    noted(app, &user, &route, answer, said).await
}

/// The answer, once the mirror has what it says.
pub(super) async fn noted(
    app: &App,
    user: &UserId,
    route: &Route,
    answer: Response,
    said: Said,
) -> Result<Response> {
    if !answer.status().is_success() {
        return Ok(answer);
    }
    let (parts, body) = answer.into_parts();
    let bytes = axum::body::to_bytes(body, LARGEST)
        .await
        .map_err(|error| Error::Bug(format!("an answer of an agent was cut: {error}")))?;
    note(app, user, route, &bytes, said).await?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// Whatever else the answer is, it is not for the mirror.
async fn note(app: &App, user: &UserId, route: &Route, answer: &[u8], said: Said) -> Result<()> {
    let workspaces = &app.workspaces;
    let now = match said {
        Said::Workspace => serde_json::from_slice::<Workspace>(answer).ok(),
        Said::Init => {
            let report = serde_json::from_slice::<InitReport>(answer).ok();
            report.map(|report| report.workspace)
        }
        Said::PullRequest => {
            return match serde_json::from_slice::<PullRequestStatus>(answer) {
                Ok(now) => workspaces.note_pull_request(user, &now).await,
                Err(_) => Ok(()),
            };
        }
    };
    match now {
        Some(now) => workspaces.note(user, route, &now).await,
        None => Ok(()),
    }
}
