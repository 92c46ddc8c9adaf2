//! Moving messages between two legs: one message in flight each way, so a slow reader slows its
//! writer down and memory stays bounded.

use std::time::Duration;

use ff_protocol::close;
use futures_util::StreamExt;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::frame::{Failed, Frame, Incoming, Outgoing, closing};

/// RFC 6455, 7.4.1: a message is too large.
const TOO_LARGE: u16 = 1009;

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
    /// The client does not read.
    Stuck,
    /// The server stops.
    Shutdown,
}

enum Stop {
    Closed(Option<(u16, String)>),
    From(Failed),
    To,
}

/// One leg.
pub struct Leg {
    /// What comes from it.
    pub incoming: Incoming,
    /// The way to it.
    pub outgoing: Outgoing,
}

/// Moves messages until one leg ends or `stop` is cancelled. `on_input` is called for each
/// message of the client.
pub async fn pump(
    client: &mut Leg,
    agent: &mut Leg,
    patience: Patience,
    stop: &CancellationToken,
    on_input: impl Fn(&Frame),
) -> End {
    let up = carry(
        &mut client.incoming,
        &mut agent.outgoing,
        patience,
        on_input,
    );
    let down = carry(&mut agent.incoming, &mut client.outgoing, patience, |_| ());
    tokio::select! {
        () = stop.cancelled() => End::Shutdown,
        end = up => match end {
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
    }
}

async fn carry(
    from: &mut Incoming,
    to: &mut Outgoing,
    patience: Patience,
    seen: impl Fn(&Frame),
) -> Stop {
    let mut ping = interval(patience.ping);
    let mut heard = Instant::now();
    loop {
        let frame = tokio::select! {
            message = from.next() => match message {
                None => return Stop::From(Failed::Broken),
                Some(Err(failed)) => return Stop::From(failed),
                Some(Ok(Frame::Close(end))) => return Stop::Closed(end),
                Some(Ok(frame)) => {
                    seen(&frame);
                    heard = Instant::now();
                    frame
                }
            },
            _ = ping.tick() => Frame::Ping,
        };
        if heard.elapsed() > patience.silence {
            return Stop::From(Failed::Broken);
        }
        let began = Instant::now();
        match timeout(patience.write, to.send(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Stop::To,
        }
        // Time spent on a slow reader says nothing about the writer.
        heard += began.elapsed();
    }
}

/// Says goodbye to both legs. `lost` is what the client is told when the agent is gone.
pub async fn farewell(client: Leg, agent: Leg, end: &End, patience: Patience, lost: (u16, &str)) {
    let (to_client, to_agent) = match end {
        End::Client(end) => (Frame::Close(end.clone()), gone(end)),
        End::Agent(end) => (Frame::Close(end.clone()), Frame::Close(end.clone())),
        End::AgentLost => (closing(lost.0, lost.1), closing(close::GOING_AWAY, "")),
        End::TooLarge => {
            let frame = closing(TOO_LARGE, "a message is too large");
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
    tokio::join!(
        part(client, to_client, patience.farewell),
        part(agent, to_agent, patience.farewell),
    );
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
