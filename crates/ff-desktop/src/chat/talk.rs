//! The state of a conversation: what happens, what is typed, and what follows from it.

use std::collections::{HashSet, VecDeque};

use ff_protocol::session::{Activity, EntryKind, JournalEntry, Session, SessionStatus};
use ff_protocol::socket::ClientFrame;
use ff_protocol::{ClientId, SessionId};
use tokio::sync::mpsc;

use super::errands::{Done, Errand};
use super::local::{self, Local};
use super::words::{trouble, warning};
use super::{Policy, over};
use crate::clean::{clean, clean_line};
use crate::context::Context;
use crate::failure::{Asked, explain};
use crate::find::Known;
use crate::session::follow::{Before, Dialog, Happening, Render, Request, has_ended, verdict};
use crate::session::host::Host;
use crate::session::waits;
use crate::stop;
use crate::tty::lines::{Joined, Lines};
use crate::view::session_text;

/// What comes in besides lines.
pub struct Line {
    /// What happens in the workspace.
    pub happenings: mpsc::Receiver<anyhow::Result<Vec<Happening>>>,
    /// What came of errands.
    pub outcomes: mpsc::Receiver<anyhow::Result<Done>>,
    /// Ctrl-C.
    pub interrupts: mpsc::Receiver<()>,
}

/// A conversation with one session.
pub struct Talk<'a> {
    pub(super) context: &'a Context,
    known: &'a Known,
    host: &'a Host<'a>,
    pub(super) session: Session,
    pub(super) render: Render,
    policy: Policy,
    errands: mpsc::Sender<Errand>,
    /// Errands whose outcome is still to come.
    pub(super) outstanding: usize,
    /// Requests that wait for the user.
    pub(super) asking: VecDeque<Dialog>,
    /// Messages of ours that the journal has not shown yet.
    ours: HashSet<ClientId>,
    /// It was asked what waits for an answer, and no errand has succeeded since.
    asked_again: bool,
    /// By a pipe: how the session was before the turn we wait for.
    turn: Option<Before>,
    /// A message was sent, and its turn is not seen yet.
    pub(super) expecting: bool,
    /// The user has pressed Ctrl-C since they last said something.
    interrupted: bool,
    leaving: bool,
    /// The user sees where to type.
    pub(super) prompted: bool,
}

impl<'a> Talk<'a> {
    /// Nothing was said yet.
    pub fn new(
        context: &'a Context,
        known: &'a Known,
        host: &'a Host<'a>,
        session: Session,
        render: Render,
        policy: Policy,
        errands: mpsc::Sender<Errand>,
    ) -> Self {
        Self {
            context,
            known,
            host,
            session,
            render,
            policy,
            errands,
            outstanding: 0,
            asking: VecDeque::new(),
            ours: HashSet::new(),
            asked_again: false,
            turn: None,
            expecting: false,
            interrupted: false,
            leaving: false,
            prompted: false,
        }
    }

    /// Goes on until the user leaves and everything they said has arrived. By a pipe the first turn
    /// that does not complete is the last.
    ///
    /// # Errors
    /// As [`super::run`].
    pub async fn go_on(&mut self, mut line: Line, lines: &mut Lines) -> anyhow::Result<()> {
        while !self.leaving || self.outstanding > 0 {
            self.draw()?;
            let joined = match self.by_hand() && self.asking.is_empty() {
                true => Joined::AsTyped,
                false => Joined::Never,
            };
            tokio::select! {
                batch = line.happenings.recv() => {
                    for happening in batch.ok_or_else(over)?? {
                        self.happened(&happening)?;
                    }
                }
                text = lines.next(joined), if self.listens() => match text {
                    Some(text) => self.heard(&text)?,
                    None => self.leaving = true,
                },
                outcome = line.outcomes.recv() => self.done(outcome.ok_or_else(over)?)?,
                Some(()) = line.interrupts.recv() => self.ctrl_c()?,
                () = self.context.stop().cancelled() => {
                    return Err(stop::interrupted().hint(self.host.afterwards()).into());
                }
            }
        }
        self.make_way(true)?;
        let end = self.render.end();
        self.context.out.piece(end)
    }

    pub(super) fn by_hand(&self) -> bool {
        self.policy == Policy::Ask
    }

    /// Whether the next line may be taken: by a pipe each turn ends before the next begins.
    pub(super) fn listens(&self) -> bool {
        !self.leaving && (self.by_hand() || self.turn.is_none())
    }

