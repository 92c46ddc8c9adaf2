//! The health report.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use ff_engine::ApiError;
use ff_protocol::VmId;
use ff_protocol::agent::Health;

use crate::activity::Activity;
use crate::governor::Governor;

pub(crate) struct Vitals {
    pub(crate) vm_id: VmId,
    pub(crate) started: Instant,
    pub(crate) activity: Activity,
    pub(crate) governor: Governor,
}

pub(crate) async fn health(State(vitals): State<Arc<Vitals>>) -> Result<Json<Health>, ApiError> {
    let (working, last_active_at) = vitals.activity.report().await?;
    Ok(Json(Health {
        vm_id: vitals.vm_id.clone(),
        working,
        holding: Vec::new(),
        quiesced: None,
        next_wake_at: None,
        notices: vitals.governor.notices(),
        last_active_at,
        uptime_seconds: vitals.started.elapsed().as_secs(),
    }))
}
