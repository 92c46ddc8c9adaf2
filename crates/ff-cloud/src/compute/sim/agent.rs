//! The agents of simulated machines: one listener answers for all, by the path.
//!
//! A machine's base URL is `http://127.0.0.1:<port>/<vm id>/<start>`, so that each start has an
//! address of its own, and an address of before is dead.

use std::io;
use std::net::Ipv4Addr;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use ff_protocol::agent::{HEALTH_PATH, HELLO_PATH, Health, Hello};
use ff_protocol::vm::Onboarding;
use ff_protocol::{PROTOCOL_GENERATION, VmId};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt;

use super::world::{Running, World};
use crate::agent::AgentToken;
use crate::clock;

/// The listener of all agents; dropping it ends it, and asks its connections to end.
#[derive(Debug)]
pub struct Listener {
    base: String,
    _stop: DropGuard,
    _task: AbortOnDropHandle<()>,
}

impl Listener {
    /// Listens on a loopback port for the machines of `world`.
    ///
    /// # Errors
    /// The system has no port left.
    pub async fn open(world: World) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let app = Router::new().fallback(answer).with_state(world);
        let serving =
            axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned());
        let task = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the agents of simulated machines have ended");
            }
        });
        Ok(Self {
            base,
            _stop: stop.drop_guard(),
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// Base URL of a machine's agent since this start.
    pub fn base_url(&self, vm: &VmId, start: u64) -> String {
        format!("{}/{vm}/{start}", self.base)
    }
}

#[derive(serde::Deserialize)]
struct Nonce {
    nonce: String,
}

async fn answer(State(world): State<World>, mut request: Request) -> Response {
    let Some((vm, start, inside)) = address(request.uri()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Some(running) = world.running(&vm, start) else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    *request.uri_mut() = inside;
    if request.method() == Method::GET {
        let path = request.uri().path();
        if path == HELLO_PATH {
            return hello(vm, &running, request.uri());
        }
        let health = path == HEALTH_PATH;
        if health || path == format!("/api/vms/{vm}/onboarding") {
            return match (holds(request.headers(), &running.token), health) {
                (false, _) => StatusCode::UNAUTHORIZED.into_response(),
                (true, true) => report(vm, &world, &running),
                (true, false) => onboarding(),
            };
        }
    }
    engine(&world, request).await
}

/// The VM, the number of its start, and what is asked of its agent.
fn address(uri: &Uri) -> Option<(VmId, u64, Uri)> {
    let whole = uri.path_and_query()?.as_str().strip_prefix('/')?;
    let (vm, rest) = whole.split_once('/')?;
    let (start, rest) = rest.split_once('/')?;
    let inside = format!("/{rest}").parse().ok()?;
    Some((vm.parse().ok()?, start.parse().ok()?, inside))
}

fn hello(vm_id: VmId, running: &Running, uri: &Uri) -> Response {
    let Ok(Query(Nonce { nonce })) = Query::try_from_uri(uri) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let proof = ff_client::proof::proof(&running.token, &vm_id, &nonce);
    Json(Hello {
        vm_id,
        generation: PROTOCOL_GENERATION,
        version: "sim".to_owned(),
        proof,
    })
    .into_response()
}

fn report(vm_id: VmId, world: &World, running: &Running) -> Response {
    let work = world.ask_for_work();
    Json(Health {
        vm_id,
        working: work.working,
        holding: Vec::new(),
        quiesced: None,
        next_wake_at: None,
        notices: Vec::new(),
        last_active_at: clock::now() - chrono::TimeDelta::seconds(work.quiet_seconds),
        uptime_seconds: running.since.elapsed().as_secs(),
    })
    .into_response()
}

fn onboarding() -> Response {
    Json(Onboarding {
        github: Default::default(),
        claude: Default::default(),
        git_identity: None,
        next_step: Some("log in".to_owned()),
    })
    .into_response()
}

fn holds(headers: &HeaderMap, token: &AgentToken) -> bool {
    let expected = format!("Bearer {}", token.expose());
    headers
        .get(header::AUTHORIZATION)
        .is_some_and(|given| given.as_bytes() == expected.as_bytes())
}

async fn engine(world: &World, request: Request<Body>) -> Response {
    let Ok(response) = world.engine().oneshot(request).await;
    response
}
