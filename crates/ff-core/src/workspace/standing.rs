//! Why each workspace here stands where it does on the board.

use std::collections::HashMap;

use ff_protocol::WorkspaceId;
use ff_protocol::derived::StatusReason;
use ff_protocol::session::UserRequest;
use ff_protocol::workspace::Workspace;

use crate::derive::{sessions, status};
use crate::error::Result;
use crate::store::Store;

/// The reason of each of these workspaces, from their records here.
///
/// # Errors
/// The records cannot be read.
pub async fn reasons(
    store: &Store,
    workspaces: &[Workspace],
) -> Result<HashMap<WorkspaceId, StatusReason>> {
    let mut of: HashMap<WorkspaceId, (Vec<_>, Vec<_>)> = HashMap::new();
    for session in store.open_sessions().await? {
        let workspace = session.workspace_id.clone();
        of.entry(workspace).or_default().0.push(session);
    }
    for request in store.open_requests().await? {
        let workspace = request.workspace.clone();
        let request = UserRequest::from(request);
        of.entry(workspace).or_default().1.push(request);
    }
    let reason = |workspace: &Workspace| {
        let (sessions, requests) = of.remove(&workspace.id).unwrap_or_default();
        let activity = sessions::activity(&sessions, &requests);
        let reason = status::reason(&status::Input::of(workspace, activity));
        (workspace.id.clone(), reason)
    };
    Ok(workspaces.iter().map(reason).collect())
}
