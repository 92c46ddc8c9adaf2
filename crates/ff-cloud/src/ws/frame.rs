//! Messages of both legs in one shape, and how each leg's library spells them.

use axum::extract::ws as client;
use bytes::Bytes;
use ff_client::socket::WsStream;
use ff_protocol::close;
use futures_util::stream::{BoxStream, SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::{self as agent, protocol::CloseFrame};

/// A message. Text is not looked at; the libraries have seen that it is UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(Bytes),
    /// A binary message.
    Binary(Bytes),
    /// The end, with code and reason where they were given.
    Close(Option<(u16, String)>),
    /// A ping of ours.
    Ping,
    /// A sign of life.
    Alive,
}

/// How reading from a leg failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// The connection broke.
    Broken,
    /// A message was too large.
    TooLarge,
}

/// Messages of a leg as they come.
pub type Incoming = BoxStream<'static, Result<Frame, Failed>>;

/// A leg's way out.
pub enum Outgoing {
    /// To the client.
    Client(SplitSink<client::WebSocket, client::Message>),
    /// To the agent.
    Agent(SplitSink<WsStream, agent::Message>),
}

impl Outgoing {
    /// Hands a message to the connection, and waits until it has left this process.
    ///
    /// # Errors
    /// The connection is broken or closed.
    pub async fn send(&mut self, frame: Frame) -> Result<(), Failed> {
        let sent = match self {
            Self::Client(sink) => match to_client(frame) {
                Some(message) => sink.send(message).await.is_ok(),
                None => true,
            },
            Self::Agent(sink) => match to_agent(frame) {
                Some(message) => sink.send(message).await.is_ok(),
                None => true,
            },
        };
        if sent { Ok(()) } else { Err(Failed::Broken) }
    }
}

/// The client's leg.
pub fn client_leg(socket: client::WebSocket) -> (Incoming, Outgoing) {
    let (sink, stream) = socket.split();
    let stream = stream.map(|message| match message {
        Ok(client::Message::Text(text)) => Ok(Frame::Text(text.into())),
        Ok(client::Message::Binary(bytes)) => Ok(Frame::Binary(bytes)),
        Ok(client::Message::Close(frame)) => Ok(Frame::Close(
            frame.map(|frame| (frame.code, frame.reason.to_string())),
        )),
        Ok(client::Message::Ping(_) | client::Message::Pong(_)) => Ok(Frame::Alive),
        Err(error) => {
            let error = error.into_inner();
            Err(failed(error.downcast_ref::<agent::Error>()))
        }
    });
    (stream.boxed(), Outgoing::Client(sink))
}

/// The agent's leg.
pub fn agent_leg(socket: WsStream) -> (Incoming, Outgoing) {
    let (sink, stream): (_, SplitStream<WsStream>) = socket.split();
    let stream = stream.map(|message| match message {
        Ok(agent::Message::Text(text)) => Ok(Frame::Text(text.into())),
        Ok(agent::Message::Binary(bytes)) => Ok(Frame::Binary(bytes)),
        Ok(agent::Message::Close(frame)) => {
            Ok(Frame::Close(frame.map(|frame| {
                (frame.code.into(), frame.reason.to_string())
            })))
        }
        Ok(_) => Ok(Frame::Alive),
        Err(error) => Err(failed(Some(&error))),
    });
    (stream.boxed(), Outgoing::Agent(sink))
}

fn failed(error: Option<&agent::Error>) -> Failed {
    match error {
        Some(agent::Error::Capacity(_)) => Failed::TooLarge,
        _ => Failed::Broken,
    }
}

fn to_client(frame: Frame) -> Option<client::Message> {
    Some(match frame {
        Frame::Text(text) => client::Message::Text(text.try_into().ok()?),
        Frame::Binary(bytes) => client::Message::Binary(bytes),
        Frame::Close(end) => client::Message::Close(end.map(|(code, reason)| client::CloseFrame {
            code,
            reason: reason.into(),
        })),
        Frame::Ping => client::Message::Ping(Bytes::new()),
        Frame::Alive => return None,
    })
}

fn to_agent(frame: Frame) -> Option<agent::Message> {
    Some(match frame {
        Frame::Text(text) => agent::Message::Text(text.try_into().ok()?),
        Frame::Binary(bytes) => agent::Message::Binary(bytes),
        Frame::Close(end) => agent::Message::Close(end.map(|(code, reason)| CloseFrame {
            code: code.into(),
            reason: reason.into(),
        })),
        Frame::Ping => agent::Message::Ping(Bytes::new()),
        Frame::Alive => return None,
    })
}

/// A close with one of our own codes.
pub fn closing(code: u16, reason: &str) -> Frame {
    debug_assert!(code >= close::DONE);
    Frame::Close(Some((code, reason.to_owned())))
}
