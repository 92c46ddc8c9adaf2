//! What is passed on to a VM's agent, over its sleep and its restarts.

use std::time::{Duration, Instant};

use ff_client::raw::RawResponse;

use super::{Purpose, Route, WorkspaceService};
use crate::Result;
use crate::agent::{Forward, Outcome, forward};
use crate::services::vm::{Standing, suspended};

/// How often it is looked whether the VM sleeps by now, while its agent has not answered.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long an answer may still be on its way from a machine that has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What an attempt has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    Quiesced,
    Nothing { perhaps_executed: bool },
}

/// Where the next attempt would stand.
#[derive(Debug, Clone, Copy)]
struct Stand {
    /// The request's body can be sent again.
    body: bool,
    /// Executing it twice does what executing it once does.
    may_repeat: bool,
    /// Once already nobody answered.
    lost: bool,
    /// There is time left.
    time: bool,
}

/// Whether the request is sent once more. What a quiesced agent refuses it has not executed.
fn again(came: Came, stand: Stand) -> bool {
    stand.body
        && match came {
            Came::Quiesced => stand.time,
            Came::Nothing { perhaps_executed } => {
                !stand.lost && (!perhaps_executed || stand.may_repeat)
            }
        }
}

impl WorkspaceService {
    /// Passes a request on and answers with what the agent says, an error status too. An agent
    /// that is quiesced is asked again when it is awake, until callers wait no longer for a VM;
    /// one that does not answer is looked for once more, if that cannot do anything twice.
    ///
    /// # Errors
    /// `agent_unavailable`, `timeout`; `suspended` for a read whose VM went to sleep before it
    /// was answered; what waking the VM may answer.
    pub async fn pass(&self, mut route: Route, mut request: Forward<'_>) -> Result<RawResponse> {
        let until = Instant::now() + self.vms.wait();
        let (mut pause, mut lost) = (Duration::ZERO, false);
        loop {
            let outcome = self.attempt(&route, &mut request).await?;
            let stand = Stand {
                body: request.body.is_there(),
                may_repeat: request.may_repeat(),
                lost,
                time: Instant::now() < until,
            };
            match outcome {
                Outcome::Answer(answer) => return Ok(answer),
                Outcome::Quiesced(refusal) => {
                    if !again(Came::Quiesced, stand) {
                        return Ok(refusal);
                    }
                    // The first time its row says already that it goes to sleep.
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
                }
                Outcome::Nothing {
                    perhaps_executed,
                    error,
                } => {
                    self.vms.doubt(&route.vm_id);
                    self.agents.forget(&route.vm_id);
                    if !again(Came::Nothing { perhaps_executed }, stand) {
                        return Err(error);
                    }
                    lost = true;
                }
                Outcome::Late(error) => {
                    self.vms.doubt(&route.vm_id);
                    return Err(error);
                }
            }
            route = self.again(&route).await?;
        }
    }

    /// The same way, found anew.
    ///
    /// # Errors
    /// As for the first one.
    pub async fn again(&self, route: &Route) -> Result<Route> {
        self.to_agent(&route.vm_id, route.purpose).await
    }

    /// What `work` with the agent comes to; `None` as soon as its VM sleeps or is another, whose
    /// agent would answer late or never.
    ///
    /// # Errors
    /// The database fails.
    pub async fn while_awake<T>(
        &self,
        route: &Route,
        work: impl Future<Output = T>,
    ) -> Result<Option<T>> {
        let mut moves = self.vms.moves(&route.vm_id);
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(Some(done)),
                () = moves.next(LOOK_AGAIN) => {}
            }
            match self.vms.standing(&route.vm_id, &route.start).await? {
                Standing::Awake | Standing::Suspending => {}
                _ => return Ok(None),
            }
        }
    }

    async fn attempt(&self, route: &Route, request: &mut Forward<'_>) -> Result<Outcome> {
        let sending = forward(&route.agent, request);
        if route.purpose == Purpose::Read {
            return self
                .while_awake(route, sending)
                .await?
                .ok_or_else(suspended);
        }
        tokio::pin!(sending);
        if let Some(done) = self.while_awake(route, &mut sending).await? {
            return Ok(done);
        }
        // It lies in the sleeping VM, which executes it once it wakes, or not any more after its
        // deadline: nobody may say before that nothing was done.
        let woken = tokio::select! {
            done = &mut sending => return Ok(done),
            woken = self.vms.awake(&route.vm_id) => woken,
        };
        let standing = self.vms.standing(&route.vm_id, &route.start).await?;
        let outcome = match standing {
            // Whoever had it is no more.
            Standing::Replaced | Standing::Gone => tokio::time::timeout(LAST_WORDS, sending)
                .await
                .unwrap_or_else(|_| Outcome::nothing(true)),
            _ => sending.await,
        };
        match (woken, outcome) {
            (Err(error), Outcome::Late(_) | Outcome::Nothing { .. }) => Err(error),
            (_, outcome) => Ok(outcome),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Stand = Stand {
        body: true,
        may_repeat: true,
        lost: false,
        time: true,
    };

    #[test]
    fn what_was_perhaps_executed_is_repeated_only_where_that_is_harmless() {
        let (sent, unsent) = (
            Came::Nothing {
                perhaps_executed: true,
            },
            Came::Nothing {
                perhaps_executed: false,
            },
        );
        let once = Stand {
            may_repeat: false,
            ..FREE
        };
        assert!(again(sent, FREE) && !again(sent, once));
        assert!(again(unsent, FREE) && again(unsent, once));
        let lost = Stand { lost: true, ..FREE };
        assert!(!again(sent, lost) && !again(unsent, lost));
    }

    #[test]
    fn a_quiesced_agent_is_asked_until_the_time_is_up_or_the_body_has_gone_by() {
        let unsafe_one = Stand {
            may_repeat: false,
            lost: true,
            ..FREE
        };
        assert!(again(Came::Quiesced, FREE) && again(Came::Quiesced, unsafe_one));
        let late = Stand {
            time: false,
            ..FREE
        };
        let spent = Stand {
            body: false,
            ..FREE
        };
        assert!(!again(Came::Quiesced, late) && !again(Came::Quiesced, spent));
    }
}
