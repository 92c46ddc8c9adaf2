//! The connection to the engine: made when first needed, dropped when it fails.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::errors::Error as DockerError;
use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker};

use super::PROVIDER;
use crate::compute::ComputeError;
use crate::error::chain;

/// Longest time for one call; the engine answers within milliseconds unless its disk is slow.
const CALL: Duration = Duration::from_secs(60);
/// Longest time to find out that nobody answers.
const CONNECT: Duration = Duration::from_secs(10);
/// Read and write limit of one connection, above every limit here.
const SOCKET_SECONDS: u64 = 600;
const LOCAL_SOCKET: &str = "unix:///var/run/docker.sock";

/// The engine.
#[derive(Debug)]
pub struct Engine {
    host: Option<String>,
    client: Mutex<Option<Docker>>,
}

/// A call that failed.
#[derive(Debug)]
pub struct CallError {
    action: &'static str,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Docker(DockerError),
    TimedOut(Duration),
}

impl Engine {
    /// The engine at `host`, else at `DOCKER_HOST`, else at the local socket.
    pub fn new(host: Option<String>) -> Self {
        Self {
            host,
            client: Mutex::default(),
        }
    }

    /// Waits for the answer to a question that a client asks; `action` names it as a verb.
    pub async fn call<T>(
        &self,
        action: &'static str,
        question: impl Future<Output = Result<T, DockerError>>,
    ) -> Result<T, CallError> {
        self.call_within(Duration::ZERO, action, question).await
    }

    /// As [`Engine::call`], for what is expected to take `longer` than other calls.
    pub async fn call_within<T>(
        &self,
        longer: Duration,
        action: &'static str,
        question: impl Future<Output = Result<T, DockerError>>,
    ) -> Result<T, CallError> {
        let limit = CALL + longer;
        let cause = match tokio::time::timeout(limit, question).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => Cause::Docker(error),
            Err(_) => Cause::TimedOut(limit),
        };
        if !matches!(
            cause,
            Cause::Docker(DockerError::DockerResponseServerError { .. })
        ) {
            // Perhaps another engine answers next time, with another version.
            self.set(None);
        }
        Err(CallError { action, cause })
    }

    /// A client of the engine, connected now or earlier.
    pub async fn client(&self) -> Result<Docker, CallError> {
        let known = self.lock().clone();
        if let Some(client) = known {
            return Ok(client);
        }
        let failed = |cause| CallError {
            action: "answer",
            cause,
        };
        let client = match tokio::time::timeout(CONNECT, self.negotiate()).await {
            Ok(client) => client.map_err(|error| failed(Cause::Docker(error)))?,
            Err(_) => return Err(failed(Cause::TimedOut(CONNECT))),
        };
        self.set(Some(client.clone()));
        Ok(client)
    }

    async fn negotiate(&self) -> Result<Docker, DockerError> {
        match self.connect(API_DEFAULT_VERSION)?.negotiate_version().await {
            // An older engine refuses even this question, asked in a newer version than its own.
            Err(DockerError::DockerResponseServerError {
                message,
                status_code,
            }) => match newest_of(&message) {
                Some(version) => self.connect(&version),
                None => Err(DockerError::DockerResponseServerError {
                    message,
                    status_code,
                }),
            },
            negotiated => negotiated,
        }
    }

    /// Whether it is on this host, as far as its address tells.
    pub fn is_local(&self) -> bool {
        self.address().starts_with("unix://")
    }

    fn address(&self) -> String {
        match &self.host {
            Some(host) => host.clone(),
            None => std::env::var("DOCKER_HOST").unwrap_or_else(|_| LOCAL_SOCKET.to_owned()),
        }
    }

    fn connect(&self, version: &ClientVersion) -> Result<Docker, DockerError> {
        let host = self.address();
        if host.starts_with("unix://") {
            return Docker::connect_with_unix(&host, SOCKET_SECONDS, version);
        }
        if host.starts_with("tcp://") || host.starts_with("http://") {
            return Docker::connect_with_http(&host, SOCKET_SECONDS, version);
        }
        Err(DockerError::UnsupportedURISchemeError { uri: host })
    }

    fn set(&self, client: Option<Docker>) {
        *self.lock() = client;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Docker>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The version an engine names when it refuses a newer one: "client version 1.53 is too new.
/// Maximum supported API version is 1.41".
fn newest_of(message: &str) -> Option<ClientVersion> {
    let (major, minor) = message
        .split_once("Maximum supported API version is ")?
        .1
        .trim()
        .split_once('.')?;
    Some(ClientVersion {
        major_version: major.parse().ok()?,
        minor_version: minor.parse().ok()?,
    })
}

/// Whether the engine answered with this HTTP status.
pub fn is_status(error: &CallError, status: u16) -> bool {
    matches!(
        &error.cause,
        Cause::Docker(DockerError::DockerResponseServerError { status_code, .. }) if *status_code == status
    )
}

/// Takes an answer with this status for success.
pub fn unless(answer: Result<(), CallError>, status: u16) -> Result<(), ComputeError> {
    match answer {
        Err(error) if !is_status(&error, status) => Err(error.into()),
        _ => Ok(()),
    }
}

impl From<CallError> for ComputeError {
    fn from(error: CallError) -> Self {
        match error.cause {
            Cause::Docker(DockerError::DockerResponseServerError { message, .. }) => Self::Failed {
                provider: PROVIDER,
                action: error.action,
                message,
            },
            Cause::Docker(cause) => Self::Unavailable(silent(&chain(&cause))),
            Cause::TimedOut(limit) => {
                Self::Unavailable(silent(&format!("no answer within {} s", limit.as_secs())))
            }
        }
    }
}

fn silent(why: &str) -> String {
    format!("{PROVIDER} does not answer: {why}")
}