    fn happened(&mut self, happening: &Happening) -> anyhow::Result<()> {
        let json = self.context.out.is_json();
        if json {
            self.frame(happening)?;
        }
        match happening {
            Happening::Status(session) if session.id == self.session.id => {
                return self.status((**session).clone());
            }
            Happening::Entry(entry) if self.render.is_news(entry) => match entry.kind {
                EntryKind::Answer => self.answered(entry)?,
                EntryKind::UserMessage => self.user_said(entry)?,
                _ => {}
            },
            Happening::Delta(..) if json => return Ok(()),
            _ => {}
        }
        let shown = self.render.show(happening);
        if !json {
            self.make_way(!shown.text.is_empty() || !shown.lines.is_empty())?;
            self.context.out.piece(&shown.text)?;
            for line in &shown.lines {
                self.context.out.say(line);
            }
        }
        match shown.request {
            Some(request) => self.asked(request),
            None => Ok(()),
        }
    }

    /// Prints what is new of our session as a frame.
    fn frame(&mut self, happening: &Happening) -> anyhow::Result<()> {
        let ours = |id: &SessionId| *id == self.session.id;
        let news = match happening {
            Happening::Entry(entry) if !self.render.is_news(entry) => return Ok(()),
            Happening::Status(session) if !ours(&session.id) => return Ok(()),
            Happening::Delta(session, ..) if !ours(session) => return Ok(()),
            Happening::Delta(session, kind, piece) => {
                let text = self.render.news(*kind, piece);
                if text.is_empty() {
                    return Ok(());
                }
                &Happening::Delta(session.clone(), *kind, text)
            }
            other => other,
        };
        match news.frame(&self.known.id) {
            Some(frame) => self.context.out.line(&frame),
            None => Ok(()),
        }
    }

    fn status(&mut self, now: Session) -> anyhow::Result<()> {
        let before = std::mem::replace(&mut self.session, now);
        let now = &self.session;
        let seen = now.activity != Activity::Idle
            || now.status == SessionStatus::Failed
            || now.last_turn != before.last_turn;
        self.expecting &= !seen;
        let mut told = Vec::new();
        if now.warning != before.warning {
            told.extend(now.warning.as_deref().map(warning));
        }
        if now.held && !before.held && now.queued > 0 {
            told.push(format!(
                "{} message(s) wait; the next one or /resume lets them go on",
                now.queued
            ));
        }
        let ended = self.turn.take_if(|turn| has_ended(now, turn)).is_some();
        if ended {
            let end = self.render.end();
            self.context.out.piece(end)?;
            return Ok(verdict(self.known, &self.session)?);
        }
        if self.by_hand() {
            told.extend(trouble(&before, now));
        } else if let Some(failure) = waits::for_login(self.host, now) {
            return Err(failure.into());
        }
        self.tell(&told)
    }

    /// An answer was entered; one to what we ask came from elsewhere.
    fn answered(&mut self, entry: &JournalEntry) -> anyhow::Result<()> {
        let id = entry.payload["requestId"].as_str();
        let place = self
            .asking
            .iter()
            .position(|dialog| Some(dialog.request().id.as_str()) == id);
        let Some(place) = place else { return Ok(()) };
        if entry.payload["outcome"] == "orphaned" {
            let words = "the process that asked has ended; an answer starts it again";
            return self.tell(&[words.to_owned()]);
        }
        self.asking.remove(place);
        let words = match entry.payload["by"].as_str() {
            Some(by) => format!("answered by {}", clean_line(by)),
            None => "this no longer waits for an answer".to_owned(),
        };
        self.tell(&[words])
    }

    /// A message was entered; one of ours stands on the screen already.
    fn user_said(&mut self, entry: &JournalEntry) -> anyhow::Result<()> {
        let id = entry.payload["id"].as_str().and_then(|id| id.parse().ok());
        let ours = id.is_some_and(|id: ClientId| self.ours.remove(&id));
        if ours || !self.by_hand() {
            return Ok(());
        }
        let who = match entry.payload["origin"].as_str() {
            Some("resume") => "to go on",
            _ => "you (elsewhere)",
        };
        self.tell(&[format!("{who}: {}", clean(&entry.text()))])
    }

