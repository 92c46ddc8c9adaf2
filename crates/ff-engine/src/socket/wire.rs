//! A WebSocket with deadlines: pings to a silent peer, an end to a dead one.

use std::error::Error;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use ff_core::activity::Awake;
use ff_protocol::{ErrorCode, close};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_tungstenite::tungstenite;

use crate::ApiError;

const PING: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_secs(60);
const WRITE: Duration = Duration::from_secs(60);
const GOODBYE: Duration = Duration::from_secs(2);
/// Of a close frame, in bytes (RFC 6455, 5.5).
const LONGEST_REASON: usize = 123;

/// An upgrade whose refusal is a problem like any other.
pub(crate) struct Upgrade(WebSocketUpgrade);

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        WebSocketUpgrade::from_request_parts(parts, state)
            .await
            .map(Self)
            .map_err(|rejection| ApiError::new(ErrorCode::BadRequest, rejection.body_text()))
    }
}

/// Answers the upgrade and serves the socket, whose incoming frames have at most `limit` bytes.
/// Its deadlines move by the time that `awake` lost.
pub(crate) fn open<F, Fut>(
    Upgrade(upgrade): Upgrade,
    limit: usize,
    awake: Awake,
    serve: F,
) -> Response
where
    F: FnOnce(Speaker, Listener) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let upgrade = upgrade.max_message_size(limit).max_frame_size(limit);
    upgrade.on_upgrade(async move |socket| {
        let (sink, stream) = socket.split();
        let mut pings = tokio::time::interval(PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        serve(
            Speaker {
                sink,
                pings,
                awake: awake.clone(),
            },
            Listener {
                stream,
                heard: Instant::now(),
                lost: awake.lost(),
                awake,
            },
        )
        .await;
    })
}

/// The peer is gone or too slow.
#[derive(Debug)]
pub(crate) struct Broken;

/// The side we speak on.
pub(crate) struct Speaker {
    sink: SplitSink<WebSocket, Message>,
    pings: Interval,
    awake: Awake,
}

impl Speaker {
    /// Sends a value as a text frame.
    pub(crate) async fn json(&mut self, value: &impl Serialize) -> Result<(), Broken> {
        let text = serde_json::to_string(value).map_err(|error| {
            tracing::error!(%error, "a frame cannot be written as JSON");
            Broken
        })?;
        self.send(Message::text(text)).await
    }

    /// Sends a binary frame.
    pub(crate) async fn binary(&mut self, bytes: Vec<u8>) -> Result<(), Broken> {
        self.send(Message::binary(bytes)).await
    }

    /// Returns when it is time for the next ping.
    pub(crate) async fn ping_due(&mut self) {
        self.pings.tick().await;
    }

    /// Pings the peer.
    pub(crate) async fn ping(&mut self) -> Result<(), Broken> {
        self.send(Message::Ping(Bytes::new())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Broken> {
        match self.awake.timeout(WRITE, self.sink.send(message)).await {
            Some(Ok(())) => Ok(()),
            _ => Err(Broken),
        }
    }
}

/// What the peer said.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Bytes),
    /// A frame beyond the limit, after which nothing can be read.
    TooLarge,
    /// It closed, broke, or has been silent for too long.
    Over,
}

/// The side we listen on.
pub(crate) struct Listener {
    stream: SplitStream<WebSocket>,
    heard: Instant,
    /// Time lost to freezes that `heard` makes up for.
    lost: Duration,
    awake: Awake,
}

impl Listener {
    /// The next thing the peer says. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Heard {
        loop {
            self.make_up();
            let message = tokio::time::timeout_at(self.heard + SILENCE, self.stream.next()).await;
            let message = match message {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(error))) if is_too_large(&error) => return Heard::TooLarge,
                // Nobody was silent while nobody listened.
                Err(_) if self.make_up() => continue,
                _ => return Heard::Over,
            };
            self.heard = Instant::now();
            match message {
                Message::Text(text) => return Heard::Text(text.to_string()),
                Message::Binary(bytes) => return Heard::Binary(bytes),
                Message::Close(_) => return Heard::Over,
                Message::Ping(_) | Message::Pong(_) => {}
            }
        }
    }

    /// Makes up for time lost to freezes; says whether there was any.
    fn make_up(&mut self) -> bool {
        let lost = self.awake.lost();
        let more = lost.saturating_sub(self.lost);
        self.heard += more;
        self.lost = lost;
        !more.is_zero()
    }

    /// The peer counts as heard now: we did not listen for a while.
    pub(crate) fn forgive(&mut self) {
        self.heard = Instant::now();
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(tungstenite::Error::Capacity(_)))
}

/// Says goodbye with a code of [`ff_protocol::close`], and listens until the peer has done so
/// too: what it still sends would otherwise reset the connection before it has read our last
/// words.
pub(crate) async fn close_after(
    mut speaker: Speaker,
    mut listener: Listener,
    code: u16,
    reason: &str,
) {
    debug_assert!(code >= close::DONE && reason.len() <= LONGEST_REASON);
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    let goodbye = async {
        if speaker.send(Message::Close(Some(frame))).await.is_ok() {
            while !matches!(listener.next().await, Heard::Over) {}
        }
    };
    // A peer that does not answer is left.
    let _ = tokio::time::timeout(GOODBYE, goodbye).await;
}
