//! A free port for a run script.

use std::net::{Ipv4Addr, TcpListener};

use ff_protocol::ErrorCode;

use crate::error::{Error, Result};

const FIRST: u16 = 3000;
const LAST: u16 = 9999;
/// What stands in a command for the port.
const PLACE: &str = "{port}";

/// Whether a command wants a port.
pub(crate) fn wanted(command: &str) -> bool {
    command.contains(PLACE)
}

/// The command with the port in it.
pub(crate) fn put(command: &str, port: Option<u16>) -> String {
    match port {
        Some(port) => command.replace(PLACE, &port.to_string()),
        None => command.to_owned(),
    }
}

/// A port from 3000 to 9999 on which nobody listens and that is none of those `taken`, searched
/// from a random one on.
///
/// # Errors
/// `limit_reached` when there is none.
pub(crate) fn free(taken: &[u16]) -> Result<u16> {
    let count = LAST - FIRST + 1;
    let random = uuid::Uuid::new_v4().as_u128() % u128::from(count);
    let start = u16::try_from(random).unwrap_or_default();
    let all = (0..count).map(|step| FIRST + (start + step) % count);
    let mut free = all.filter(|port| !taken.contains(port) && is_free(*port));
    free.next().ok_or_else(|| {
        let detail = format!("no port from {FIRST} to {LAST} is free");
        Error::refused(ErrorCode::LimitReached, detail)
    })
}

/// A server may listen on all addresses or on loopback only.
fn is_free(port: u16) -> bool {
    [Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST]
        .iter()
        .all(|address| TcpListener::bind((*address, port)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_not_given() {
        let port = free(&[]).unwrap();
        assert!((FIRST..=LAST).contains(&port));
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(!is_free(port));
        let all_but: Vec<u16> = (FIRST..=LAST).filter(|other| *other != port).collect();
        let error = free(&all_but).unwrap_err();
        assert_eq!(error.code(), ErrorCode::LimitReached);
    }

    #[test]
    fn the_port_goes_where_the_command_wants_it() {
        assert!(wanted("x --port {port}") && !wanted("x"));
        assert_eq!(put("a {port} b {port}", Some(7)), "a 7 b 7");
        assert_eq!(put("a {port}", None), "a {port}");
    }
}
