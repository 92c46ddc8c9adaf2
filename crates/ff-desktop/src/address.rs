//! Which servers `ff` may speak to.

use std::net::IpAddr;

use crate::failure::{Exit, Failure};

const EXAMPLE: &str = "ff cloud connect http://localhost:3000";

/// The address, if we may speak to it: without TLS only to this machine, because everything
/// typed in a terminal passes over it.
///
/// # Errors
/// It is no address, or leads to another machine in the clear.
pub fn acceptable(url: &str) -> Result<String, Failure> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(no_address(url));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "http" if is_loopback(host_of(rest)) => Ok(url.to_owned()),
        "http" => {
            let text = format!(
                "{url} is plain http to another machine; everything you type would pass in the clear"
            );
            Err(Failure::new(Exit::Refused, text)
                .hint("plain http is only for a server on this machine; reach another one through a tunnel, such as ssh -L 3000:localhost:3000 HOST")
                .next(EXAMPLE))
        }
        "https" => Err(
            Failure::new(Exit::Refused, "this version of ff does not speak https yet")
                .hint("reach the server through a tunnel, such as ssh -L 3000:localhost:3000 HOST")
                .next(EXAMPLE),
        ),
        _ => Err(no_address(url)),
    }
}

/// The error of a text that is no address of a server.
pub fn no_address(url: &str) -> Failure {
    let text = format!("`{url}` is not the address of a server");
    Failure::new(Exit::Usage, text).next(EXAMPLE)
}

/// The host of what follows `://`: without user, port and path.
fn host_of(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host_port = authority.rsplit('@').next().unwrap_or_default();
    match host_port.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host_port.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for url in [
            "http://localhost:3000",
            "http://127.0.0.1:3000/",
            "http://[::1]:3000",
            "HTTP://LOCALHOST",
        ] {
            assert!(acceptable(url).is_ok(), "{url} was refused");
        }
        for (url, exit) in [
            ("http://example.test", Exit::Refused),
            ("http://localhost.example.test", Exit::Refused),
            ("http://localhost@example.test", Exit::Refused),
            ("http://example.test#@localhost", Exit::Refused),
            (r"http://example.test\@localhost", Exit::Refused),
            ("http://10.0.0.1", Exit::Refused),
            ("https://localhost", Exit::Refused),
            ("ftp://localhost", Exit::Usage),
            ("localhost:3000", Exit::Usage),
            ("", Exit::Usage),
        ] {
            let failure = acceptable(url).expect_err(url);
            assert_eq!(failure.exit, exit, "{url}");
            assert!(failure.next.is_some());
        }
    }
}
