//! The agents of simulated machines: one listener answers for all, by the path.
//!
//! A machine's base URL is `http://127.0.0.1:<port>/<vm id>/<start>`, so that each start has an
//! address of its own, and an address of before is dead. A frozen machine takes requests and
//! executes them when it is thawed, as a real one does, also if the caller is gone by then.

use std::io;
use std::net::Ipv4Addr;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use ff_protocol::VmId;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::routes;
use super::world::World;

/// Largest body of a request that a frozen machine takes.
const FROZEN_BODY: usize = 1 << 20;

/// The listener of all agents; dropping it ends it, and asks its connections to end.
#[derive(Debug)]
pub struct Listener {
    base: String,
    _stop: DropGuard,
    _task: AbortOnDropHandle<()>,
}

/// What every request is answered from.
#[derive(Debug, Clone)]
struct Agents {
    world: World,
    stop: CancellationToken,
    /// Requests that wait for a thaw.
    late: TaskTracker,
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
        let agents = Agents {
            world,
            stop: stop.clone(),
            late: TaskTracker::new(),
        };
        let app = Router::new().fallback(answer).with_state(agents);
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

/// The start of a machine that a request is for.
#[derive(Debug, Clone)]
pub struct At {
    pub(super) vm: VmId,
    pub(super) start: u64,
    pub(super) world: World,
    pub(super) stop: CancellationToken,
}

async fn answer(State(agents): State<Agents>, mut request: Request) -> Response {
    let Some((vm, start, inside)) = address(request.uri()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    *request.uri_mut() = inside;
    let Agents { world, stop, late } = agents;
    let at = At {
        vm,
        start,
        world,
        stop,
    };
    match at.frozen() {
        None => no_machine(),
        Some(false) => routes::execute(at, request).await,
        Some(true) => {
            // Not ours to give up when the caller does.
            let executed = late.spawn(execute_late(at, request));
            executed.await.unwrap_or_else(|_| no_machine())
        }
    }
}

async fn execute_late(at: At, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, FROZEN_BODY).await else {
        return no_machine();
    };
    match at.thawed().await {
        true => routes::execute(at, Request::from_parts(parts, Body::from(body))).await,
        false => no_machine(),
    }
}

impl At {
    fn frozen(&self) -> Option<bool> {
        self.world
            .with_run(&self.vm, self.start, |run| run.is_frozen())
    }

    /// Waits until the machine is not frozen; `false` if its run is over.
    pub(super) async fn thawed(&self) -> bool {
        let subscribe = |run: &mut super::world::Running| run.frozen.subscribe();
        let Some(mut frozen) = self.world.with_run(&self.vm, self.start, subscribe) else {
            return false;
        };
        let thawed = self
            .stop
            .run_until_cancelled(frozen.wait_for(|frozen| !frozen));
        matches!(thawed.await, Some(Ok(_)))
    }
}

/// What a caller learns of a machine that is gone.
pub fn no_machine() -> Response {
    StatusCode::BAD_GATEWAY.into_response()
}

/// The VM, the number of its start, and what is asked of its agent.
fn address(uri: &Uri) -> Option<(VmId, u64, Uri)> {
    let whole = uri.path_and_query()?.as_str().strip_prefix('/')?;
    let (vm, rest) = whole.split_once('/')?;
    let (start, rest) = rest.split_once('/')?;
    let inside = format!("/{rest}").parse().ok()?;
    Some((vm.parse().ok()?, start.parse().ok()?, inside))
}