    /// The CLI asks for something.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub fn asked(&mut self, request: Request) -> anyhow::Result<()> {
        // A process that was started again asks the same again.
        let known = |dialog: &Dialog| dialog.request().id == request.id;
        if self.asking.iter().any(known) {
            return Ok(());
        }
        self.tell(&request.lines())?;
        let answer = match self.policy {
            Policy::Ask => {
                self.asking.push_back(Dialog::new(request));
                return Ok(());
            }
            Policy::Allow => request.allowance(),
            Policy::Refuse => None,
        };
        let answer = answer.unwrap_or_else(|| {
            self.context
                .out
                .say("refused, because nobody is at a terminal to answer");
            request.refusal("nobody is there to answer; go on without it")
        });
        let frame = request.frame(&self.session.id, answer);
        self.send(Errand::Say(frame))
    }

    fn heard(&mut self, text: &str) -> anyhow::Result<()> {
        self.prompted = false;
        self.interrupted = false;
        if let Some(command) = local::parse(text) {
            return self.command(command);
        }
        if let Some(dialog) = self.asking.front_mut() {
            let Some(answer) = dialog.hear(Some(text)) else {
                return Ok(());
            };
            let frame = dialog.request().frame(&self.session.id, answer);
            self.asking.pop_front();
            return self.send(Errand::Say(frame));
        }
        if text.trim().is_empty() {
            return Ok(());
        }
        if self.by_hand() && self.session.activity == Activity::Working {
            self.tell(&["it waits until this turn has ended".to_owned()])?;
        }
        if !self.by_hand() {
            self.turn = Some(Before::now(&self.session, 0));
        }
        self.expecting = true;
        let id = ClientId::generate();
        self.ours.insert(id.clone());
        self.send(Errand::Say(ClientFrame::UserMessage {
            id,
            session_id: self.session.id.clone(),
            text: text.to_owned(),
        }))
    }

    fn command(&mut self, command: Local) -> anyhow::Result<()> {
        let errand = match command {
            Local::Quit => {
                self.leaving = true;
                let mut told = Vec::new();
                if self.outstanding > 0 {
                    told.push("leaving when what you said has arrived".to_owned());
                }
                if self.host.is_here() && self.session.activity != Activity::Idle {
                    told.push("the turn that runs ends with this command".to_owned());
                }
                return self.tell(&told);
            }
            Local::Wrong(why) => return self.tell(&[why]),
            Local::Status => return self.tell(&[session_text(&self.session)]),
            Local::Help => Errand::Help,
            Local::Models => Errand::Models,
            Local::Configure(change, words) => Errand::Configure(change, words),
            Local::Resume => Errand::Resume,
            Local::Stop => Errand::Stop,
        };
        self.send(errand)
    }

    fn done(&mut self, outcome: anyhow::Result<Done>) -> anyhow::Result<()> {
        self.outstanding -= 1;
        match outcome {
            Ok(done) => {
                self.asked_again = false;
                self.tell(&done.lines)?;
                let fresh = |it: &Session| it.updated_at >= self.session.updated_at;
                if let Some(session) = done.session.filter(fresh) {
                    self.status(session)?;
                }
                let mut waiting = done.requests.iter().map(Request::waiting);
                waiting.try_for_each(|request| self.asked(request))
            }
            Err(error) if self.by_hand() => {
                self.expecting = false;
                let asked = Asked {
                    command: format!("ff chat {}", self.known.id),
                    workspace: Some(self.known.id.to_string()),
                };
                self.tell(&[explain(&error, &asked).render()])?;
                // It may have been an answer that did not arrive: then the question stands.
                match std::mem::replace(&mut self.asked_again, true) {
                    false => self.send(Errand::Requests),
                    true => Ok(()),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// The first Ctrl-C ends the turn, the second leaves.
    fn ctrl_c(&mut self) -> anyhow::Result<()> {
        if self.leaving || std::mem::replace(&mut self.interrupted, true) {
            // What was said and has not arrived is given up too.
            self.leaving = true;
            self.outstanding = 0;
            return Ok(());
        }
        if self.session.activity == Activity::Idle && self.turn.is_none() {
            return self.tell(&["Ctrl-C again leaves".to_owned()]);
        }
        self.tell(&["interrupting the turn; Ctrl-C again leaves".to_owned()])?;
        self.send(Errand::Say(ClientFrame::Interrupt {
            id: ClientId::generate(),
            session_id: self.session.id.clone(),
        }))
    }

    fn send(&mut self, errand: Errand) -> anyhow::Result<()> {
        match self.errands.try_send(errand) {
            Ok(()) => self.outstanding += 1,
            Err(_) => self.tell(&["too much waits already; this was not sent".to_owned()])?,
        }
        Ok(())
    }
}
