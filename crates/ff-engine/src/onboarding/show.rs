//! `GET /api/vms/{vm}/onboarding?after=VERSION&wait=SECONDS`: how far the user has come. With
//! `after`, once that is another version, or else after so long.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use ff_protocol::onboarding::{LONGEST_WAIT, Onboarding};
use ff_protocol::{ErrorCode, VmId};
use serde::Deserialize;

use crate::extract::{Path, Query};
use crate::{ApiError, Engine};

#[derive(Deserialize)]
pub(super) struct Params {
    after: Option<String>,
    #[serde(default)]
    wait: u64,
}

pub(super) async fn show(
    State(engine): State<Engine>,
    Path(vm): Path<VmId>,
    Query(params): Query<Params>,
) -> Result<Json<Onboarding>, ApiError> {
    engine.check_vm(&vm)?;
    if params.wait > LONGEST_WAIT {
        let detail = format!("`wait` is {LONGEST_WAIT} seconds at most");
        return Err(ApiError::new(ErrorCode::BadRequest, detail));
    }
    let seen = match params.after {
        None => engine.core().onboarding().await?,
        Some(version) => {
            let wait = Duration::from_secs(params.wait);
            engine.core().onboarding_after(&version, wait).await?
        }
    };
    Ok(Json(seen))
}
