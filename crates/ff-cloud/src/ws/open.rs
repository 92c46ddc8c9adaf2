//! Opening a relay: the agent's leg first, so that its refusal is still an HTTP answer.

use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use ff_client::socket::RawSocket;
use ff_protocol::{ErrorCode, close};

use super::gate::Kind;
use super::pump::{End, Patience, Pump};
use super::side::Side;
use crate::App;
use crate::Result;
use crate::agent::{failure, path_and_query};
use crate::http::Upgrade;
use crate::services::workspace::Route;

/// How often the agent's socket is dialled anew.
const TRIES: usize = 2;

/// Who asked, and for what.
pub struct Caller<'a> {
    /// The request's path and query, the same at the agent.
    pub uri: &'a Uri,
    /// What the socket is for.
    pub kind: Kind,
    /// The upgrade it asks for.
    pub upgrade: Upgrade,
}

/// Connects the caller's socket with the same one of the agent, and carries frames until one
/// side ends or the server stops.
///
/// # Errors
/// `limit_reached`; what the agent refuses; `agent_unavailable`.
pub async fn relay(app: App, route: Route, caller: Caller<'_>) -> Result<Response> {
    let seat = app.relays.seat(&route.vm_id)?;
    let path = path_and_query(caller.uri.path(), caller.uri.query());
    let (route, agent) = dial(&app, route, &path).await?;
    let (response, client) = caller.upgrade.consent();
    let (kind, tasks) = (caller.kind, app.lifecycle.tasks.clone());
    tasks.spawn(async move {
        let _seat = seat;
        if let Some(client) = client.await {
            let rooms = app.relays.rooms();
            let side = Side::new(app.vms.clone(), &route);
            // The route is large, and what is needed of it is in the side.
            drop(route);
            let pump = Pump::new(client, agent, kind, rooms, Patience::default());
            run(app, side, pump).await;
        }
    });
    Ok(response)
}

/// Connects to the agent's socket. Nothing is done by that, so it is tried again when the VM went
/// to sleep or its agent away meanwhile.
async fn dial(app: &App, mut route: Route, path: &str) -> Result<(Route, RawSocket)> {
    for _ in 0..TRIES {
        let dialling = route.agent.dial_raw(path, HeaderMap::new());
        match app.workspaces.while_awake(&route, dialling).await? {
            Some(Ok(socket)) => return Ok((route, socket)),
            Some(Err(error)) => {
                let error = failure(error);
                if error.code() != ErrorCode::AgentUnavailable {
                    return Err(error);
                }
                app.vms.doubt(&route.vm_id);
            }
            None => {}
        }
        route = app.workspaces.again(&route).await?;
    }
    let dialled = route.agent.dial_raw(path, HeaderMap::new()).await;
    Ok((route, dialled.map_err(failure)?))
}

async fn run(app: App, side: Side, mut pump: Pump) {
    let mut end = pump.carry(&side, &app.lifecycle.soft).await;
    if may_come_back(&end) {
        let (code, reason) = side.lost().await;
        // Of one that is awake and says goodbye the client is told as it stands.
        if end == End::AgentLost || !side.was_awake() {
            end = End::Vm(code, reason);
        }
    }
    tracing::debug!(vm = %side.vm(), ?end, "a relay ended");
    pump.part(&end, !side.was_awake()).await;
}

/// Whether the agent's side ended in a way after which a client would connect again by itself.
/// An agent that is stopped with its VM says so like one that restarts.
fn may_come_back(end: &End) -> bool {
    match end {
        End::AgentLost | End::Agent(None) => true,
        End::Agent(Some((code, _))) => close::reconnects(*code),
        _ => false,
    }
}
