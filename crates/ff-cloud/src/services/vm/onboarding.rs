//! What the user has still to do in a VM.

use ff_protocol::vm::Onboarding;
use ff_protocol::{ErrorCode, UserId, VmId};

use super::VmService;
use crate::Result;
use crate::agent::failure;

impl VmService {
    /// What the user has done and has still to do in the VM, as its agent sees it; `wake` says
    /// whether a sleeping VM is woken for it.
    ///
    /// # Errors
    /// `not_found`, also when it is another user's; `suspended` while it sleeps; what waking it
    /// and asking its agent may answer.
    pub async fn onboarding(
        &self,
        id: &VmId,
        user: Option<&UserId>,
        wake: bool,
    ) -> Result<Onboarding> {
        self.get(id, user).await?;
        // Once more, because its machine may have ended a moment ago.
        match self.ask_onboarding(id, wake).await {
            Err(error) if error.code() == ErrorCode::AgentUnavailable => {
                self.doubt(id);
                self.ask_onboarding(id, wake).await
            }
            asked => asked,
        }
    }

    async fn ask_onboarding(&self, id: &VmId, wake: bool) -> Result<Onboarding> {
        let endpoint = match wake {
            true => self.awake(id).await?,
            false => self.running(id).await?,
        };
        let agent = self.0.agents.client(&endpoint).await?;
        agent.onboarding().await.map_err(failure)
    }
}
