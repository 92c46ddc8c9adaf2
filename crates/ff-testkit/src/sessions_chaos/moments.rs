//! The moments: how each is brought about for certain, and what must come of a kill in it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ff_protocol::session::{EntryKind, TurnOutcome};

use super::model::{Act, SECOND_HALF};
use super::scene::Scene;
use super::schedule::{Moment, Victim};
use crate::journey::process::eventually;
use crate::messages::Gate;

const SOON: Duration = Duration::from_secs(20);

impl Scene<'_> {
    /// Brings the moment about, kills, and looks at what comes of it.
    ///
    /// # Errors
    /// What does not hold.
    pub async fn play(&mut self) -> Result<()> {
        match self.kill.moment {
            Moment::PromptUnacknowledged => self.prompt_unacknowledged().await,
            Moment::MidDelta => self.mid_delta().await,
            Moment::ToolRunning => self.tool_running().await,
            Moment::PermissionOpen => self.permission_open().await,
            Moment::AnswerSent => self.answer_sent().await,
            Moment::ResultUnwritten => self.result_unwritten().await,
        }
    }

    async fn prompt_unacknowledged(&mut self) -> Result<()> {
        self.act(Act::Say);
        let message = self.message("prompt");
        let mut may_be_cut = false;
        let said = match (self.kill.victim, self.kill.other_way) {
            // The CLI has it and has not looked at it.
            (Victim::Cli, true) => {
                self.stage.machine.signal_cli(&self.session, "STOP").await?;
                let said = self.saying(&message);
                self.strike_when_given(&message.id.to_string()).await?;
                said
            }
            // The agent has entered it, and the server does not say so.
            (Victim::Agent | Victim::Server, true) => {
                let said = self.before_agent(|scene| scene.saying(&message)).await?;
                self.stage.world.freeze_server(true)?;
                self.stage.machine.signal_agent("CONT").await?;
                let (machine, id) = (&self.stage.machine, message.id.to_string());
                eventually("the message is entered", SOON, async || {
                    Ok(machine.has_message(&id).await?.then_some(()))
                })
                .await?;
                ensure!(!said.is_finished(), "it is acknowledged");
                self.strike().await?;
                if self.kill.victim == Victim::Agent {
                    self.stage.world.freeze_server(false)?;
                    // The model may have had it by then.
                    may_be_cut = true;
                }
                said
            }
            // The agent has it and has not entered it.
            _ => {
                let (hold, said) = self.unwritten(|scene| scene.saying(&message)).await?;
                self.strike().await?;
                hold.release().await?;
                said
            }
        };
        self.restore().await?;
        said.await??;
        let detail = self.rests(1).await?;
        let outcome = detail.session.last_turn.map(|turn| turn.outcome);
        match outcome {
            Some(TurnOutcome::Completed) => self.asked(&message, 1)?,
            outcome => ensure!(
                may_be_cut && outcome == Some(TurnOutcome::Interrupted),
                "a message that no CLI took up ended as {outcome:?}"
            ),
        }
        self.go_on("after").await.map(drop)
    }

    /// Kills the CLI, which stands still, once it was given a message.
    async fn strike_when_given(&mut self, id: &str) -> Result<()> {
        let machine = &self.stage.machine;
        eventually("the message is entered", SOON, async || {
            Ok(machine.has_message(id).await?.then_some(()))
        })
        .await?;
        let session = &self.session;
        let given = |detail: &ff_protocol::session::SessionDetail| detail.session.queued == 0;
        self.stage
            .until(session, "the CLI is given the message", given)
            .await?;
        self.strike().await
    }

    async fn mid_delta(&mut self) -> Result<()> {
        let gate = Gate::default();
        self.act(Act::Stream(gate.clone()));
        let first = self.say("first").await?;
        self.half_said().await?;
        let second = self.say("second").await?;
        self.strike().await?;
        self.restore().await?;
        if !self.kill.victim.cuts() {
            gate.open();
            self.completes(2).await?;
            self.asked(&first, 1)?;
            return self.asked(&second, 1);
        }
        self.is_cut(1).await?;
        self.asked(&first, 1)?;
        self.asked(&second, 0)?;
        gate.open();
        // The next message lets the one that waits go on, before it.
        let third = self.say("third").await?;
        self.completes(2).await?;
        for message in [&first, &second, &third] {
            self.asked(message, 1)?;
        }
        Ok(())
    }

    async fn tool_running(&mut self) -> Result<()> {
        let (append, end) = (self.append(), self.file("end"));
        let wait = format!("{append}; until [ -e {end} ]; do sleep 0.1; done; echo through");
        self.act(Act::Tool(wait));
        let message = self.say("tool").await?;
        eventually("the tool runs", SOON, async || Ok(self.lines(1).await.ok())).await?;
        self.strike().await?;
        self.restore().await?;
        let touch = format!("touch {end}");
        if self.kill.victim.cuts() {
            self.is_cut(0).await?;
            self.stage.machine.shell(&touch).await?;
            self.go_on("after").await?;
        } else {
            self.stage.machine.shell(&touch).await?;
            self.completes(1).await?;
        }
        self.asked(&message, 1)?;
        self.lines(1).await
    }

    async fn permission_open(&mut self) -> Result<()> {
        self.act(Act::Tool(self.append()));
        let message = self.say("permission").await?;
        let request = self.request(0).await?;
        self.strike().await?;
        self.restore().await?;
        if !self.kill.victim.cuts() {
            self.answering(&request, true).await??;
            self.completes(1).await?;
            self.asked(&message, 1)?;
            return self.lines(1).await;
        }
        let detail = self.is_cut(0).await?;
        let mut answers = detail
            .messages
            .iter()
            .filter(|it| it.kind == EntryKind::Answer);
        let orphaned = answers.any(|it| {
            it.payload["requestId"] == request.as_str() && it.payload["outcome"] == "orphaned"
        });
        ensure!(orphaned, "the request is not orphaned");
        self.lines(0).await?;
        if self.kill.other_way {
            self.act(Act::Tool(format!("{}; true", self.append())));
            self.answering(&request, true).await??;
            let other = self.request(1).await.context("it counted for another")?;
            self.lines(0).await?;
            ensure!(other != request, "another request has the same id");
            self.answering(&other, false).await??;
            self.completes(1).await?;
            self.lines(0).await?;
        } else {
            self.answering(&request, true).await??;
            let detail = self.completes(1).await?;
            let requests = detail
                .messages
                .iter()
                .filter(|it| it.kind == EntryKind::Request);
            let asked = requests.count();
            ensure!(asked == 1, "the user was asked {asked} times");
            self.lines(1).await?;
        }
        self.asked(&message, 1)
    }

    async fn answer_sent(&mut self) -> Result<()> {
        self.act(Act::Tool(self.append()));
        let message = self.say("answer").await?;
        let request = self.request(0).await?;
        let mut is_entered = true;
        if self.kill.other_way {
            // The agent has it and has not entered it.
            let (hold, answered) = self
                .unwritten(|scene| scene.answering(&request, true))
                .await?;
            self.strike().await?;
            hold.release().await?;
            self.restore().await?;
            answered.await??;
            is_entered = self.kill.victim == Victim::Cli;
        } else {
            // It is entered and given to the CLI, which has not looked at it.
            self.stage.machine.signal_cli(&self.session, "STOP").await?;
            self.answering(&request, true).await??;
            self.strike().await?;
            self.restore().await?;
            if self.kill.victim == Victim::Server {
                self.stage.machine.signal_cli(&self.session, "CONT").await?;
            }
        }
        match (self.kill.victim.cuts(), is_entered) {
            (false, _) => self.completes(1).await.map(drop)?,
            // It came when its CLI was gone: the next one asks the same, and nobody is asked again.
            (true, false) => self.completes(2).await.map(drop)?,
            // Its CLI is gone with it, and did nothing.
            (true, true) => {
                self.is_cut(0).await?;
                self.lines(0).await?;
                let again = self.say("again").await?;
                let request = self.request(1).await?;
                self.lines(0).await?;
                self.answering(&request, true).await??;
                self.completes(1).await?;
                self.asked(&again, 1)?;
            }
        }
        self.asked(&message, 1)?;
        self.lines(1).await
    }

    async fn result_unwritten(&mut self) -> Result<()> {
        let gate = Gate::default();
        self.act(Act::Stream(gate.clone()));
        let before = self.stage.machine.ended_turns(&self.conversation).await?;
        let message = self.say("result").await?;
        self.half_said().await?;
        let hold = self.stage.machine.hold_database().await?;
        gate.open();
        let (machine, conversation) = (&self.stage.machine, &self.conversation);
        eventually("the CLI is through", SOON, async || {
            let ended = machine.ended_turns(conversation).await?;
            Ok((ended > before).then_some(()))
        })
        .await?;
        self.strike().await?;
        hold.release().await?;
        self.restore().await?;
        let detail = self.completes(1).await?;
        let result = detail.session.last_turn.and_then(|turn| turn.result);
        ensure!(
            result
                .as_ref()
                .is_some_and(|text| text.contains(SECOND_HALF)),
            "the result is {result:?}"
        );
        self.asked(&message, 1)?;
        self.go_on("after").await?;
        self.asked(&message, 1)
    }
}
