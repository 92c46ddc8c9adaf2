//! One kill: a session of its own, what is said and answered in it, and what was done outside.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ff_protocol::session::{
    Activity, Answer, EntryKind, PermissionPreset, SessionDetail, SessionStatus, StartSession,
    TurnOutcome,
};
use ff_protocol::{ClientId, RequestId, SessionId};
use tokio_util::task::AbortOnDropHandle;

use super::machine::Hold;
use super::model::{Act, FIRST_HALF};
use super::schedule::{Kill, Moment, Victim};
use super::stage::{Message, Stage, answer, ended, say};
use crate::journey::process::eventually;

const SOON: Duration = Duration::from_secs(20);
/// Longest way of a request to the agent.
const COMES: Duration = Duration::from_secs(8);
/// Bytes that make a request stand out among others on its way.
const PADDING: usize = 8000;

/// The moment did not come, so nobody was killed.
#[derive(Debug, thiserror::Error)]
#[error("the moment was missed: the request does not lie before the agent")]
pub struct Missed;

/// Something under way that is awaited later.
pub type Under = AbortOnDropHandle<Result<()>>;

/// A session, and a kill in it.
pub struct Scene<'a> {
    /// Where.
    pub stage: &'a mut Stage,
    /// Who is killed, and when.
    pub kill: Kill,
    /// The session.
    pub session: SessionId,
    /// The CLI's id of the conversation.
    pub conversation: String,
    /// Turns that have ended before.
    pub turns: usize,
    /// Whether the victim was killed in the moment.
    pub hit: bool,
}

impl<'a> Scene<'a> {
    /// Starts the session, and has it through a first turn if there has to be a CLI or chance
    /// wants it.
    ///
    /// # Errors
    /// It does not get there.
    pub async fn begin(stage: &'a mut Stage, kill: Kill) -> Result<Self> {
        let asks = matches!(kill.moment, Moment::PermissionOpen | Moment::AnswerSent);
        let preset = match asks {
            true => PermissionPreset::Strict,
            false => PermissionPreset::Relaxed,
        };
        let start = StartSession {
            permissions: Some(preset),
            name: Some(kill.to_string()),
            ..StartSession::default()
        };
        let session = stage.engine.start_session(&stage.workspace, &start).await?;
        let mut scene = Self {
            stage,
            kill,
            session: session.id,
            conversation: session.provider_session_id,
            turns: 0,
            hit: false,
        };
        let needs_cli = kill.victim == Victim::Cli && kill.moment == Moment::PromptUnacknowledged;
        if needs_cli || kill.other_way {
            scene.go_on("before").await?;
        }
        Ok(scene)
    }

    /// What the model does from now on.
    pub fn act(&self, act: Act) {
        self.stage.model.act(&self.conversation, act);
    }

    /// A message that nobody has said.
    pub fn message(&mut self, role: &str) -> Message {
        let id = ClientId::generate();
        let text = format!("{} {role} {id} {}", self.kill, "x".repeat(PADDING));
        let message = Message { id, text };
        self.stage.said.push(message.clone());
        message
    }

    /// Says it, in a task of its own.
    pub fn saying(&self, message: &Message) -> Under {
        let (engine, workspace) = (self.stage.engine.clone(), self.stage.workspace.clone());
        let say = say(engine, workspace, self.session.clone(), message.clone());
        AbortOnDropHandle::new(tokio::spawn(say))
    }

    /// Says it, and waits until that is acknowledged.
    ///
    /// # Errors
    /// It is not.
    pub async fn say(&mut self, role: &str) -> Result<Message> {
        let message = self.message(role);
        self.saying(&message).await??;
        Ok(message)
    }

    /// Says something that the model answers at once, and waits for that.
    ///
    /// # Errors
    /// The turn does not complete.
    pub async fn go_on(&mut self, role: &str) -> Result<Message> {
        self.act(Act::Say);
        let message = self.say(role).await?;
        self.completes(1).await?;
        self.asked(&message, 1)?;
        Ok(message)
    }

    /// The id of the session's n-th request, once a client is told of it.
    ///
    /// # Errors
    /// There is none.
    pub async fn request(&self, nth: usize) -> Result<RequestId> {
        let session = &self.session;
        let wanted = |seen: &super::follower::Seen| {
            let request = seen.of(session, EntryKind::Request).nth(nth)?;
            Some(request.payload["requestId"].clone())
        };
        let client = self.stage.client()?;
        let id = client.until("the user is asked", wanted).await?;
        Ok(serde_json::from_value(id)?)
    }

    /// Answers, in a task of its own.
    pub fn answering(&self, request: &RequestId, allow: bool) -> Under {
        let given = Answer {
            request_id: request.clone(),
            allow,
            message: Some("x".repeat(PADDING)),
            answers: None,
            other: None,
            id: Some(ClientId::generate()),
            by: None,
        };
        let (engine, workspace) = (self.stage.engine.clone(), self.stage.workspace.clone());
        let answer = answer(engine, workspace, self.session.clone(), given);
        AbortOnDropHandle::new(tokio::spawn(answer))
    }

    /// Waits until a client was told half of the answer.
    ///
    /// # Errors
    /// It is not.
    pub async fn half_said(&self) -> Result<()> {
        let session = &self.session;
        let half = |seen: &super::follower::Seen| {
            let said = seen.deltas.get(session)?;
            said.contains(FIRST_HALF).then_some(())
        };
        self.stage.client()?.until("half an answer", half).await
    }

