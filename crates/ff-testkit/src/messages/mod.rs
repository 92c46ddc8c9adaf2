//! A stand-in for the Anthropic Messages API, complete enough for the real Claude CLI.
//!
//! What the model answers is decided by a [`Scripted`]; the default, [`PromptPlan`], reads the plan from the
//! user's own prompt, so a test can make the real CLI run real tools and see their results quoted back.

mod http;
mod log;
mod plan;
mod reply;
mod stream;
mod turn;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Result;
use axum::Router;

pub use self::log::{Credential, MessagesRequest};
pub use self::plan::PromptPlan;
pub use self::reply::{Block, Gate, Reply, Scripted, Sequence};
pub use self::turn::{ToolOutcome, Turn};
use crate::login::Logins;
use crate::request_log::RequestLog;
use crate::server::Server;

/// The key that [`MessagesApi::start`] expects.
pub const DEFAULT_API_KEY: &str = "sk-ant-testkit";

const MAX_LOGGED_BYTES: usize = 64 * 1024 * 1024;

/// What goes wrong with every `/v1/messages` request while it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answer with this status and the API's error body.
    Status(u16),
    /// Accept the request and never answer.
    Hang,
    /// Break the connection in the middle of the stream.
    CutStream,
}

/// How the stand-in is set up.
pub struct MessagesConfig {
    /// The key expected as `x-api-key` or as bearer token.
    pub api_key: String,
    /// Decides what the model answers.
    pub script: Arc<dyn Scripted>,
    /// Logins whose access tokens are good as bearer tokens too.
    pub logins: Logins,
}

impl Default for MessagesConfig {
    fn default() -> Self {
        Self {
            api_key: DEFAULT_API_KEY.to_owned(),
            script: Arc::new(PromptPlan),
            logins: Logins::default(),
        }
    }
}

impl fmt::Debug for MessagesConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessagesConfig").finish_non_exhaustive()
    }
}

/// A running stand-in. It ends when dropped.
pub struct MessagesApi {
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    api_key: String,
    logins: Logins,
    script: RwLock<Arc<dyn Scripted>>,
    fault: RwLock<Option<Fault>>,
    log: RequestLog<MessagesRequest>,
}

impl MessagesApi {
    /// Starts with the default key and script. Port 0 takes a free port.
    pub async fn start(bind: SocketAddr) -> Result<Self> {
        Self::start_with(bind, MessagesConfig::default()).await
    }

    /// Starts with this configuration.
    pub async fn start_with(bind: SocketAddr, config: MessagesConfig) -> Result<Self> {
        let shared = Arc::new(Shared {
            api_key: config.api_key,
            logins: config.logins,
            script: RwLock::new(config.script),
            fault: RwLock::new(None),
            log: RequestLog::new(MAX_LOGGED_BYTES),
        });
        let router = Router::new()
            .fallback(http::handle)
            .with_state(Arc::clone(&shared));
        let server = Server::start(bind, None, router).await?;
        Ok(Self { server, shared })
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The value for `ANTHROPIC_BASE_URL`, on this machine.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.dial_addr())
    }

    /// The value for `ANTHROPIC_API_KEY`.
    pub fn api_key(&self) -> &str {
        &self.shared.api_key
    }

    /// The logins whose tokens it takes.
    pub fn logins(&self) -> Logins {
        self.shared.logins.clone()
    }

    /// The requests so far, oldest first; only the newest are kept.
    pub fn requests(&self) -> Vec<MessagesRequest> {
        self.shared.log.all()
    }

    /// Sets or ends a fault. Requests already being answered are not affected.
    pub fn set_fault(&self, fault: Option<Fault>) {
        *self
            .shared
            .fault
            .write()
            .unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Replaces the script.
    pub fn set_script(&self, script: impl Scripted) {
        *self
            .shared
            .script
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(script);
    }

    /// Closes the listener and every connection, and waits until that is done.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

impl fmt::Debug for MessagesApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessagesApi")
            .field("addr", &self.addr())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn fault(&self) -> Option<Fault> {
        *self.fault.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn script(&self) -> Arc<dyn Scripted> {
        Arc::clone(&self.script.read().unwrap_or_else(PoisonError::into_inner))
    }
}
