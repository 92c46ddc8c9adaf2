//! A link between a client and a server that goes silent: it stops carrying, without a word to
//! either side. It may also be slow, break, and note what it carries.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

const PIECE: usize = 64 << 10;
/// Pieces of a slow way, so that what is under way is little.
const SMALL: usize = 4 << 10;
/// Pieces that are under way on a slow way, at most.
const UNDER_WAY: usize = 64;

/// How slow a link is, each way.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long a byte is under way.
    pub delay: Duration,
    /// How many bytes a second it carries.
    pub rate: u64,
}

/// What a link has carried.
#[derive(Debug, Default)]
struct Carried {
    up: AtomicU64,
    down: AtomicU64,
    /// All of it, both ways, where that is wanted.
    bytes: Option<Mutex<Vec<u8>>>,
}

impl Carried {
    fn note(&self, bytes: &[u8], is_up: bool) {
        let way = if is_up { &self.up } else { &self.down };
        way.fetch_add(bytes.len() as u64, Relaxed);
        if let Some(all) = &self.bytes {
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend_from_slice(bytes);
        }
    }
}

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
    /// Those made before this one are broken.
    whole: u64,
}

/// What every connection of a link knows.
#[derive(Debug, Clone)]
struct Ways {
    target: SocketAddr,
    pace: Option<Pace>,
    carried: Arc<Carried>,
    states: watch::Receiver<State>,
}

/// A TCP proxy to one address. It ends when dropped.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
    made: watch::Receiver<u64>,
    carried: Arc<Carried>,
    _end: DropGuard,
}

