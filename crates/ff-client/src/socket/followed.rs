//! One connection of a workspace socket.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ff_protocol::socket::WorkspaceFrame;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::tungstenite::Message;

use super::outbox::{Outbox, Said};
use super::workspace::{Place, WorkspaceEvent};
use super::{End, PING, SILENCE, WRITE, WsStream, broken, closed};
use crate::error::Result;
use crate::http::Http;

/// Takes in what the engine sends until the connection ends.
pub(super) async fn read(
    mut stream: SplitStream<WsStream>,
    http: &Http,
    place: &mut Place,
    outbox: &Mutex<Outbox>,
    events: &mpsc::Sender<Result<WorkspaceEvent>>,
    moved: &Notify,
) -> End {
    loop {
        let text = match tokio::time::timeout(SILENCE, stream.next()).await {
            Err(_) => return End::Lost("no sign of life".into()),
            Ok(None) => return End::Lost("the connection broke".into()),
            Ok(Some(Err(error))) => return broken(http, error),
            Ok(Some(Ok(Message::Text(text)))) => text,
            Ok(Some(Ok(Message::Close(Some(frame))))) => {
                return closed(frame.code.into(), &frame.reason);
            }
            Ok(Some(Ok(Message::Close(None)))) => return End::Lost("closed".into()),
            Ok(Some(Ok(_))) => continue,
        };
        // A frame of a kind we do not know comes from a newer engine.
        let Ok(frame) = serde_json::from_str::<WorkspaceFrame>(&text) else {
            continue;
        };
        if matches!(frame, WorkspaceFrame::Lagged) {
            return End::Lost("fell behind".into());
        }
        lock(outbox).hear(&frame);
        moved.notify_one();
        if place.note(&frame) {
            let event = WorkspaceEvent::Frame(Box::new(frame));
            if events.send(Ok(event)).await.is_err() {
                return End::Done;
            }
        }
    }
}

/// Sends what the client says until the connection ends: first what was not answered before.
pub(super) async fn write(
    mut sink: SplitSink<WsStream, Message>,
    outbox: &Mutex<Outbox>,
    said: &mut mpsc::Receiver<Said>,
    moved: &Notify,
) -> End {
    let mut ping = tokio::time::interval(PING);
    loop {
        let has_room = lock(outbox).has_room();
        let message = tokio::select! {
            said = said.recv(), if has_room => match said {
                Some(said) => { lock(outbox).push(said); None }
                None => return End::Done,
            },
            () = moved.notified(), if !has_room => None,
            _ = ping.tick() => Some(Message::Ping(bytes::Bytes::new())),
        };
        let mut next = message.or_else(|| frame(outbox));
        while let Some(message) = next {
            match tokio::time::timeout(WRITE, sink.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return End::Lost(error.to_string()),
                Err(_) => return End::Lost("the engine takes nothing".into()),
            }
            next = frame(outbox);
        }
    }
}

fn frame(outbox: &Mutex<Outbox>) -> Option<Message> {
    lock(outbox).next_frame().map(Message::text)
}

/// Short sections only.
pub(super) fn lock(outbox: &Mutex<Outbox>) -> MutexGuard<'_, Outbox> {
    outbox.lock().unwrap_or_else(PoisonError::into_inner)
}
