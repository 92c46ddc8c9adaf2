//! What changes in the VM, as it changes.

use std::time::Duration;

use ff_protocol::VmId;
use ff_protocol::onboarding::Onboarding;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::context::Connection;

/// Longest wait of one call.
const WAIT: Duration = Duration::from_secs(30);
/// Before it is asked again after an error: the server may be restarting, the VM asleep.
const PAUSE: Duration = Duration::from_secs(2);

/// One task that asks for news, until this is dropped.
pub struct News {
    seen: watch::Receiver<Onboarding>,
    _task: AbortOnDropHandle<()>,
}

impl News {
    /// Begins to ask.
    pub fn begin(cloud: &Connection, vm: &VmId, seen: Onboarding) -> Self {
        let (client, vm) = (cloud.client.clone(), vm.clone());
        let (tell, told) = watch::channel(seen);
        let task = tokio::spawn(async move {
            loop {
                let version = tell.borrow().version.clone();
                match client.onboarding_after(&vm, &version, WAIT).await {
                    Ok(seen) if seen.version != version => tell.send_replace(seen),
                    Ok(seen) => {
                        // An agent that knows no versions answers at once.
                        if seen.version.is_empty() {
                            tell.send_replace(seen);
                            tokio::time::sleep(PAUSE).await;
                        }
                        continue;
                    }
                    Err(error) => {
                        tracing::debug!(%error, "no news of the VM");
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                };
            }
        });
        Self {
            seen: told,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// What was seen last.
    pub fn now(&self) -> Onboarding {
        self.seen.borrow().clone()
    }

    /// Waits until this holds.
    pub async fn until(&self, holds: impl FnMut(&Onboarding) -> bool) {
        let mut seen = self.seen.clone();
        let held = seen.wait_for(holds).await.is_ok();
        if !held {
            // The task has died with its news.
            std::future::pending::<()>().await;
        }
    }
}
