//! A stand-in for GitHub over HTTPS with a private CA: the API as far as `gh` needs it, and the git host.
//!
//! It answers as `github.com` and `api.github.com`, and in the way of GitHub Enterprise Server (`/api/v3`,
//! `/api/graphql`) under any other name. A valid login is needed for everything but the device flow.

mod accounts;
mod certificates;
mod config;
mod device;
mod gh;
mod git_http;
mod graphql;
mod http;
mod issues;
mod limits;
mod pull_requests;
mod query;
mod repositories;
mod rest;
mod shapes;
mod tokens;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Result, bail};
use axum::Router;

pub use self::accounts::{Account, AuthKind};
pub use self::certificates::CertificateAuthority;
pub use self::config::{GitHubConfig, GitHubFault, GitHubRequest, RateLimit};
pub use self::device::DeviceApproval;
use self::device::DeviceFlow;
pub use self::gh::Gh;
pub use self::issues::Issue;
use self::issues::Issues;
use self::pull_requests::PullRequests;
pub use self::pull_requests::{Check, CommitStatus, PullRequest, Review, ReviewComment};
use self::repositories::Repositories;
use crate::request_log::RequestLog;
use crate::server::Server;
use crate::tunnel::Tunnel;

const SCOPES: &str = "gist, read:org, repo, workflow";
const NO_OID: &str = "0000000000000000000000000000000000000000";

/// A running stand-in. It ends when dropped.
pub struct GitHub {
    server: Server,
    tunnel: Tunnel,
    authority: CertificateAuthority,
    shared: Arc<Shared>,
}

struct Shared {
    accounts: RwLock<Vec<Account>>,
    fault: RwLock<Option<GitHubFault>>,
    repositories: Repositories,
    pulls: PullRequests,
    issues: Issues,
    device: DeviceFlow,
    git_exec_path: PathBuf,
    git_timeout: Duration,
    log: RequestLog<GitHubRequest>,
}

impl GitHub {
    /// Starts with this configuration.
    pub async fn start(config: GitHubConfig) -> Result<Self> {
        let authority = config
            .authority
            .map_or_else(CertificateAuthority::generate, Ok)?;
        let tls = authority.acceptor(config.bind.ip(), &config.names)?;
        let approval = config
            .device_approval
            .unwrap_or_else(|| match config.accounts.first() {
                Some(account) => DeviceApproval::AfterPolls {
                    login: account.login.clone(),
                    polls: 1,
                },
                None => DeviceApproval::ByHand,
            });
        let shared = Arc::new(Shared {
            accounts: RwLock::new(config.accounts),
            fault: RwLock::new(None),
            repositories: Repositories::at(config.repositories)?,
            pulls: PullRequests::default(),
            issues: Issues::default(),
            device: DeviceFlow::new(approval),
            git_exec_path: repositories::git_exec_path().await?,
            git_timeout: config.git_timeout,
            log: RequestLog::new(usize::MAX),
        });
        let router = Router::new()
            .fallback(http::handle)
            .with_state(Arc::clone(&shared));
        let server = Server::start(config.bind, Some(tls), router).await?;
        let tunnel = Tunnel::start((Ipv4Addr::LOCALHOST, 0).into(), server.dial_addr()).await?;
        Ok(Self {
            server,
            tunnel,
            authority,
            shared,
        })
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// `https://localhost:<port>`, for use on this machine without any name set up.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.addr().port())
    }

    /// The value for `HTTPS_PROXY` that leads `github.com` and `api.github.com` here, on this machine.
    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.tunnel.address())
    }

    /// The CA's certificate, for `SSL_CERT_FILE` and `GIT_SSL_CAINFO`.
    pub fn ca_pem(&self) -> String {
        self.authority.pem()
    }

    /// The CA, to start another stand-in that the same clients trust.
    pub fn authority(&self) -> CertificateAuthority {
        self.authority.clone()
    }

    /// The directory of the bare repositories.
    pub fn repositories_dir(&self) -> &Path {
        self.shared.repositories.root()
    }

    /// Makes an empty bare repository with `main` as its default branch.
    pub async fn create_repo(&self, owner: &str, name: &str) -> Result<PathBuf> {
        self.shared.repositories.create(owner, name).await
    }

    /// Adds or replaces a pull request and returns its number; number 0 takes the next one.
    pub fn set_pull_request(&self, owner: &str, name: &str, pull: PullRequest) -> u64 {
        self.shared.pulls.set(owner, name, pull)
    }

    /// The pull requests of a repository, newest first.
    pub fn pull_requests(&self, owner: &str, name: &str) -> Vec<PullRequest> {
        self.shared.pulls.of(owner, name)
    }

    /// Adds or replaces an issue.
    pub fn set_issue(&self, owner: &str, name: &str, issue: Issue) {
        self.shared.issues.set(owner, name, issue);
    }

    /// Replaces the users; tokens of users no longer listed stop working at once.
    pub fn set_accounts(&self, accounts: Vec<Account>) {
        *self
            .shared
            .accounts
            .write()
            .unwrap_or_else(PoisonError::into_inner) = accounts;
    }

    /// Says who approves device logins from now on, and when.
    pub fn set_device_approval(&self, approval: DeviceApproval) {
        self.shared.device.set_approval(approval);
    }

    /// Approves an open device login, as the user would in a browser.
    pub fn approve_device(&self, user_code: &str, login: &str) -> Result<()> {
        if !self.shared.device.approve(user_code, login) {
            bail!("no open device login has this code");
        }
        Ok(())
    }

    /// Sets or ends a fault. Requests already being answered are not affected.
    pub fn set_fault(&self, fault: Option<GitHubFault>) {
        *self
            .shared
            .fault
            .write()
            .unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// The requests so far, oldest first; only the newest are kept.
    pub fn requests(&self) -> Vec<GitHubRequest> {
        self.shared.log.all()
    }

    /// Closes the listener and every connection, ends running git processes, and waits until that is done.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub")
            .field("addr", &self.addr())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn fault(&self) -> Option<GitHubFault> {
        *self.fault.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn account_of_token(&self, token: &str) -> Option<Account> {
        self.account(|account| account.token == token)
    }

    fn account_of_login(&self, login: &str) -> Option<Account> {
        self.account(|account| account.login == login)
    }

    fn account(&self, found: impl Fn(&Account) -> bool) -> Option<Account> {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        accounts.iter().find(|account| found(account)).cloned()
    }

    async fn head_oid(&self, owner: &str, name: &str, branch: &str) -> String {
        self.repositories
            .branch_head(owner, name, branch)
            .await
            .unwrap_or_else(|| NO_OID.to_owned())
    }
}
