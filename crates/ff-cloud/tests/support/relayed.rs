//! A relayed socket, and both its ends.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use axum::extract::ws::{Message as AtAgent, WebSocket};
use ff_client::CloudClient;
use ff_protocol::VmId;
use futures_util::StreamExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::Server;
use super::backend::Backend;
use super::engine::{Engine, Heard, Online};

pub type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub struct World {
    pub vm: VmId,
    pub client: CloudClient,
    pub heard: Heard,
    pub server: Server,
    pub online: Online,
}

pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work)
        .await
        .expect("it takes too long")
}

impl World {
    pub async fn new(backend: Backend) -> Self {
        Self::with(backend, &[]).await
    }

    pub async fn with(backend: Backend, args: &[&str]) -> Self {
        let server = Server::with(backend, args).await;
        let (_engine, heard) = Engine::install(&server);
        let online = Online::start(&server).await;
        let client = online.client("test-user");
        let vm = client.create_vm(None).await.unwrap().id;
        Self {
            vm,
            client,
            heard,
            server,
            online,
        }
    }

    pub fn url(&self, user: &str) -> String {
        let base = self.online.url.replace("http", "ws");
        let vm = &self.vm;
        format!("{base}/api/vms/{vm}/terminals/t/socket?viewer=v&userId={user}&from=a:7")
    }

    /// Both ends of a relayed socket.
    pub async fn connect(&mut self) -> (Client, WebSocket) {
        let connecting = tokio_tungstenite::connect_async(self.url("test-user"));
        let (client, _) = within(connecting).await.unwrap();
        let (uri, agent) = within(self.heard.sockets.recv()).await.unwrap();
        let vm = &self.vm;
        assert_eq!(
            uri,
            format!("/api/vms/{vm}/terminals/t/socket?viewer=v&from=a:7")
        );
        (client, agent)
    }
}

/// The next message that is not about the connection.
pub async fn at_client(client: &mut Client) -> Message {
    loop {
        match within(client.next()).await.unwrap().unwrap() {
            Message::Ping(_) | Message::Pong(_) => {}
            message => return message,
        }
    }
}

pub async fn at_agent(agent: &mut WebSocket) -> AtAgent {
    loop {
        match within(agent.recv()).await.unwrap().unwrap() {
            AtAgent::Ping(_) | AtAgent::Pong(_) => {}
            message => return message,
        }
    }
}

pub fn ended(message: Message) -> (u16, String) {
    match message {
        Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("{other:?}"),
    }
}
