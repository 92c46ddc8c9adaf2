//! An agent without an engine, for measuring the relay: it proves itself as the server's agents do,
//! and its sockets send or take frames as fast as a thread can.

mod socket;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::body::Body;
use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use ff_client::{Secret, proof};
use ff_protocol::agent::{HEALTH_PATH, HELLO_PATH, Health, Hello, REPORTS_PATH};
use ff_protocol::{PROTOCOL_GENERATION, VmId};
use futures_util::stream;
use serde::Deserialize;

pub use socket::SOURCE;

/// File in the agent's home that says where it listens.
pub const ADDRESS_FILE: &str = "address";
/// Path that tells how many bytes its sources have handed to their connections so far.
pub const SENT_PATH: &str = "/sent";
/// Time between reports.
const REPORT: Duration = Duration::from_secs(5);

/// Who the server started, as it says in the environment.
#[derive(Debug, Clone)]
pub struct Agent {
    vm_id: VmId,
    token: Secret,
    listen: SocketAddr,
    home: PathBuf,
    began: Instant,
}

impl Agent {
    /// Reads the environment that the server's `process` provider gives its agents.
    ///
    /// # Errors
    /// Something of it is missing.
    pub fn from_env() -> Result<Self> {
        let var = |name: &str| std::env::var(name).with_context(|| format!("there is no {name}"));
        let token = PathBuf::from(var("FF_AGENT_TOKEN_FILE")?);
        let text = std::fs::read_to_string(&token).context("there is no token")?;
        std::fs::remove_file(token)?;
        Ok(Self {
            vm_id: var("FF_VM_ID")?.parse()?,
            token: Secret::new(text.trim()),
            listen: var("FF_AGENT_LISTEN")?.parse()?,
            home: var("HOME")?.into(),
            began: Instant::now(),
        })
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// It cannot listen.
    pub async fn serve(self) -> Result<()> {
        let listener = tokio::net::TcpListener::bind(self.listen).await?;
        std::fs::write(self.home.join(ADDRESS_FILE), self.listen.to_string())?;
        let routes = Router::new()
            .route(HELLO_PATH, get(hello))
            .route(
                HEALTH_PATH,
                get(async |State(agent): Shared| Json(agent.health())),
            )
            .route(REPORTS_PATH, get(reports))
            .route(SENT_PATH, get(async || socket::sent().to_string()))
            .route(
                "/api/vms/{vm}/terminals/{terminal}/socket",
                get(socket::socket),
            )
            .with_state(self);
        axum::serve(listener, routes).await?;
        Ok(())
    }

    fn health(&self) -> Health {
        Health {
            vm_id: self.vm_id.clone(),
            working: Vec::new(),
            holding: Vec::new(),
            last_active_at: chrono::Utc::now(),
            uptime_seconds: self.began.elapsed().as_secs(),
            quiesced: None,
            next_wake_at: None,
            notices: Vec::new(),
            login_required: None,
        }
    }
}

/// Where an agent of this kind, whose home this is, listens.
///
/// # Errors
/// It has not said so.
pub fn address(home: &Path) -> Result<SocketAddr> {
    let text = std::fs::read_to_string(home.join(ADDRESS_FILE))?;
    Ok(text.trim().parse()?)
}

type Shared = State<Agent>;

#[derive(Deserialize)]
struct Challenge {
    nonce: String,
}

async fn hello(State(agent): Shared, Query(challenge): Query<Challenge>) -> Json<Hello> {
    Json(Hello {
        generation: PROTOCOL_GENERATION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        proof: proof::proof(&agent.token, &agent.vm_id, &challenge.nonce),
        vm_id: agent.vm_id,
    })
}

async fn reports(State(agent): Shared) -> Body {
    let lines = stream::unfold((agent, true), async |(agent, first)| {
        if !first {
            tokio::time::sleep(REPORT).await;
        }
        let line = serde_json::to_string(&agent.health()).map(|line| line + "\n");
        Some((line, (agent, false)))
    });
    Body::from_stream(lines)
}
