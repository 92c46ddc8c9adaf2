use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::accounts::{Account, AuthKind};
use super::certificates::CertificateAuthority;
use super::device::DeviceApproval;

/// What goes wrong while it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GitHubFault {
    /// The git host answers 401 to every login.
    GitRejectsLogin,
    /// The git host answers this status.
    GitStatus(u16),
    /// The API answers this status.
    ApiStatus(u16),
    /// The API was asked too often.
    RateLimited(RateLimit),
    /// The API takes so long for each answer.
    Slow(Duration),
}

/// How GitHub says that it was asked too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// The requests of this hour are used up: 403, or for GraphQL 200 with an error.
    Primary,
    /// The same, as 429.
    TooMany,
    /// Too much at a time: 403 with `retry-after`.
    Secondary,
}

/// How the stand-in is set up.
#[derive(Clone, Debug)]
pub struct GitHubConfig {
    /// Where to listen; port 0 takes a free port.
    pub bind: SocketAddr,
    /// The users.
    pub accounts: Vec<Account>,
    /// Where the bare repositories are; a temporary directory when not given.
    pub repositories: Option<PathBuf>,
    /// The CA; a new one when not given.
    pub authority: Option<CertificateAuthority>,
    /// More host names and addresses for the certificate.
    pub names: Vec<String>,
    /// Who approves device logins; the first account after one poll when not given.
    pub device_approval: Option<DeviceApproval>,
    /// The longest a git request may take.
    pub git_timeout: Duration,
}

impl Default for GitHubConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 443)),
            accounts: vec![Account::new("octo", 1)],
            repositories: None,
            authority: None,
            names: Vec::new(),
            device_approval: None,
            git_timeout: Duration::from_secs(300),
        }
    }
}

/// One request the stand-in answered. Tokens are never kept, nor queries, which could hold one.
#[derive(Clone, Debug)]
pub struct GitHubRequest {
    /// Counts from 1; the log keeps only the newest entries.
    pub number: u64,
    /// When it was answered.
    pub at: SystemTime,
    /// The host asked for, without port.
    pub host: String,
    /// The HTTP method.
    pub method: String,
    /// The path, without query.
    pub path: String,
    /// The kind of credential.
    pub auth: AuthKind,
    /// The account the credential belongs to.
    pub login: Option<String>,
    /// The status answered.
    pub status: u16,
}
