//! How an agent gets its token: as the first line of its standard input, at its start. It lies in
//! no file, no environment and no command line. (A file in the container takes the engine 50 ms,
//! a fifth of a start: it mounts the container's root for it.)

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::query_parameters::AttachContainerOptions;
use ff_protocol::VmId;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::engine::{Engine, is_status};
use super::names::container_name;
use super::{MISSING, PROVIDER};
use crate::agent::AgentToken;
use crate::compute::ComputeError;

/// Longest time until a started container takes its input.
const GIVE: Duration = Duration::from_secs(10);

/// Tokens of machines that are about to start, each with the way into its container.
#[derive(Debug, Default)]
pub struct Tokens(Mutex<HashMap<VmId, Held>>);

/// A token on its way.
pub struct Held {
    input: Pin<Box<dyn AsyncWrite + Send>>,
    token: AgentToken,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

impl Tokens {
    /// Opens the way into a container that does not run, in place of one opened before.
    pub async fn hold(
        &self,
        engine: &Engine,
        vm: &VmId,
        token: &AgentToken,
    ) -> Result<(), ComputeError> {
        let options = AttachContainerOptions {
            stdin: true,
            stream: true,
            ..Default::default()
        };
        let docker = engine.client().await?;
        let name = container_name(vm);
        let question = docker.attach_container(&name, Some(options));
        let attached = match engine.call("attach to a container", question).await {
            Err(error) if is_status(&error, MISSING) => {
                return Err(ComputeError::MachineMissing(vm.clone()));
            }
            attached => attached?,
        };
        let held = Held {
            input: attached.input,
            token: token.clone(),
        };
        self.lock().insert(vm.clone(), held);
        Ok(())
    }

    /// Takes what was held for a machine.
    pub fn take(&self, vm: &VmId) -> Option<Held> {
        self.lock().remove(vm)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<VmId, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Gives it to the container, which runs by now.
    pub async fn give(mut self) -> Result<(), ComputeError> {
        let line = format!("{}\n", self.token.expose());
        let giving = async {
            self.input.write_all(line.as_bytes()).await?;
            self.input.flush().await
        };
        let why = match tokio::time::timeout(GIVE, giving).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it was not taken within {} s", GIVE.as_secs()),
        };
        Err(ComputeError::Failed {
            provider: PROVIDER,
            action: "give an agent its token",
            message: why,
        })
    }
}
