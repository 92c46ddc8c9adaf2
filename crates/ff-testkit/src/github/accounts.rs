use std::fmt;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A GitHub user with one token.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub login: String,
    /// The display name.
    pub name: String,
    /// The numeric id.
    pub id: u64,
    /// The token that logs this user in, to the API and (as password) to git.
    pub token: String,
}

impl Account {
    /// A user with a name and token derived from the login.
    pub fn new(login: &str, id: u64) -> Self {
        Self {
            login: login.to_owned(),
            name: login.to_owned(),
            id,
            token: format!("gho_testkit{login}"),
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("login", &self.login)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// How a request named its caller. The value itself is never kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthKind {
    /// No `Authorization` header.
    None,
    /// `Authorization: token`.
    Token,
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization: Basic`.
    Basic,
    /// Anything else.
    Other,
}

/// The kind of credential in a request, and the token it carries.
pub(super) fn credential(headers: &HeaderMap) -> (AuthKind, Option<String>) {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return (AuthKind::None, None);
    };
    let Some((scheme, rest)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
        return (AuthKind::Other, None);
    };
    match scheme.to_ascii_lowercase().as_str() {
        "token" => (AuthKind::Token, Some(rest.to_owned())),
        "bearer" => (AuthKind::Bearer, Some(rest.to_owned())),
        "basic" => (AuthKind::Basic, password(rest)),
        _ => (AuthKind::Other, None),
    }
}

fn password(basic: &str) -> Option<String> {
    let pair = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
    Some(pair.split_once(':')?.1.to_owned())
}
