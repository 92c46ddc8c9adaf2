//! Verified clients of agents.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ff_client::{AgentClient, ClientError, Connections};
use ff_protocol::{ErrorCode, PROTOCOL_GENERATION, Problem, VmId};

use super::Endpoint;
use crate::error::{Error, Result, chain};

/// Most verified agents remembered; beyond that all are verified anew.
const REMEMBERED: usize = 20_000;

/// Makes clients of agents and remembers which have proved themselves.
#[derive(Debug, Clone)]
pub struct AgentLink {
    connections: Connections,
    verified: Arc<Mutex<HashMap<VmId, Verified>>>,
}

#[derive(Debug)]
struct Verified {
    base_url: String,
    start: String,
    client: AgentClient,
}

impl AgentLink {
    /// A link that knows nobody yet.
    ///
    /// # Errors
    /// The system gives no access to its network settings.
    pub fn new() -> Result<Self> {
        let connections = Connections::new().map_err(|error| Error::Bug(chain(&error)))?;
        Ok(Self {
            connections,
            verified: Arc::default(),
        })
    }

    /// A client of the agent at `endpoint`, which has proved to be that VM's since the
    /// container's start.
    ///
    /// # Errors
    /// `agent_unavailable` when nothing answers there, or something else does.
    pub async fn client(&self, endpoint: &Endpoint) -> Result<AgentClient> {
        if let Some(client) = self.known(endpoint) {
            return Ok(client);
        }
        let client = AgentClient::over(
            &self.connections,
            endpoint.vm_id.clone(),
            &endpoint.base_url,
            endpoint.token.clone(),
        )
        .map_err(failure)?;
        let hello = client.hello(&nonce()?).await.map_err(failure)?;
        if hello.generation < PROTOCOL_GENERATION {
            tracing::info!(vm_id = %endpoint.vm_id, generation = hello.generation, "an older agent");
        }
        self.remember(endpoint, client.clone());
        Ok(client)
    }

    /// Forgets a VM's agent, so that it has to prove itself again.
    pub fn forget(&self, vm_id: &VmId) {
        self.lock().remove(vm_id);
    }

    fn known(&self, endpoint: &Endpoint) -> Option<AgentClient> {
        let verified = self.lock();
        let known = verified.get(&endpoint.vm_id)?;
        let same = known.base_url == endpoint.base_url && known.start == endpoint.start;
        same.then(|| known.client.clone())
    }

    fn remember(&self, endpoint: &Endpoint, client: AgentClient) {
        let mut verified = self.lock();
        if verified.len() >= REMEMBERED {
            verified.clear();
        }
        let entry = Verified {
            base_url: endpoint.base_url.clone(),
            start: endpoint.start.clone(),
            client,
        };
        verified.insert(endpoint.vm_id.clone(), entry);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<VmId, Verified>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 16 random bytes, hex.
fn nonce() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Bug(format!("no random numbers: {error}")))?;
    Ok(hex::encode(bytes))
}

/// What a failed call to an agent means to our own caller: a refusal passes unchanged, anything
/// else is an agent that does not answer.
pub fn failure(error: ClientError) -> Error {
    match error {
        // An agent's 401 is between it and us, not between us and the caller.
        ClientError::Problem(problem) if problem.code != ErrorCode::Unauthorized => {
            Error::Refused(problem)
        }
        ClientError::Timeout { after, .. } => Error::Refused(Problem::new(
            ErrorCode::Timeout,
            format!(
                "the agent in the VM did not answer within {} s",
                after.as_secs()
            ),
        )),
        error => {
            tracing::warn!(error = %chain(&error), "agent unavailable");
            unavailable()
        }
    }
}

/// The agent does not answer as it should.
pub(super) fn unavailable() -> Error {
    let detail = "the agent in the VM does not answer";
    Error::refused(ErrorCode::AgentUnavailable, detail).hint("try again in a moment")
}
