//! Why `gh` did not give what was asked for.
//!
//! `gh` has an exit code for "not logged in" and none for anything else, so the rest is told from
//! what it says. Names and addresses in that are GitHub's or the user's words: they are left out
//! before it is looked into.
//!
//! | what `gh` (2.23) says | [`Cause`] |
//! |---|---|
//! | exit code 4; `HTTP 401` | logged out |
//! | `HTTP 404`, `HTTP 410`, `Could not resolve to …` | not found |
//! | `HTTP 429`; `rate limit`, `throttl` | rate limited |
//! | `HTTP 5xx`; no name, no route, no connection, no trust | unreachable |
//! | it ran out of time, or its connection did | too late |
//! | anything else | other |

use std::time::Duration;

use ff_protocol::{ErrorCode, Timestamp};

use crate::config::Side;
use crate::error::Error;

/// Exit code of `gh` without a login (2.23: `cmdutil.AuthError`).
const NO_LOGIN: i32 = 4;
/// Most characters of `gh`'s own words that are passed on.
const LONGEST_WORDS: usize = 300;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// `gh` is not there, or cannot be started.
    NoGh(String),
    /// `gh` has no login.
    LoggedOut,
    /// GitHub refuses the login.
    LoginRefused,
    /// GitHub takes no more requests; not asked again before this time.
    RateLimited(Timestamp),
    /// GitHub has no such thing, or shows it to others only.
    NotFound,
    /// GitHub cannot be reached, or does not work.
    Unreachable(String),
    /// There was no answer in time.
    TooLate(Duration),
    /// Anything else, in `gh`'s words.
    Other(String),
}

/// What a failed run of `gh` means. `limited_until` is when it may be asked again if it was too
/// often.
pub(super) fn classify(code: Option<i32>, stderr: &str, limited_until: Timestamp) -> Cause {
    if code == Some(NO_LOGIN) {
        return Cause::LoggedOut;
    }
    let said = without_quotes(stderr).to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let status = status(stderr);
    match status {
        Some(401) => return Cause::LoginRefused,
        Some(404 | 410) => return Cause::NotFound,
        Some(429) => return Cause::RateLimited(limited_until),
        Some(500..) => return Cause::Unreachable(words(stderr)),
        _ => {}
    }
    if has(&["could not resolve to a", "no pull requests found"]) {
        return Cause::NotFound;
    }
    if has(&["rate limit", "throttl"]) {
        return Cause::RateLimited(limited_until);
    }
    if has(&["i/o timeout", "deadline exceeded", "handshake timeout"]) || status == Some(408) {
        return Cause::Unreachable(words(stderr));
    }
    if status.is_none()
        && has(&[
            "error connecting to",
            "connection refused",
            "connection reset",
            "no such host",
            "no route to host",
            "network is unreachable",
            "server misbehaving",
            "proxyconnect",
            "dial tcp",
            "broken pipe",
            "x509",
            "certificate",
            ": eof",
            "unexpected eof",
        ])
    {
        return Cause::Unreachable(words(stderr));
    }
    Cause::Other(words(stderr))
}

/// The HTTP status that `gh` names: `HTTP 404: …`, and `… (HTTP 404)` for `gh api`.
fn status(stderr: &str) -> Option<u16> {
    let mut lines = stderr.lines().map(str::trim);
    lines.find_map(|line| {
        let at_start = line.strip_prefix("HTTP ").and_then(|rest| rest.get(..3));
        let at_end = || Some(line.strip_suffix(')')?.rsplit_once("(HTTP ")?.1);
        at_start.or_else(at_end)?.parse().ok()
    })
}

/// Without what stands in quotes or parentheses: names and addresses.
fn without_quotes(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut until = None;
    for c in text.chars() {
        match until {
            Some(end) if c == end || c == '\n' => until = None,
            Some(_) => {}
            None => {
                until = match c {
                    '"' | '\'' => Some(c),
                    '(' => Some(')'),
                    _ => None,
                };
                if until.is_none() {
                    kept.push(c);
                }
            }
        }
    }
    kept
}

/// The first line of what `gh` said, fit to be shown.
fn words(stderr: &str) -> String {
    let line = stderr.lines().map(str::trim).find(|line| !line.is_empty());
    let plain = line
        .unwrap_or("it said nothing")
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c });
    plain.take(LONGEST_WORDS).collect()
}

