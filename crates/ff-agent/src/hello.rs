//! The handshake: the agent proves which VM it is before the server sends anything.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use ff_engine::ApiError;
use ff_protocol::agent::Hello;
use ff_protocol::{ErrorCode, PROTOCOL_GENERATION, VmId};
use serde::Deserialize;

use crate::token::Token;

pub(crate) struct Identity {
    pub(crate) vm_id: VmId,
    pub(crate) token: Token,
}

#[derive(Deserialize)]
pub(crate) struct Challenge {
    nonce: String,
}

pub(crate) async fn hello(
    State(identity): State<Arc<Identity>>,
    challenge: Result<Query<Challenge>, QueryRejection>,
) -> Result<Json<Hello>, ApiError> {
    let Query(Challenge { nonce }) = challenge
        .map_err(|rejection| ApiError::new(ErrorCode::BadRequest, rejection.body_text()))?;
    let is_hex = |b: u8| b.is_ascii_hexdigit();
    if !(32..=128).contains(&nonce.len()) || !nonce.bytes().all(is_hex) {
        return Err(ApiError::new(
            ErrorCode::BadRequest,
            "a nonce is 32 to 128 hex digits",
        ));
    }
    let proof = identity
        .token
        .proof(&identity.vm_id, &nonce)
        .map_err(|error| {
            tracing::error!(%error, "no proof");
            ApiError::new(ErrorCode::Internal, "the agent cannot prove itself")
        })?;
    Ok(Json(Hello {
        vm_id: identity.vm_id.clone(),
        generation: PROTOCOL_GENERATION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        proof,
    }))
}
