//! Who asks. With `--dev` the request itself names its user.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use ff_protocol::{ErrorCode, InvalidId, UserId};
use serde::Deserialize;

use super::{Failure, Query};
use crate::{Error, Result};

const HEADER: &str = "x-ff-user";

/// The user a request names by `?userId=` or the header `X-FF-User`, if it names one. A body may
/// name one too; all that are given must be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevUser(pub Option<UserId>);

impl DevUser {
    /// The user, also considering what the body says.
    ///
    /// # Errors
    /// `ambiguous_user` when they differ.
    pub fn or_body(self, body: Option<UserId>) -> Result<Option<UserId>> {
        agree(self.0, body)
    }

    /// The user, who must be named somewhere.
    ///
    /// # Errors
    /// `ambiguous_user` when they differ or nobody is named.
    pub fn required(self, body: Option<UserId>) -> Result<UserId> {
        self.or_body(body)?.ok_or_else(|| {
            Error::refused(ErrorCode::AmbiguousUser, "the request names no user")
                .hint("put \"userId\" into the body, or add ?userId= or the header X-FF-User")
        })
    }
}

fn agree(one: Option<UserId>, other: Option<UserId>) -> Result<Option<UserId>> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(Error::refused(
            ErrorCode::AmbiguousUser,
            format!("the request names two users, `{one}` and `{other}`"),
        )),
        (one, other) => Ok(one.or(other)),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    user_id: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for DevUser {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Query(Named { user_id }) = Query::from_request_parts(parts, state).await?;
        let query = user_id.map(parse).transpose()?;
        let header = parts
            .headers
            .get(HEADER)
            .map(|value| parse(String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .transpose()?;
        Ok(Self(agree(query, header)?))
    }
}

fn parse(text: String) -> Result<UserId> {
    text.try_into()
        .map_err(|error: InvalidId| Error::refused(ErrorCode::BadRequest, error.to_string()))
}
