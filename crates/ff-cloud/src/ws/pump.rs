//! Both ways of a relay, in one task: nothing is read that the other side does not take, so a slow
//! reader slows its writer down, and memory stays bounded.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use ff_client::socket::RawSocket;
use ff_protocol::close;
use tokio::io::AsyncWrite as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use super::control::{Farewell, closing};
use super::follower::Violation;
use super::gate::{Kind, Open};
use super::inbox::Rooms;
use super::side::Side;
use super::way::{Happened, Stop, Way};

/// The relay's patience.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Time between pings on each leg, and between looks at how long the legs have been silent.
    pub ping: Duration,
    /// Longest silence of a leg, which answers pings.
    pub silence: Duration,
    /// Longest time a leg may take nothing.
    pub write: Duration,
    /// Longest wait for the rest of a frame and the other side's farewell.
    pub farewell: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(20),
            silence: Duration::from_secs(60),
            write: Duration::from_secs(60),
            farewell: Duration::from_secs(5),
        }
    }
}

/// Why the relay ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The client said goodbye or is gone.
    Client(Farewell),
    /// The agent said goodbye.
    Agent(Farewell),
    /// The way to the agent broke.
    AgentLost,
    /// A leg sent a message beyond the limit.
    TooLarge,
    /// The client sent what are no frames; why.
    ClientMalformed(&'static str),
    /// The agent did.
    AgentMalformed(&'static str),
    /// The VM went away; what the client is told.
    Vm(u16, &'static str),
    /// The client does not read.
    Stuck,
    /// The server stops.
    Shutdown,
}

impl End {
    /// The way up ended like this.
    fn up(stop: Stop) -> Self {
        match stop {
            Stop::Closed(farewell) => Self::Client(farewell),
            Stop::Violated(Violation::TooLarge) => Self::TooLarge,
            Stop::Violated(Violation::Malformed(why)) => Self::ClientMalformed(why),
            Stop::Lost => Self::Client(None),
            Stop::Unread => Self::AgentLost,
        }
    }

    /// The way down ended like this.
    fn down(stop: Stop) -> Self {
        match stop {
            Stop::Closed(farewell) => Self::Agent(farewell),
            Stop::Violated(Violation::TooLarge) => Self::TooLarge,
            Stop::Violated(Violation::Malformed(why)) => Self::AgentMalformed(why),
            Stop::Lost => Self::AgentLost,
            Stop::Unread => Self::Stuck,
        }
    }

    /// What client and agent are told.
    fn farewells(&self) -> (Farewell, Farewell) {
        let same = |code, reason| (closing(code, reason), closing(code, reason));
        match self {
            Self::Client(None) => (None, closing(close::GOING_AWAY, "the client is gone")),
            Self::Client(end) | Self::Agent(end) => (end.clone(), end.clone()),
            Self::AgentLost => {
                let reason = "the way to the VM broke; connect again";
                let to_client = closing(close::TRY_LATER, reason);
                (to_client, closing(close::GOING_AWAY, ""))
            }
            Self::Vm(code, reason) => (closing(*code, reason), closing(close::GOING_AWAY, "")),
            Self::TooLarge => same(close::TOO_LARGE, "a message is too large"),
            Self::ClientMalformed(why) => {
                let to_agent = closing(close::GOING_AWAY, "the client broke the protocol");
                (closing(close::PROTOCOL, why), to_agent)
            }
            Self::AgentMalformed(why) => {
                let to_client = closing(close::FAULT, "the VM broke the protocol; connect again");
                (to_client, closing(close::PROTOCOL, why))
            }
            Self::Stuck => same(close::GOING_AWAY, "the client does not read"),
            Self::Shutdown => same(close::RESTART, "the server is stopping"),
        }
    }
}

/// A relay's two legs and the ways between them.
#[derive(Debug)]
pub struct Pump {
    client: TcpStream,
    agent: TcpStream,
    up: Way,
    down: Way,
    patience: Patience,
}

impl Pump {
    /// Nothing has been carried yet.
    pub fn new(
        client: RawSocket,
        agent: RawSocket,
        kind: Kind,
        rooms: Rooms,
        patience: Patience,
    ) -> Self {
        Self {
            up: Way::up(kind, &client.early, rooms.clone()),
            down: Way::down(&agent.early, rooms),
            client: client.stream,
            agent: agent.stream,
            patience,
        }
    }

    /// Carries frames until one leg ends, the VM goes away, or `stop` is cancelled.
    pub async fn carry(&mut self, side: &Side, stop: &CancellationToken) -> End {
        let ping = self.patience.ping;
        let mut tick = interval_at(Instant::now() + ping, ping);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut attending = pin!(side.attend());
        loop {
            tokio::select! {
                // What `attending` finds out opens the way up, which is polled behind it.
                biased;
                () = stop.cancelled() => return End::Shutdown,
                (code, reason) = &mut attending => return End::Vm(code, reason),
                end = poll_fn(|cx| self.poll(cx, side)) => return end,
                _ = tick.tick() => {
                    if let Some(end) = self.tick(side) {
                        return end;
                    }
                }
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, side: &Side) -> Poll<End> {
        loop {
            let (client, agent) = (&mut self.client, &mut self.agent);
            while let Poll::Ready(happened) = self.up.poll(cx, client, agent, side) {
                match happened {
                    Happened::Pinged(payload) => self.down.waiting.pong(payload),
                    Happened::Ended(stop) => return Poll::Ready(End::up(stop)),
                }
            }
            match self.down.poll(cx, agent, client, &Open) {
                Poll::Ready(Happened::Pinged(payload)) => self.up.waiting.pong(payload),
                Poll::Ready(Happened::Ended(stop)) => return Poll::Ready(End::down(stop)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Looks for legs that have died, and asks the others whether they live.
    fn tick(&mut self, side: &Side) -> Option<End> {
        let (now, patience) = (Instant::now(), self.patience);
        // Who waits for us has no chance to speak.
        for way in [&mut self.up, &mut self.down] {
            if way.is_held_up() {
                way.heard = now;
            }
        }
        let longer = |than: Duration, since: Instant| now - since > than;
        if longer(patience.silence, self.up.heard) {
            return Some(End::Client(None));
        }
        let stuck = |way: &Way| way.blocked.is_some_and(|at| longer(patience.write, at));
        if stuck(&self.down) {
            return Some(End::Stuck);
        }
        // A VM that sleeps is silent and takes nothing, and so is one that only just woke.
        if side.was_awake() {
            let awake = side.awake_since();
            let silent = longer(patience.silence, self.down.heard.max(awake));
            if silent || (stuck(&self.up) && longer(patience.write, awake)) {
                return Some(End::AgentLost);
            }
            self.up.waiting.ping();
        }
        self.down.waiting.ping();
        None
    }

    /// Says goodbye to both legs and listens for their answers, so that it arrives before the
    /// connections end. Nothing is said to an agent that `sleeps`.
    pub async fn part(mut self, end: &End, sleeps: bool) {
        let (to_client, to_agent) = end.farewells();
        self.down.end(to_client);
        match sleeps {
            true => {
                self.up.cut();
                self.down.deafen();
            }
            false => self.up.end(to_agent),
        }
        let patience = self.patience.farewell;
        if timeout(patience, poll_fn(|cx| self.poll_parting(cx)))
            .await
            .is_err()
        {
            tracing::debug!("a socket ended without the peer's farewell");
        }
    }

    fn poll_parting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (client, agent) = (&mut self.client, &mut self.agent);
        while self.up.poll(cx, client, agent, &Open).is_ready() {}
        while self.down.poll(cx, agent, client, &Open).is_ready() {}
        // One who broke the rules is not heard any more; it hears that by the connection's end.
        for (told, heard, leg) in [
            (&self.down, &self.up, client),
            (&self.up, &self.down, agent),
        ] {
            if told.is_said() && heard.is_ignored() {
                // It may have ended already.
                let _ = Pin::new(leg).poll_shutdown(cx);
            }
        }
        let over = |way: &Way| way.is_said() && way.is_heard();
        match over(&self.up) && over(&self.down) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}
