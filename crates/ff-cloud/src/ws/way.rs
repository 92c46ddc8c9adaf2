//! One way of a relay: what one leg sends goes on to the other as it stands. Only headers are
//! looked at, so that control frames are taken out, and ours placed between two frames.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ff_client::socket::MESSAGE_LIMIT;
use ff_protocol::socket::LARGEST_CLIENT_FRAME;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::control::{Control, Farewell, Payload, Waiting};
use super::follower::{Content, Follower, Sender, Step, Violation};
use super::gate::{Gate, Kind};
use super::inbox::{Inbox, Rooms};

/// Most bytes kept for a VM that nobody has asked to wake. Beyond that somebody is at work there.
const MOST_HELD: usize = 32 << 10;

/// What a way cannot deal with itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// The sender asks whether we are there.
    Pinged(Payload),
    /// It is over.
    Ended(Stop),
}

/// Why it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The sender said goodbye.
    Closed(Farewell),
    /// The sender broke the rules.
    Violated(Violation),
    /// The sender's connection ended or broke.
    Lost,
    /// The reader's connection broke.
    Unread,
}

/// How far the reader has been served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Out {
    /// Frames go to it.
    Open,
    /// The frame under way goes to it, then our goodbye.
    Ending,
    /// Nothing goes to it any more.
    Over,
}

/// What is done with what the sender sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum In {
    /// Its frames are followed.
    Followed,
    /// It is thrown away until the end.
    Ignored,
    /// There is none any more.
    Over,
}

/// One way.
#[derive(Debug)]
pub struct Way {
    follower: Follower,
    inbox: Inbox,
    /// Whose intents are looked for.
    kind: Option<Kind>,
    /// Whether there is an intent in what may go on.
    intent: bool,
    /// For the reader.
    pub waiting: Waiting,
    /// Control frames on their way, and how much of them has gone.
    control: Vec<u8>,
    written: usize,
    ends: bool,
    source: In,
    out: Out,
    /// When something last came.
    pub heard: Instant,
    /// Since when the reader takes nothing.
    pub blocked: Option<Instant>,
}

impl Way {
    /// What a client says on a socket of this kind, beginning with `early`.
    pub fn up(kind: Kind, early: &[u8], rooms: Rooms) -> Self {
        let follower = Follower::new(Sender::Client, LARGEST_CLIENT_FRAME);
        Self::new(
            Sender::Client,
            follower,
            Some(kind),
            Inbox::new(rooms, early),
        )
    }

    /// What an agent says, beginning with `early`.
    pub fn down(early: &[u8], rooms: Rooms) -> Self {
        let follower = Follower::new(Sender::Server, MESSAGE_LIMIT);
        Self::new(Sender::Server, follower, None, Inbox::new(rooms, early))
    }

    fn new(sender: Sender, follower: Follower, kind: Option<Kind>, inbox: Inbox) -> Self {
        Self {
            follower,
            inbox,
            kind,
            intent: false,
            // To who reads what a client sends we are a client, too.
            waiting: Waiting::new(sender),
            control: Vec::new(),
            written: 0,
            ends: false,
            source: In::Followed,
            out: Out::Open,
            heard: Instant::now(),
            blocked: None,
        }
    }