impl Link {
    /// A link to this address.
    ///
    /// # Errors
    /// There is no port for it.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        Self::of(target, None, Carried::default()).await
    }

    /// A slow link to this address.
    ///
    /// # Errors
    /// There is no port for it.
    pub async fn slow(target: SocketAddr, pace: Pace) -> Result<Self> {
        Self::of(target, Some(pace), Carried::default()).await
    }

    /// A link to this address that notes all it carries.
    ///
    /// # Errors
    /// There is no port for it.
    pub async fn noting(target: SocketAddr) -> Result<Self> {
        let carried = Carried {
            bytes: Some(Mutex::default()),
            ..Carried::default()
        };
        Self::of(target, None, carried).await
    }

    async fn of(target: SocketAddr, pace: Option<Pace>, carried: Carried) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let end = CancellationToken::new();
        let state = watch::Sender::new(State {
            cut: Cut::None,
            first: 0,
            whole: 0,
        });
        let (count, made) = watch::channel(0);
        let carried = Arc::new(carried);
        let ways = Ways {
            target,
            pace,
            carried: Arc::clone(&carried),
            states: state.subscribe(),
        };
        let stop = end.clone();
        tokio::spawn(async move {
            let accepting = async {
                while let Ok((client, _)) = listener.accept().await {
                    let number = *count.borrow();
                    count.send_replace(number + 1);
                    let carried = carry(client, number, ways.clone());
                    tokio::spawn(stop.clone().run_until_cancelled_owned(carried));
                }
            };
            stop.run_until_cancelled(accepting).await;
        });
        Ok(Self {
            address,
            state,
            made,
            carried,
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

    /// Breaks the connections there are: both sides hear of it. New ones are whole.
    pub fn tear(&self) {
        let whole = *self.made.borrow();
        self.state.send_modify(|state| state.whole = whole);
    }

    /// How many bytes have come from clients and gone on to the server.
    pub fn went_up(&self) -> u64 {
        self.carried.up.load(Relaxed)
    }

    /// How many bytes have come from the server and gone on to clients.
    pub fn came_down(&self) -> u64 {
        self.carried.down.load(Relaxed)
    }

    /// Everything it has carried, if it notes that.
    pub fn noted(&self) -> Vec<u8> {
        let all = self.carried.bytes.as_ref();
        let all = all.map(|all| all.lock().unwrap_or_else(PoisonError::into_inner).clone());
        all.unwrap_or_default()
    }

    /// How many connections were made.
    pub fn made(&self) -> u64 {
        *self.made.borrow()
    }
}

async fn carry(client: TcpStream, number: u64, ways: Ways) {
    let Ok(server) = TcpStream::connect(ways.target).await else {
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
    let both = async {
        tokio::join!(
            pass(from_client, to_server, number, Cut::up, ways.clone()),
            pass(from_server, to_client, number, Cut::down, ways.clone()),
        )
    };
    let mut states = ways.states.clone();
    let torn = states.wait_for(|state| number < state.whole);
    tokio::select! {
        _ = both => {}
        _ = torn => {}
    }
}

/// One way. Its end is carried like everything else.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: u64,
    is_cut: fn(Cut) -> bool,
    mut ways: Ways,
) {
    let is_up = is_cut(Cut::Up);
    let (pieces, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    let (pace, carried) = (ways.pace, Arc::clone(&ways.carried));
    let read = async move {
        let size = if pace.is_some() { SMALL } else { PIECE };
        let mut buffer = vec![0; size];
        let mut free_at = Instant::now();
        let speaks = |state: &State| number >= state.first && !is_cut(state.cut);
        loop {
            if ways.states.wait_for(speaks).await.is_err() {
                return;
            }
            let count = from.read(&mut buffer).await.unwrap_or(0);
            // It may have been cut while there was nothing to carry.
            if ways.states.wait_for(speaks).await.is_err() || count == 0 {
                return;
            }
            let mut at = Instant::now();
            if let Some(pace) = pace {
                let takes = Duration::from_secs_f64(count as f64 / pace.rate.max(1) as f64);
                free_at = free_at.max(at) + takes;
                tokio::time::sleep_until(free_at).await;
                at = free_at + pace.delay;
            }
            if pieces.send((at, buffer[..count].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((at, piece)) = arriving.recv().await {
            tokio::time::sleep_until(at).await;
            carried.note(&piece, is_up);
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    };
    let read = async {
        read.await;
        std::future::pending::<()>().await;
    };
    // What was read is written to its end.
    tokio::select! {
        () = read => {}
        () = write => {}
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
    async fn a_torn_connection_ends_and_what_went_up_is_counted_and_noted() {
        let link = Link::noting(echo().await).await.unwrap();
        let mut old = TcpStream::connect(link.address()).await.unwrap();
        old.write_all(b"abc").await.unwrap();
        assert_eq!(heard(&mut old).await.unwrap(), b"abc");
        link.tear();
        let mut buffer = [0; 16];
        let ended = tokio::time::timeout(Duration::from_secs(10), old.read(&mut buffer)).await;
        assert!(matches!(ended.unwrap(), Ok(0) | Err(_)));
        let mut new = TcpStream::connect(link.address()).await.unwrap();
        new.write_all(b"d").await.unwrap();
        assert_eq!(heard(&mut new).await.unwrap(), b"d");
        assert_eq!((link.went_up(), link.came_down()), (4, 4));
        assert_eq!(link.noted(), b"abcabcdd");
    }

    #[tokio::test]
    async fn a_slow_link_carries_everything_in_order() {
        let pace = Pace {
            delay: Duration::from_millis(5),
            rate: 1 << 20,
        };
        let link = Link::slow(echo().await, pace).await.unwrap();
        let peer = TcpStream::connect(link.address()).await.unwrap();
        let sent: Vec<u8> = (0..100_000u32).flat_map(u32::to_be_bytes).collect();
        let (mut read, mut write) = peer.into_split();
        let mut back = vec![0; sent.len()];
        let (written, got) = tokio::join!(write.write_all(&sent), read.read_exact(&mut back));
        written.unwrap();
        got.unwrap();
        assert_eq!(back, sent);
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
