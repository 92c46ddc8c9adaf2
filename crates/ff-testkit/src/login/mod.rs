//! A stand-in for the host that gives and renews Claude logins: the code that is pasted after a
//! login in a browser, refresh tokens that work once, expiry and revocation.
//!
//! The CLI (2.1.330) takes no other address for it than `https://platform.claude.com`, but it obeys
//! `HTTPS_PROXY` and `NODE_EXTRA_CA_CERTS`. So this is also a proxy, which leads every host here:
//! nothing that the CLI says over TLS leaves the machine. [`Logins`] is shared with the Messages
//! stand-in, which then knows whose tokens are good.

mod authorize;
mod credentials;
mod http;
mod logins;
mod stage;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use axum::Router;

use self::authorize::Open;
pub use self::credentials::Credentials;
pub use self::logins::{Checked, Logins};
pub use self::stage::LoginStage;
use crate::github::CertificateAuthority;
use crate::request_log::RequestLog;
use crate::server::Server;
use crate::tunnel::Tunnel;

/// Hosts it answers as.
const HOSTS: [&str; 3] = ["platform.claude.com", "api.anthropic.com", "claude.ai"];

/// A running stand-in. It ends when dropped.
pub struct LoginHost {
    server: Server,
    tunnel: Tunnel,
    authority: CertificateAuthority,
    shared: Arc<Shared>,
}

/// The account whose logins it gives out.
pub const EMAIL: &str = "ada@example.test";

struct Shared {
    logins: Logins,
    open: Open,
    log: RequestLog<LoginRequest>,
}

/// One request it received. Tokens are never kept.
#[derive(Clone, Debug)]
pub struct LoginRequest {
    /// Counts from 1; the log keeps only the newest entries.
    pub number: u64,
    /// When it arrived in full.
    pub at: SystemTime,
    /// The host it was for.
    pub host: String,
    /// The HTTP method.
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// What became of the refresh token, if this was to renew a login.
    pub refresh: Option<Refresh>,
    /// The status answered.
    pub status: u16,
}

/// What became of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// It was good, and is used up now.
    Renewed,
    /// It had been used before.
    UsedBefore,
    /// It was revoked, or never given out.
    Refused,
    /// The host was told to fail.
    Unavailable,
}

impl LoginHost {
    /// Starts on loopback. What it gives out, `logins` knows.
    ///
    /// # Errors
    /// No port or no key can be had.
    pub async fn start(logins: Logins) -> Result<Self> {
        let authority = CertificateAuthority::generate()?;
        Self::start_at(Ipv4Addr::LOCALHOST.into(), logins, authority).await
    }

    /// Starts at this address of the machine, with a certificate of this authority.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_at(
        address: IpAddr,
        logins: Logins,
        authority: CertificateAuthority,
    ) -> Result<Self> {
        let bind = SocketAddr::new(address, 0);
        let tls = authority.acceptor(address, &HOSTS.map(str::to_owned))?;
        let shared = Arc::new(Shared {
            logins,
            open: Open::default(),
            log: RequestLog::new(usize::MAX),
        });
        let router = Router::new()
            .fallback(http::handle)
            .with_state(Arc::clone(&shared));
        let server = Server::start(bind, Some(tls), router).await?;
        let tunnel = Tunnel::start(bind, server.addr()).await?;
        Ok(Self {
            server,
            tunnel,
            authority,
            shared,
        })
    }

    /// Plays the browser: opens the address that `claude auth login` shows, grants the login, and
    /// answers the code that is to be pasted.
    ///
    /// # Errors
    /// It is no such address.
    pub fn grant(&self, address: &str) -> Result<String> {
        self.shared.open.grant(address)
    }

    /// The value for `HTTPS_PROXY`.
    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.tunnel.address())
    }

    /// The address it listens on itself, with TLS.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The CA's certificate, for `NODE_EXTRA_CA_CERTS`.
    pub fn ca_pem(&self) -> String {
        self.authority.pem()
    }

    /// The requests so far, oldest first; only the newest are kept.
    pub fn requests(&self) -> Vec<LoginRequest> {
        self.shared.log.all()
    }

    /// What became of each refresh so far.
    pub fn refreshes(&self) -> Vec<Refresh> {
        let requests = self.requests();
        requests.iter().filter_map(|it| it.refresh).collect()
    }

    /// How long it takes to renew a login, from now on.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.logins.set_delay(delay);
    }
}

impl fmt::Debug for LoginHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginHost")
            .field("addr", &self.addr())
            .finish_non_exhaustive()
    }
}