    /// Carries on until something happens.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        gate: &impl Gate,
    ) -> Poll<Happened> {
        loop {
            let open = self.out != Out::Over && self.is_open(gate);
            if let Some(happened) = self.look(open, gate) {
                return Poll::Ready(happened);
            }
            if open && self.has_to_write() {
                if ready!(self.poll_write(cx, to, gate)).is_err() {
                    self.cut();
                    return Poll::Ready(Happened::Ended(Stop::Unread));
                }
                continue;
            }
            if self.wakes() && !open {
                gate.wait_for_it(true);
            }
            if self.source == In::Over || self.wakes() || self.inbox.is_full() {
                return Poll::Pending;
            }
            match ready!(self.inbox.poll_fill(cx, from)) {
                Ok(0) | Err(_) => {
                    self.source = In::Over;
                    return Poll::Ready(Happened::Ended(Stop::Lost));
                }
                Ok(_) => self.heard = Instant::now(),
            }
        }
    }

    /// Says goodbye to the reader once the frame under way has gone.
    pub fn end(&mut self, farewell: Farewell) {
        if self.out == Out::Open {
            self.waiting.close(farewell);
            self.out = Out::Ending;
        }
    }

    /// Sends nothing any more.
    pub fn cut(&mut self) {
        self.out = Out::Over;
        self.intent = false;
        let left = self.inbox.ready().len();
        self.inbox.gone(left);
    }

    /// Takes nothing any more.
    pub fn deafen(&mut self) {
        self.source = In::Over;
    }

    /// Whether the reader has been told all it will be.
    pub fn is_said(&self) -> bool {
        // There is no place for it behind a frame whose rest does not come.
        let cut_short = self.source != In::Followed && !self.follower.is_between_frames();
        self.out == Out::Over || cut_short
    }

    /// Whether nothing more is taken from the sender.
    pub fn is_heard(&self) -> bool {
        self.source == In::Over
    }

    /// Whether the sender waits for us rather than we for it.
    pub fn is_held_up(&self) -> bool {
        self.blocked.is_some() || self.wakes()
    }

    /// Whether the sender only listens to us now.
    pub fn is_ignored(&self) -> bool {
        self.source == In::Ignored
    }

    /// Whether what is held is to wake the reader.
    fn wakes(&self) -> bool {
        let held = self.inbox.ready().len();
        held > 0 && self.kind.is_some() && (self.intent || held >= MOST_HELD)
    }

    /// Whether there is something for the reader, and it may be written to.
    fn is_open(&self, gate: &impl Gate) -> bool {
        let nothing = self.inbox.ready().is_empty()
            && self.inbox.unseen().is_empty()
            && self.control.is_empty();
        match nothing && (self.waiting.is_empty() || self.waiting.is_only_ping()) {
            // A ping is not worth the finding out.
            true => !self.waiting.is_empty() && gate.is_known_open(),
            false => gate.is_open(),
        }
    }

    /// Looks at the frames that have come. Those for the reader are kept in order.
    fn look(&mut self, open: bool, gate: &impl Gate) -> Option<Happened> {
        while self.source != In::Over && !self.inbox.unseen().is_empty() {
            let unseen = self.inbox.unseen();
            if self.source == In::Ignored {
                let count = unseen.len();
                self.inbox.leave_out(count);
                continue;
            }
            // What waits for a place between frames has one here.
            let is_place = open && self.follower.is_between_frames();
            if is_place && !self.waiting.is_empty() {
                return None;
            }
            match self.follower.step(unseen) {
                Ok(Step::More) => return None,
                Ok(Step::Data { bytes, content }) => self.keep(bytes, content, gate),
                Ok(Step::Control { bytes, control }) => {
                    self.inbox.leave_out(bytes);
                    match control {
                        Control::Ping(payload) => return Some(Happened::Pinged(payload)),
                        Control::Pong => {}
                        Control::Close(farewell) => {
                            self.source = In::Over;
                            return Some(Happened::Ended(Stop::Closed(farewell)));
                        }
                    }
                }
                Err(violation) => {
                    self.source = In::Ignored;
                    return Some(Happened::Ended(Stop::Violated(violation)));
                }
            }
        }
        None
    }

    fn keep(&mut self, bytes: usize, content: Content, gate: &impl Gate) {
        if self.out == Out::Over {
            self.inbox.leave_out(bytes);
            return;
        }
        self.inbox.pass(bytes);
        if self.kind.is_some_and(|kind| kind.is_intent(content)) {
            self.intent = true;
            gate.note_activity();
        }
    }

    fn has_to_write(&self) -> bool {
        let is_place = self.follower.is_between_frames();
        !self.inbox.ready().is_empty()
            || !self.control.is_empty()
            || (is_place && !self.waiting.is_empty())
    }

    /// Writes what has to be written, or as much of it as the reader takes at once.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut (impl AsyncWrite + Unpin),
        gate: &impl Gate,
    ) -> Poll<io::Result<()>> {
        if self.control.is_empty() && self.inbox.ready().is_empty() {
            (self.control, self.ends) = self.waiting.take();
        }
        let is_control = !self.control.is_empty();
        let bytes = match is_control {
            true => &self.control[self.written..],
            false => self.inbox.ready(),
        };
        let intent = !is_control && self.intent;
        if intent {
            gate.saying(true);
        }
        let written = Pin::new(to).poll_write(cx, bytes);
        if written.is_pending() {
            self.blocked.get_or_insert_with(Instant::now);
        }
        let count = ready!(written)?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.blocked = None;
        if is_control {
            self.written += count;
            if self.written == self.control.len() {
                (self.control, self.written) = (Vec::new(), 0);
                if self.ends {
                    self.cut();
                }
            }
            return Poll::Ready(Ok(()));
        }
        self.inbox.gone(count);
        if self.inbox.ready().is_empty() {
            gate.wait_for_it(false);
            if std::mem::take(&mut self.intent) {
                gate.saying(false);
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
#[path = "way_tests.rs"]
mod tests;
