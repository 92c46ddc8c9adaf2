//! The connections between `ff` and the server: a TCP proxy that counts bytes, and ends a
//! connection in the middle of one.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::plan::Way;

const PIECE: usize = 16 << 10;

#[derive(Debug, Default)]
struct State {
    up: u64,
    down: u64,
    /// The way in which the next connection ends, and after how many bytes of it.
    cut: Option<(Way, u64)>,
}

impl State {
    fn carried(&mut self, way: Way) -> &mut u64 {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}

/// The proxy. It ends when dropped.
#[derive(Debug)]
pub(super) struct Wire {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _end: DropGuard,
}

impl Wire {
    /// One that leads to this address.
    ///
    /// # Errors
    /// There is no port for it.
    pub(super) async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::<Mutex<State>>::default();
        let (end, shared) = (CancellationToken::new(), Arc::clone(&state));
        let stop = end.clone();
        tokio::spawn(async move {
            let accepting = async {
                while let Ok((client, _)) = listener.accept().await {
                    let carried = carry(client, target, Arc::clone(&shared));
                    tokio::spawn(stop.clone().run_until_cancelled_owned(carried));
                }
            };
            stop.run_until_cancelled(accepting).await;
        });
        Ok(Self {
            address,
            state,
            _end: end.drop_guard(),
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes that went up and down.
    pub(super) fn carried(&self) -> (u64, u64) {
        let state = lock(&self.state);
        (state.up, state.down)
    }

    /// Ends the connection that carries so many bytes more in one way, right there.
    pub(super) fn cut_after(&self, way: Way, bytes: u64) {
        let mut state = lock(&self.state);
        let at = *state.carried(way) + bytes;
        state.cut = Some((way, at));
    }

    /// Whether a cut is still to come.
    pub(super) fn is_to_cut(&self) -> bool {
        lock(&self.state).cut.is_some()
    }

    /// Does not cut any more.
    pub(super) fn spare(&self) {
        lock(&self.state).cut = None;
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn carry(client: TcpStream, target: SocketAddr, state: Arc<Mutex<State>>) {
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
    let cut = CancellationToken::new();
    let both = async {
        tokio::join!(
            pass(from_client, to_server, Way::Up, &state, &cut),
            pass(from_server, to_client, Way::Down, &state, &cut),
        )
    };
    cut.run_until_cancelled(both).await;
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: Way,
    state: &Mutex<State>,
    cut: &CancellationToken,
) {
    let mut buffer = vec![0; PIECE];
    loop {
        let count = from.read(&mut buffer).await.unwrap_or(0);
        let (goes, ends) = take(state, way, count);
        let written = to.write_all(&buffer[..goes]).await;
        if ends {
            cut.cancel();
            return;
        }
        if count == 0 || written.is_err() {
            let _ = to.shutdown().await;
            return;
        }
    }
}

/// How many of so many bytes go on, and whether the connection ends with them, which uses the cut up.
fn take(state: &Mutex<State>, way: Way, count: usize) -> (usize, bool) {
    let mut state = lock(state);
    let carried = state.carried(way);
    let (before, after) = (*carried, *carried + count as u64);
    *carried = after;
    match state.cut {
        Some((which, at)) if which == way && count > 0 && after >= at => {
            state.cut = None;
            let goes = usize::try_from(at.saturating_sub(before)).unwrap_or(count);
            (goes.min(count), true)
        }
        _ => (count, false),
    }
}