    /// Has a request lie unread before the agent, whose process stands still from now on.
    ///
    /// # Errors
    /// [`Missed`]; the agent goes on then.
    pub async fn before_agent(&self, send: impl FnOnce(&Self) -> Under) -> Result<Under> {
        let machine = &self.stage.machine;
        // A server that doubts the agent asks for its proof first, which one that stands still
        // does not give.
        let known = |_: &SessionDetail| true;
        self.stage
            .until(&self.session, "it is known", known)
            .await?;
        machine.signal_agent("STOP").await?;
        let sent = send(self);
        let lies = eventually("the request lies before the agent", COMES, async || {
            Ok((machine.unread().await? > PADDING as u64 / 2).then_some(()))
        });
        if lies.await.is_err() {
            machine.signal_agent("CONT").await?;
            return Err(Missed.into());
        }
        Ok(sent)
    }

    /// Has a request in the hands of an agent that cannot write what comes of it.
    ///
    /// # Errors
    /// It does not get there.
    pub async fn unwritten(&self, send: impl FnOnce(&Self) -> Under) -> Result<(Hold, Under)> {
        let machine = &self.stage.machine;
        let hold = machine.hold_database().await?;
        let sent = match self.before_agent(send).await {
            Ok(sent) => sent,
            Err(error) => {
                hold.release().await?;
                return Err(error);
            }
        };
        machine.signal_agent("CONT").await?;
        eventually("the agent reads the request", SOON, async || {
            Ok((machine.unread().await? < PADDING as u64 / 2).then_some(()))
        })
        .await?;
        ensure!(!sent.is_finished(), "it is acknowledged, and unwritten");
        Ok((hold, sent))
    }

    /// Kills the victim: the moment has come.
    ///
    /// # Errors
    /// It is not there.
    pub async fn strike(&mut self) -> Result<()> {
        self.stage.kill(self.kill.victim, &self.session).await?;
        self.hit = true;
        Ok(())
    }

    /// Has the victim come back.
    ///
    /// # Errors
    /// It does not.
    pub async fn restore(&mut self) -> Result<()> {
        self.stage.restore(self.kill.victim).await
    }

    /// Waits until so many turns more have ended and nothing is under way.
    ///
    /// # Errors
    /// It does not come to rest.
    pub async fn rests(&mut self, turns: usize) -> Result<SessionDetail> {
        self.turns += turns;
        let due = self.turns;
        let detail = self
            .stage
            .until(&self.session, "it rests", |it| {
                let waits = it.session.queued > 0 && !it.session.held;
                ended(it) >= due && it.session.activity == Activity::Idle && !waits
            })
            .await?;
        let ended = ended(&detail);
        ensure!(
            ended == due,
            "{ended} turns have ended where {due} were due"
        );
        Ok(detail)
    }

    /// Waits until so many turns more have ended, the last of them as it should.
    ///
    /// # Errors
    /// It has not.
    pub async fn completes(&mut self, turns: usize) -> Result<SessionDetail> {
        let detail = self.rests(turns).await?;
        ensure!(
            outcome(&detail) == Some(TurnOutcome::Completed),
            "the turn ended as {:?}",
            detail.session.last_turn
        );
        Ok(detail)
    }

    /// Waits until the turn is cut, and nothing that it had started runs any more; `held` messages
    /// wait for the user.
    ///
    /// # Errors
    /// It is not, or something does.
    pub async fn is_cut(&mut self, held: u32) -> Result<SessionDetail> {
        self.turns += 1;
        let due = self.turns;
        let detail = self
            .stage
            .until(&self.session, "its turn is cut", |it| {
                ended(it) >= due && it.session.status != SessionStatus::Running
            })
            .await?;
        let (session, outcome) = (&detail.session, outcome(&detail));
        // A CLI that outlives its agent refuses what it has asked and goes on by itself, until the
        // next agent ends it.
        let went_on = self.kill.victim == Victim::BareAgent
            && self.kill.moment == Moment::PermissionOpen
            && outcome == Some(TurnOutcome::Completed);
        ensure!(
            outcome == Some(TurnOutcome::Interrupted) || went_on,
            "the turn ended as {:?}",
            session.last_turn
        );
        ensure!(
            (session.queued, session.held) == (held, held > 0),
            "{} messages wait, held: {}",
            session.queued,
            session.held
        );
        self.stage.machine.nothing_of(&self.session).await?;
        Ok(detail)
    }

    /// How often a message has reached the model.
    ///
    /// # Errors
    /// Another number of times.
    pub fn asked(&self, message: &Message, times: usize) -> Result<()> {
        let asked = self.stage.model.asked(&message.text);
        ensure!(
            asked == times,
            "{message} has reached the model {asked} times where {times} were due"
        );
        Ok(())
    }

    /// A file of this session alone, in the machine.
    pub fn file(&self, name: &str) -> String {
        format!("/home/ff/{}-{name}", self.session)
    }

    /// A command that appends a line.
    pub fn append(&self) -> String {
        format!("echo line >> {}", self.file("lines"))
    }

    /// How many lines tools have appended.
    ///
    /// # Errors
    /// Another number of them.
    pub async fn lines(&self, due: usize) -> Result<()> {
        let lines = self.stage.machine.lines(&self.file("lines")).await?;
        ensure!(
            lines == due,
            "the tool ran {lines} times where {due} were due"
        );
        Ok(())
    }

    /// Ends the session; nothing of it is left.
    ///
    /// # Errors
    /// Something is.
    pub async fn end(self) -> Result<()> {
        let (engine, workspace) = (&self.stage.engine, &self.stage.workspace);
        let stopped = engine.stop_session(workspace, &self.session).await;
        stopped.context("cannot stop the session")?;
        self.stage.machine.nothing_of(&self.session).await
    }
}

fn outcome(detail: &SessionDetail) -> Option<TurnOutcome> {
    Some(detail.session.last_turn.as_ref()?.outcome)
}
