//! A link between a client and a server that goes silent: it stops carrying, without a word to
//! either side.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

const PIECE: usize = 64 << 10;

/// Which ways are silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// None.
    None,
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
    /// Both.
    Both,
}

impl Cut {
    fn up(self) -> bool {
        matches!(self, Self::Up | Self::Both)
    }

    fn down(self) -> bool {
        matches!(self, Self::Down | Self::Both)
    }
}

#[derive(Debug, Clone, Copy)]
struct State {
    cut: Cut,
    /// Connections made before this one are silent for ever.
    first: u64,
}

/// A TCP proxy to one address. It ends when dropped.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
    made: watch::Receiver<u64>,
    _end: DropGuard,
}

impl Link {
    /// A link to this address.
    ///
    /// # Errors
    /// There is no port for it.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let end = CancellationToken::new();
        let state = watch::Sender::new(State {
            cut: Cut::None,
            first: 0,
        });
        let (count, made) = watch::channel(0);
        let (stop, states) = (end.clone(), state.subscribe());
        tokio::spawn(async move {
            let accepting = async {
                while let Ok((client, _)) = listener.accept().await {
                    let number = *count.borrow();
                    count.send_replace(number + 1);
                    let carried = carry(client, target, number, states.clone());
                    tokio::spawn(stop.clone().run_until_cancelled_owned(carried));
                }
            };
            stop.run_until_cancelled(accepting).await;
        });
        Ok(Self {
            address,
            state,
            made,
            _end: end.drop_guard(),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes ways silent, or all of them speak again; what was said meanwhile arrives then.
    /// Connections that are made meanwhile are as silent.
    pub fn cut(&self, cut: Cut) {
        self.state.send_modify(|state| state.cut = cut);
    }

    /// Loses the connections there are: both sides keep them, and nothing is carried any more.
    pub fn lose(&self) {
        let first = *self.made.borrow();
        self.state.send_modify(|state| state.first = first);
    }

    /// How many connections were made.
    pub fn made(&self) -> u64 {
        *self.made.borrow()
    }
}

async fn carry(client: TcpStream, target: SocketAddr, number: u64, states: watch::Receiver<State>) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    if client
        .set_nodelay(true)
        .and(server.set_nodelay(true))
        .is_err()
    {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        pass(from_client, to_server, number, Cut::up, states.clone()),
        pass(from_server, to_client, number, Cut::down, states),
    );
}

/// One way. Its end is carried like everything else.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: u64,
    is_cut: fn(Cut) -> bool,
    mut states: watch::Receiver<State>,
) {
    let mut buffer = vec![0; PIECE];
    let speaks = |state: &State| number >= state.first && !is_cut(state.cut);
    loop {
        if states.wait_for(speaks).await.is_err() {
            return;
        }
        let count = from.read(&mut buffer).await.unwrap_or(0);
        // It may have been cut while there was nothing to carry.
        if states.wait_for(speaks).await.is_err() {
            return;
        }
        if count == 0 || to.write_all(&buffer[..count]).await.is_err() {
            let _ = to.shutdown().await;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut peer, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = peer.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        address
    }

    async fn heard(peer: &mut TcpStream) -> Option<Vec<u8>> {
        let mut buffer = [0; 16];
        let read = tokio::time::timeout(Duration::from_millis(300), peer.read(&mut buffer)).await;
        read.ok().map(|count| buffer[..count.unwrap()].to_vec())
    }

    #[tokio::test]
    async fn what_was_said_into_a_cut_arrives_after_it() {
        let link = Link::start(echo().await).await.unwrap();
        for cut in [Cut::Up, Cut::Down, Cut::Both] {
            let mut peer = TcpStream::connect(link.address()).await.unwrap();
            peer.write_all(b"a").await.unwrap();
            assert_eq!(heard(&mut peer).await.unwrap(), b"a");
            link.cut(cut);
            peer.write_all(b"b").await.unwrap();
            assert_eq!(heard(&mut peer).await, None, "{cut:?}");
            link.cut(Cut::None);
            assert_eq!(heard(&mut peer).await.unwrap(), b"b");
        }
    }

    #[tokio::test]
    async fn a_lost_connection_stays_silent_and_a_new_one_speaks() {
        let link = Link::start(echo().await).await.unwrap();
        let mut old = TcpStream::connect(link.address()).await.unwrap();
        old.write_all(b"a").await.unwrap();
        heard(&mut old).await.unwrap();
        link.lose();
        old.write_all(b"b").await.unwrap();
        assert_eq!(heard(&mut old).await, None);
        let mut new = TcpStream::connect(link.address()).await.unwrap();
        new.write_all(b"c").await.unwrap();
        assert_eq!(heard(&mut new).await.unwrap(), b"c");
        assert_eq!(link.made(), 2);
    }
}
