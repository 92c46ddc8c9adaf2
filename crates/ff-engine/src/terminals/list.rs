//! `GET …/terminals`: open terminals, oldest first, and those that ended not long ago.

use axum::Json;
use axum::extract::State;
use ff_protocol::terminal::Terminal;
use ff_protocol::{Page, VmId, WorkspaceId};

use crate::extract::Path;
use crate::{ApiError, Engine};

pub(super) async fn in_workspace(
    State(engine): State<Engine>,
    Path(workspace): Path<WorkspaceId>,
) -> Result<Json<Page<Terminal>>, ApiError> {
    engine.core().workspace(&workspace).await?;
    Ok(Json(Page::whole(
        engine.core().terminals().list(Some(&workspace)),
    )))
}

pub(super) async fn in_vm(
    State(engine): State<Engine>,
    Path(vm): Path<VmId>,
) -> Result<Json<Page<Terminal>>, ApiError> {
    engine.check_vm(&vm)?;
    Ok(Json(Page::whole(engine.core().terminals().list(None))))
}
