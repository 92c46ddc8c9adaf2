//! An agent that proves itself and reports what a test told it.

use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use ff_protocol::agent::{HEALTH_PATH, HELLO_PATH, Health, Hello};
use ff_protocol::vm::Onboarding;
use ff_protocol::{PROTOCOL_GENERATION, VmId};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::task::JoinHandle;

/// What the agent reports.
#[derive(Debug, Clone, Default)]
pub struct Work {
    pub working: Vec<String>,
    pub quiet_seconds: i64,
    /// How often an agent was asked for its health.
    pub asked: usize,
}

#[derive(Clone)]
struct Agent {
    vm_id: VmId,
    token: String,
    work: Arc<Mutex<Work>>,
}

/// A running agent; ends when dropped.
#[derive(Debug)]
pub struct Running {
    pub address: String,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub async fn start(vm_id: VmId, token: String, work: Arc<Mutex<Work>>, engine: Router) -> Running {
    let agent = Agent { vm_id, token, work };
    let routes = Router::new()
        .route(HELLO_PATH, get(hello))
        .route(HEALTH_PATH, get(health))
        .route("/api/vms/{vm}/onboarding", get(onboarding))
        .with_state(agent)
        .merge(engine);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    Running { address, task }
}

#[derive(serde::Deserialize)]
struct Nonce {
    nonce: String,
}

async fn hello(State(agent): State<Agent>, Query(Nonce { nonce }): Query<Nonce>) -> Json<Hello> {
    let mut mac = Hmac::<Sha256>::new_from_slice(agent.token.as_bytes()).unwrap();
    mac.update(format!("ff-agent-hello\n{}\n{nonce}", agent.vm_id).as_bytes());
    Json(Hello {
        vm_id: agent.vm_id,
        generation: PROTOCOL_GENERATION,
        version: "test".to_owned(),
        proof: hex::encode(mac.finalize().into_bytes()),
    })
}

async fn health(
    State(agent): State<Agent>,
    headers: HeaderMap,
) -> Result<Json<Health>, StatusCode> {
    agent.check(&headers)?;
    let work = {
        let mut work = agent.work.lock().unwrap();
        work.asked += 1;
        work.clone()
    };
    Ok(Json(Health {
        vm_id: agent.vm_id,
        working: work.working,
        last_active_at: ff_cloud::clock::now() - chrono::TimeDelta::seconds(work.quiet_seconds),
        uptime_seconds: 1,
    }))
}

async fn onboarding(
    State(agent): State<Agent>,
    headers: HeaderMap,
) -> Result<Json<Onboarding>, StatusCode> {
    agent.check(&headers)?;
    Ok(Json(Onboarding {
        github: Default::default(),
        claude: Default::default(),
        git_identity: None,
        next_step: Some("log in".to_owned()),
    }))
}

impl Agent {
    fn check(&self, headers: &HeaderMap) -> Result<(), StatusCode> {
        let expected = format!("Bearer {}", self.token);
        match headers.get("authorization") {
            Some(value) if value.as_bytes() == expected.as_bytes() => Ok(()),
            _ => Err(StatusCode::UNAUTHORIZED),
        }
    }
}
