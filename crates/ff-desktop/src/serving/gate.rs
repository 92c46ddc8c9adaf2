//! Who may pass to the served engine: whoever shows the token, and asks for this very address.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ff_client::Secret;
use ff_engine::ApiError;
use ff_protocol::ErrorCode;

/// What a request has to show.
#[derive(Clone)]
pub struct Gate(Arc<Wanted>);

struct Wanted {
    token: Secret,
    hosts: [String; 2],
}

impl Gate {
    /// A gate before an engine that listens at this address.
    pub fn new(address: SocketAddr, token: Secret) -> Self {
        let hosts = [address.to_string(), format!("localhost:{}", address.port())];
        Self(Arc::new(Wanted { token, hosts }))
    }

    /// Why a request may not pass. A foreign `Host` or `Origin` is a web page that a browser of
    /// this machine shows (DNS rebinding, cross-site requests).
    fn refuses(&self, headers: &HeaderMap) -> Option<ApiError> {
        let Wanted { token, hosts } = &*self.0;
        let mut named = headers.get_all(header::HOST).iter();
        let own = |host: &str| hosts.iter().any(|own| own == host);
        let one_of_ours = match (named.next(), named.next()) {
            (Some(host), None) => host.to_str().is_ok_and(own),
            _ => false,
        };
        if !one_of_ours {
            let detail = "the request's Host is not the address of this engine";
            return Some(ApiError::new(ErrorCode::ForeignOrigin, detail));
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let ours = |origin: &str| origin.strip_prefix("http://").is_some_and(own);
        if !origins.all(|origin| origin.to_str().is_ok_and(ours)) {
            let detail = "the request comes from a web page of another site";
            return Some(ApiError::new(ErrorCode::ForeignOrigin, detail));
        }
        let shown = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        if shown.is_some_and(|shown| same(shown, token.expose())) {
            return None;
        }
        let detail = "this engine answers who shows its token only";
        Some(ApiError::new(ErrorCode::Unauthorized, detail))
    }
}

/// Middleware that lets only those pass.
pub async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match gate.refuses(request.headers()) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

/// Takes the same time for every wrong text of the right length.
fn same(shown: &str, wanted: &str) -> bool {
    let pairs = shown.bytes().zip(wanted.bytes());
    shown.len() == wanted.len() && pairs.fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn refusal(pairs: &[(header::HeaderName, &'static str)]) -> Option<ErrorCode> {
        let gate = Gate::new(([127, 0, 0, 1], 4242).into(), Secret::new("secret"));
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        gate.refuses(&headers).map(|error| error.0.code)
    }

    #[test]
    fn the_token_at_this_address_passes_and_nothing_else() {
        let host = (header::HOST, "127.0.0.1:4242");
        let token = (header::AUTHORIZATION, "Bearer secret");
        let origin = |value| (header::ORIGIN, value);
        assert_eq!(refusal(&[host.clone(), token.clone()]), None);
        let page = origin("http://localhost:4242");
        assert_eq!(refusal(&[host.clone(), token.clone(), page]), None);
        for wrong in ["Bearer secre", "Bearer Secret", "Bearer ", "secret"] {
            let shown = (header::AUTHORIZATION, wrong);
            let refused = refusal(&[host.clone(), shown]);
            assert_eq!(refused, Some(ErrorCode::Unauthorized), "{wrong}");
        }
        assert_eq!(
            refusal(std::slice::from_ref(&host)),
            Some(ErrorCode::Unauthorized)
        );
        for foreign in ["evil.test:4242", "127.0.0.1", "127.0.0.1:4243", "localhost"] {
            let refused = refusal(&[(header::HOST, foreign), token.clone()]);
            assert_eq!(refused, Some(ErrorCode::ForeignOrigin), "{foreign}");
        }
        assert_eq!(
            refusal(std::slice::from_ref(&token)),
            Some(ErrorCode::ForeignOrigin)
        );
        for foreign in [
            "http://evil.test",
            "null",
            "https://localhost:4242",
            "http://localhost",
        ] {
            let refused = refusal(&[host.clone(), token.clone(), origin(foreign)]);
            assert_eq!(refused, Some(ErrorCode::ForeignOrigin), "{foreign}");
        }
    }
}
