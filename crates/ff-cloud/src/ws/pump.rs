//! Moving messages between two legs: one message in flight each way, so a slow reader slows its
//! writer down and memory stays bounded.

use std::time::Duration;

use ff_protocol::close;
use futures_util::StreamExt;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::frame::{Failed, Frame, Incoming, Outgoing, closing};
use super::held::Kind;
use super::side::Side;
use super::up::Up;

/// The relay's patience.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Time between pings on each leg.
    pub ping: Duration,
    /// Longest silence of a leg, which answers pings.
    pub silence: Duration,
    /// Longest time a leg may take to accept one message.
    pub write: Duration,
    /// Longest wait for the other side's farewell.
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
    Client(Option<(u16, String)>),
    /// The agent said goodbye.
    Agent(Option<(u16, String)>),
    /// The way to the agent broke.
    AgentLost,
    /// A leg sent a message beyond the limit.
    TooLarge,
    /// The VM went away; what the client is told.
    Vm(u16, &'static str),
    /// The client does not read.
    Stuck,
    /// The server stops.
    Shutdown,
}

/// Why one way ended.
pub enum Stop {
    /// Whoever spoke said goodbye.
    Closed(Option<(u16, String)>),
    /// Reading failed.
    From(Failed),
    /// Writing failed.
    To,
}

/// One leg.
pub struct Leg {
    /// What comes from it.
    pub incoming: Incoming,
    /// The way to it.
    pub outgoing: Outgoing,
}

/// Moves messages until one leg ends, the VM goes away, or `stop` is cancelled.
pub async fn pump(
    client: &mut Leg,
    agent: &mut Leg,
    side: &Side,
    kind: Kind,
    patience: Patience,
    stop: &CancellationToken,
) -> End {
    let up = Up {
        client: &mut client.incoming,
        agent: &mut agent.outgoing,
        kind,
        side,
        patience,
    };
    let down = down(&mut agent.incoming, &mut client.outgoing, side, patience);
    tokio::select! {
        () = stop.cancelled() => End::Shutdown,
        end = up.carry() => match end {
            Stop::Closed(end) => End::Client(end),
            Stop::From(Failed::TooLarge) => End::TooLarge,
            Stop::From(Failed::Broken) => End::Client(None),
            Stop::To => End::AgentLost,
        },
        end = down => match end {
            Stop::Closed(end) => End::Agent(end),
            Stop::From(Failed::TooLarge) => End::TooLarge,
            Stop::From(Failed::Broken) => End::AgentLost,
            Stop::To => End::Stuck,
        },
        (code, reason) = side.attend() => End::Vm(code, reason),
    }
}

/// From the agent to the client.
async fn down(from: &mut Incoming, to: &mut Outgoing, side: &Side, patience: Patience) -> Stop {
    let mut ping = interval(patience.ping);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        let frame = tokio::select! {
            message = from.next() => {
                heard = Instant::now();
                match message {
                    None => return Stop::From(Failed::Broken),
                    Some(Err(failed)) => return Stop::From(failed),
                    Some(Ok(Frame::Close(end))) => return Stop::Closed(end),
                    Some(Ok(frame)) => frame,
                }
            }
            _ = ping.tick() => {
                // A VM that sleeps is silent, and so is one that only just woke.
                let silent = |since: Instant| since.elapsed() > patience.silence;
                if silent(heard) && side.is_awake().await && silent(side.awake_since()) {
                    return Stop::From(Failed::Broken);
                }
                Frame::Ping
            }
        };
        let began = Instant::now();
        match timeout(patience.write, to.send(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Stop::To,
        }
        // Time spent on a slow reader says nothing about the writer.
        heard += began.elapsed();
    }
}

/// Says goodbye to both legs; there is none of the agent while its VM sleeps, since nothing is
/// sent to it then.
pub async fn farewell(client: Leg, agent: Option<Leg>, end: &End, patience: Patience) {
    let (to_client, to_agent) = match end {
        End::Client(end) => (Frame::Close(end.clone()), gone(end)),
        End::Agent(end) => (Frame::Close(end.clone()), Frame::Close(end.clone())),
        End::AgentLost => {
            let reason = "the way to the VM broke; connect again";
            let to_client = closing(close::TRY_LATER, reason);
            (to_client, closing(close::GOING_AWAY, ""))
        }
        End::Vm(code, reason) => (closing(*code, reason), closing(close::GOING_AWAY, "")),
        End::TooLarge => {
            let frame = closing(close::TOO_LARGE, "a message is too large");
            (frame.clone(), frame)
        }
        End::Stuck => {
            let frame = closing(close::GOING_AWAY, "the client does not read");
            (frame.clone(), frame)
        }
        End::Shutdown => {
            let frame = closing(close::RESTART, "the server is stopping");
            (frame.clone(), frame)
        }
    };
    let agent = async {
        if let Some(agent) = agent {
            part(agent, to_agent, patience.farewell).await;
        }
    };
    tokio::join!(part(client, to_client, patience.farewell), agent);
}

/// What the agent is told of a client that left.
fn gone(end: &Option<(u16, String)>) -> Frame {
    match end {
        Some(end) => Frame::Close(Some(end.clone())),
        None => closing(close::GOING_AWAY, "the client is gone"),
    }
}

/// Sends the close and reads on until the peer's, so that it arrives before the connection ends.
async fn part(mut leg: Leg, frame: Frame, patience: Duration) {
    let goodbye = async {
        // It fails when the peer was first; then reading on sends the answer.
        let _ = leg.outgoing.send(frame).await;
        while let Some(Ok(_)) = leg.incoming.next().await {}
    };
    if timeout(patience, goodbye).await.is_err() {
        tracing::debug!("a socket ended without the peer's farewell");
    }
}
