//! One connection of a terminal socket.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use ff_protocol::terminal::ServerControl;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::tungstenite::Message;

use super::terminal::Command;
use super::track::{Disorder, Outgoing, TerminalEvent, Track};
use super::{End, PING, SILENCE, WRITE, WsStream, broken, closed};
use crate::error::Result;
use crate::http::Http;

/// Takes in what the server sends until the connection ends.
pub(super) async fn read(
    mut stream: SplitStream<WsStream>,
    http: &Http,
    track: &Mutex<Track>,
    events: &mpsc::Sender<Result<TerminalEvent>>,
    moved: &Notify,
) -> End {
    loop {
        let message = match tokio::time::timeout(SILENCE, stream.next()).await {
            Err(_) => return End::Lost("no sign of life".into()),
            Ok(None) => return End::Lost("the connection broke".into()),
            Ok(Some(Err(error))) => return broken(http, error),
            Ok(Some(Ok(message))) => message,
        };
        let happened = match message {
            Message::Text(text) => match serde_json::from_str::<ServerControl>(&text) {
                Ok(control) => lock(track).control(control),
                // A newer server may have more to say.
                Err(_) => continue,
            },
            Message::Binary(frame) => lock(track).output(&frame),
            Message::Close(Some(frame)) => return closed(frame.code.into(), &frame.reason),
            Message::Close(None) => return End::Lost("closed".into()),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
        moved.notify_one();
        let event = match happened {
            Ok(Some(event)) => event,
            Ok(None) => continue,
            Err(Disorder(why)) => return End::Lost(format!("the server is confused: {why}")),
        };
        let over = matches!(event, TerminalEvent::Exited(_));
        if events.send(Ok(event)).await.is_err() || over {
            return End::Done;
        }
    }
}

/// Sends what the viewer does until the connection ends.
pub(super) async fn write(
    mut sink: SplitSink<WsStream, Message>,
    track: &Mutex<Track>,
    commands: &mut mpsc::Receiver<Command>,
    moved: &Notify,
) -> End {
    let mut ping = tokio::time::interval(PING);
    loop {
        let has_room = lock(track).has_room();
        let message = tokio::select! {
            command = commands.recv(), if has_room => match command {
                Some(command) => { apply(track, command); None }
                None => return End::Done,
            },
            () = moved.notified() => None,
            _ = ping.tick() => Some(Message::Ping(Bytes::new())),
        };
        let mut next = message.or_else(|| frame(track));
        while let Some(message) = next {
            match tokio::time::timeout(WRITE, sink.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return End::Lost(error.to_string()),
                Err(_) => return End::Lost("the server takes no input".into()),
            }
            next = frame(track);
        }
    }
}

fn frame(track: &Mutex<Track>) -> Option<Message> {
    Some(match lock(track).next_frame()? {
        Outgoing::Text(text) => Message::text(text),
        Outgoing::Binary(frame) => Message::binary(frame),
    })
}

/// Notes what the viewer does.
pub(super) fn apply(track: &Mutex<Track>, command: Command) {
    match command {
        Command::Input(bytes) => lock(track).push_input(&bytes),
        Command::Resize(size) => lock(track).resize(size),
    }
}

/// Short sections only.
pub(super) fn lock(track: &Mutex<Track>) -> MutexGuard<'_, Track> {
    track.lock().unwrap_or_else(PoisonError::into_inner)
}
