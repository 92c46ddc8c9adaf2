use std::net::SocketAddr;

use anyhow::Result;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

const LONGEST_HEAD: u64 = 16 * 1024;

/// An HTTP proxy that leads every tunnel to one address. It ends when dropped.
pub(crate) struct Tunnel {
    address: SocketAddr,
    _end: DropGuard,
}

impl Tunnel {
    pub(crate) async fn start(bind: SocketAddr, target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(bind).await?;
        let address = listener.local_addr()?;
        let end = CancellationToken::new();
        let stop = end.clone();
        tokio::spawn(async move {
            stop.run_until_cancelled(async {
                while let Ok((client, _)) = listener.accept().await {
                    let carried = carry(client, target);
                    tokio::spawn(stop.clone().run_until_cancelled_owned(carried));
                }
            })
            .await;
        });
        Ok(Self {
            address,
            _end: end.drop_guard(),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn carry(client: TcpStream, target: SocketAddr) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    let mut head = (&mut client).take(LONGEST_HEAD);
    let mut first = String::new();
    head.read_line(&mut first).await?;
    let mut line = first.clone();
    while line.trim() != "" {
        line.clear();
        if head.read_line(&mut line).await? == 0 {
            return Ok(());
        }
    }
    if !first.starts_with("CONNECT ") {
        let refusal = b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n";
        return client.write_all(refusal).await;
    }
    let mut server = TcpStream::connect(target).await?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
