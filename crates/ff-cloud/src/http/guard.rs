//! Refuses requests that a foreign web page made a browser send: with `--dev` there is no key,
//! so `Host` and `Origin` are what tells them apart (DNS rebinding, cross-site requests).

use axum::extract::Request;
use axum::http::{HeaderMap, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use ff_protocol::{ErrorCode, Problem};

use super::problem;

/// Middleware that lets only this machine's own names pass.
pub async fn own_origin(request: Request, next: Next) -> Response {
    if !own_host(&request) {
        return refuse("the request's Host is not localhost, 127.0.0.1 or [::1]");
    }
    if !own_origins(request.headers()) {
        return refuse("the request comes from a web page of another site");
    }
    next.run(request).await
}

fn refuse(detail: &str) -> Response {
    problem::response(
        Problem::new(ErrorCode::ForeignOrigin, detail)
            .with_hint("reach the server by http://localhost and its port"),
    )
}

fn own_host(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        (Some(_), Some(_)) => None,
        (None, _) => request
            .uri()
            .authority()
            .map(|authority| authority.as_str()),
    };
    host.is_some_and(is_own)
}

fn own_origins(headers: &HeaderMap) -> bool {
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        let Some(uri) = origin
            .to_str()
            .ok()
            .and_then(|text| text.parse::<Uri>().ok())
        else {
            return false;
        };
        let web = matches!(uri.scheme_str(), Some("http" | "https"));
        web && uri
            .authority()
            .is_some_and(|authority| is_own(authority.as_str()))
    })
}

fn is_own(authority: &str) -> bool {
    let rest = ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .find_map(|name| authority.strip_prefix(name));
    match rest {
        Some("") => true,
        Some(port) => port
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok()),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::is_own;

    #[rstest]
    #[case("localhost", true)]
    #[case("localhost:3000", true)]
    #[case("127.0.0.1:65535", true)]
    #[case("[::1]:3000", true)]
    #[case("localhost.evil.test", false)]
    #[case("127.0.0.1.evil.test:80", false)]
    #[case("evil.test", false)]
    #[case("localhost:3000:1", false)]
    #[case("user@localhost", false)]
    #[case("", false)]
    fn only_the_names_of_this_machine_are_own(#[case] authority: &str, #[case] own: bool) {
        assert_eq!(is_own(authority), own);
    }
}
