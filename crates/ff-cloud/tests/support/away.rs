//! A stand-in for the engine's socket, so that an engine can go away and come back.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// Passes connections on to the real engine until it is told to go away.
pub fn engine_at(socket: &Path) -> CancellationToken {
    let listener = UnixListener::bind(socket).unwrap();
    let gone = CancellationToken::new();
    let (end, socket) = (gone.clone(), socket.to_owned());
    tokio::spawn(async move {
        while let Some(Ok((mut near, _))) = end.run_until_cancelled(listener.accept()).await {
            let end = end.clone();
            tokio::spawn(async move { end.run_until_cancelled(pass_on(&mut near)).await });
        }
        std::fs::remove_file(socket).unwrap();
    });
    gone
}

async fn pass_on(near: &mut UnixStream) {
    let host = std::env::var("DOCKER_HOST").unwrap_or("unix:///var/run/docker.sock".to_owned());
    // How a connection ends is the caller's matter.
    let _ = match host.strip_prefix("unix://") {
        Some(path) => {
            let mut far = UnixStream::connect(path).await.unwrap();
            tokio::io::copy_bidirectional(near, &mut far).await
        }
        None => {
            let address = host.strip_prefix("tcp://").unwrap();
            let mut far = TcpStream::connect(address).await.unwrap();
            tokio::io::copy_bidirectional(near, &mut far).await
        }
    };
}