/// The cause as a user is told it; `what` is what was asked for (`pull request #7 of octo/demo`).
pub(super) fn told(cause: Cause, what: &str, side: Side) -> Error {
    let log_in = match side {
        Side::Cloud => "run `gh auth login` in the VM: `ff terminal --vm` opens a terminal there",
        Side::Desktop => "run `gh auth login`; `ff` uses that login",
    };
    match cause {
        Cause::NoGh(why) => Error::refused(
            ErrorCode::GhUnavailable,
            format!("GitHub's command line tool `gh` cannot be run: {why}"),
        )
        .hint("install `gh` (https://cli.github.com), then log in with `gh auth login`"),
        Cause::LoggedOut => {
            let detail = format!("{what} cannot be read: `gh` is not logged in to GitHub");
            Error::refused(ErrorCode::LoginRequired, detail).hint(log_in)
        }
        Cause::LoginRefused => {
            let detail =
                format!("{what} cannot be read: GitHub does not accept the login of `gh` any more");
            Error::refused(ErrorCode::LoginRequired, detail).hint(log_in)
        }
        Cause::RateLimited(until) => {
            let detail = format!("{what} cannot be read now: GitHub takes no more requests");
            let at = until.format("%H:%M:%S UTC");
            Error::refused(ErrorCode::RateLimited, detail)
                .hint(format!("GitHub is asked again by itself after {at}"))
        }
        Cause::NotFound => {
            let detail = format!("GitHub has no {what}, or this login may not see it");
            Error::refused(ErrorCode::NotFound, detail)
                .hint("check the number and the repository, and whose login `gh auth status` shows")
        }
        Cause::Unreachable(why) => {
            let detail = format!("{what} cannot be read: GitHub cannot be reached ({why})");
            Error::refused(ErrorCode::GithubUnavailable, detail)
                .hint("check the network; `gh auth status` tells more")
        }
        Cause::TooLate(limit) => {
            let seconds = limit.as_secs();
            let detail = format!("{what} cannot be read: GitHub did not answer within {seconds} s");
            Error::refused(ErrorCode::Timeout, detail).hint("try again a little later")
        }
        Cause::Other(why) => {
            let detail = format!("{what} cannot be read: `gh` says: {why}");
            Error::refused(ErrorCode::GithubFailed, detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(stderr: &str) -> Cause {
        classify(Some(1), stderr, Timestamp::default())
    }

    #[test]
    fn each_class_is_told_apart() {
        let limited = Cause::RateLimited(Timestamp::default());
        for said in [
            "HTTP 403: API rate limit exceeded for user ID 1. (https://api.github.com/user)",
            "gh: You have exceeded a secondary rate limit. Please wait a few minutes. (HTTP 403)",
            "GraphQL: API rate limit exceeded for user ID 1.",
            "HTTP 429: Too Many Requests (https://api.github.com/graphql)",
            "HTTP 403: this request was throttled (https://api.github.com/user)",
        ] {
            assert_eq!(of(said), limited, "{said}");
        }
        for said in [
            "GraphQL: Could not resolve to a PullRequest with the number of 7. (repository.pullRequest)",
            "GraphQL: Could not resolve to a Repository with the name 'octo/rate limit'. (repository)",
            "HTTP 404: Not Found (https://api.github.com/repos/octo/throttler)",
            "gh: Not Found (HTTP 404)",
            "no pull requests found for branch \"x\"",
        ] {
            assert_eq!(of(said), Cause::NotFound, "{said}");
        }
        let refused = "HTTP 401: Bad credentials (https://api.github.com/graphql)\nTry authenticating with:  gh auth login";
        assert_eq!(of(refused), Cause::LoginRefused);
        assert_eq!(of("gh: Bad credentials (HTTP 401)"), Cause::LoginRefused);
        for said in [
            "error connecting to api.github.com\ncheck your internet connection or https://githubstatus.com",
            "Post \"https://api.github.com/graphql\": dial tcp 127.0.0.1:443: connect: connection refused",
            "Post \"https://api.github.com/graphql\": proxyconnect tcp: dial tcp 127.0.0.1:1: connect: connection refused",
            "Get \"https://api.github.com/user\": EOF",
            "Get \"https://api.github.com/user\": net/http: TLS handshake timeout",
            "Get \"https://api.github.com/user\": x509: certificate signed by unknown authority",
            "HTTP 502: Bad Gateway (https://api.github.com/graphql)",
        ] {
            assert!(matches!(of(said), Cause::Unreachable(_)), "{said}");
        }
        assert_eq!(
            classify(Some(4), "", Timestamp::default()),
            Cause::LoggedOut
        );
        let other = of("HTTP 422: Validation Failed (https://api.github.com/x)\nmore");
        assert_eq!(
            other,
            Cause::Other("HTTP 422: Validation Failed (https://api.github.com/x)".into())
        );
        assert_eq!(of(""), Cause::Other("it said nothing".into()));
    }

    #[test]
    fn what_is_told_holds_no_control_character_and_has_an_end() {
        let Cause::Other(told) = of(&format!("\x1b[31mred\x07 {}", "x".repeat(5000))) else {
            panic!("it was taken for something else");
        };
        assert!(!told.contains(char::is_control) && told.chars().count() <= LONGEST_WORDS);
    }

    #[test]
    fn every_sentence_says_what_to_do_and_no_two_are_alike() {
        let causes = [
            Cause::NoGh("none".into()),
            Cause::LoggedOut,
            Cause::LoginRefused,
            Cause::RateLimited(Timestamp::default()),
            Cause::NotFound,
            Cause::Unreachable("why".into()),
            Cause::TooLate(Duration::from_secs(30)),
        ];
        let mut seen = std::collections::BTreeSet::new();
        for cause in causes {
            let problem = told(cause, "pull request #7", Side::Desktop).problem();
            assert!(problem.hint.is_some(), "{problem:?}");
            assert!(seen.insert(problem.detail), "said twice");
        }
    }
}
