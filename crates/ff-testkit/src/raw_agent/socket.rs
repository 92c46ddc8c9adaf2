//! Its sockets. A terminal named `source-FRAME-TOTAL` sends so many bytes in binary frames of that
//! payload, and then says goodbye; any other one says nothing and answers pings.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract::{Path, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// How a terminal's name begins that sends.
pub const SOURCE: &str = "source";

/// Bytes written at once, about.
const WRITE: usize = 256 << 10;
/// Longest wait for a reader, and for its farewell.
const PATIENCE: Duration = Duration::from_secs(60);
const GOODBYE: [u8; 4] = [0x88, 2, 0x03, 0xe8];

static SENT: AtomicU64 = AtomicU64::new(0);

/// Bytes that all sources have handed to their connections.
pub(super) fn sent() -> u64 {
    SENT.load(Relaxed)
}

pub(super) async fn socket(
    Path((_, terminal)): Path<(String, String)>,
    mut request: Request,
) -> Response {
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let accept = derive_accept_key(key.as_bytes());
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let Ok(parts) = downcast::<TokioIo<tokio::net::TcpStream>>(upgraded) else {
            tracing::error!("a connection of an unknown kind");
            return;
        };
        if let Err(error) = serve(parts.io.into_inner(), &terminal).await {
            tracing::info!(%error, terminal, "a socket broke");
        }
    });
    let headers = [
        (header::CONNECTION, "upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_ACCEPT, &accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

async fn serve(stream: tokio::net::TcpStream, terminal: &str) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut words = terminal.split('-');
    if words.next() != Some(SOURCE) {
        let config = WebSocketConfig::default()
            .read_buffer_size(1 << 10)
            .write_buffer_size(0);
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        while let Some(Ok(_)) = socket.next().await {}
        return Ok(());
    }
    let mut number = || words.next().context("it is source-FRAME-TOTAL");
    let (frame, total): (usize, u64) = (number()?.parse()?, number()?.parse()?);
    let stream = stream.into_std()?;
    tokio::task::spawn_blocking(move || source(stream, frame, total)).await?
}

fn source(mut stream: TcpStream, frame: usize, total: u64) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let frames = (WRITE / frame).max(1);
    let buffer = binary(frame).repeat(frames);
    let mut left = total / frame as u64;
    while left > 0 {
        let now = left.min(frames as u64);
        let mut rest = &buffer[..buffer.len() / frames * now as usize];
        while !rest.is_empty() {
            let count = stream.write(rest)?;
            anyhow::ensure!(count > 0, "it takes nothing");
            SENT.fetch_add(count as u64, Relaxed);
            rest = &rest[count..];
        }
        left -= now;
    }
    stream.write_all(&GOODBYE)?;
    let mut rest = [0; 1024];
    while stream.read(&mut rest)? > 0 {}
    Ok(())
}

/// A binary frame with so much payload, as a server sends it.
fn binary(payload: usize) -> Vec<u8> {
    let mut frame = vec![0x82];
    match payload {
        0..=125 => frame.push(payload as u8),
        126..=0xffff => {
            frame.push(126);
            frame.extend((payload as u16).to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend((payload as u64).to_be_bytes());
        }
    }
    frame.extend((0..payload).map(|number| number as u8));
    frame
}
