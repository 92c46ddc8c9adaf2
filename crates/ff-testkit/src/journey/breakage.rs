//! Links of the chain that can be cut.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// One link to cut, and with it the step that must fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "kebab-case")]
pub enum Break {
    /// The Messages API answers 500 to everything.
    #[value(name = "api-answers-500")]
    ApiAnswers500,
    /// The git host answers 401 whatever the login.
    #[value(name = "git-answers-401")]
    GitAnswers401,
    /// The VM has no Claude CLI.
    CliMissing,
    /// The server cannot reach Docker.
    DockerUnreachable,
    /// A byte of the git bundle changes on its way to the server.
    BundleCorrupted,
}

impl Break {
    /// The step that must fail.
    pub fn failing_step(self) -> &'static str {
        match self {
            Self::ApiAnswers500 | Self::CliMissing => "prompt",
            Self::GitAnswers401 | Self::BundleCorrupted => "send",
            Self::DockerUnreachable => "provision",
        }
    }
}

/// First line of a git bundle, and the same with one byte changed.
const SIGNATURE: &[u8] = b"# v2 git bundle";
const CORRUPTED: &[u8] = b"# v2 git bumdle";

/// A link to the server that changes one byte of every git bundle.
pub(super) struct Corruptor {
    address: SocketAddr,
    _end: DropGuard,
}

impl Corruptor {
    pub(super) async fn start(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let end = CancellationToken::new();
        let stop = end.clone();
        tokio::spawn(async move {
            stop.run_until_cancelled(async {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(
                        stop.clone()
                            .run_until_cancelled_owned(carry(client, server)),
                    );
                }
            })
            .await;
        });
        Ok(Self {
            address,
            _end: end.drop_guard(),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn carry(client: TcpStream, server: SocketAddr) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = TcpStream::connect(server).await?.into_split();
    let back = tokio::io::copy(&mut from_server, &mut to_client);
    let there = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let n = from_client.read(&mut buffer).await?;
            if n == 0 {
                return to_server.shutdown().await;
            }
            let piece = &mut buffer[..n];
            if let Some(at) = piece
                .windows(SIGNATURE.len())
                .position(|window| window == SIGNATURE)
            {
                piece[at..at + CORRUPTED.len()].copy_from_slice(CORRUPTED);
            }
            to_server.write_all(piece).await?;
        }
    };
    tokio::try_join!(back, there).map(drop)
}
