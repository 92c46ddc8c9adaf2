//! Opening a relay: the agent's leg first, so that its refusal is still an HTTP answer.

use axum::extract::ws::WebSocketUpgrade;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use ff_client::socket::{MESSAGE_LIMIT, WsStream};
use ff_protocol::socket::LARGEST_CLIENT_FRAME;
use ff_protocol::{ErrorCode, close};

use super::frame::{agent_leg, client_leg};
use super::held::Kind;
use super::pump::{End, Leg, Patience, farewell, pump};
use super::side::Side;
use crate::App;
use crate::Result;
use crate::agent::{failure, path_and_query};
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
    pub upgrade: WebSocketUpgrade,
}

/// Connects the caller's socket with the same one of the agent, and carries messages until one
/// side ends or the server stops.
///
/// # Errors
/// `limit_reached`; what the agent refuses; `agent_unavailable`.
pub async fn relay(app: App, route: Route, caller: Caller<'_>) -> Result<Response> {
    let seat = app.relays.seat(&route.vm_id)?;
    let path = path_and_query(caller.uri.path(), caller.uri.query());
    let (route, agent) = dial(&app, route, &path).await?;
    let tasks = app.lifecycle.tasks.clone();
    let response = caller
        .upgrade
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MESSAGE_LIMIT)
        .max_message_size(LARGEST_CLIENT_FRAME)
        .max_frame_size(LARGEST_CLIENT_FRAME)
        .on_upgrade(move |socket| {
            let (incoming, outgoing) = client_leg(socket);
            let client = Leg { incoming, outgoing };
            let (incoming, outgoing) = agent_leg(agent);
            let agent = Leg { incoming, outgoing };
            tasks.track_future(async move {
                let _seat = seat;
                run(app, route, caller.kind, client, agent).await;
            })
        });
    Ok(response)
}

/// Connects to the agent's socket. Nothing is done by that, so it is tried again when the VM went
/// to sleep or its agent away meanwhile.
async fn dial(app: &App, mut route: Route, path: &str) -> Result<(Route, WsStream)> {
    for _ in 0..TRIES {
        let dialling = route.agent.dial(path, HeaderMap::new());
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
    let dialled = route.agent.dial(path, HeaderMap::new()).await;
    Ok((route, dialled.map_err(failure)?))
}

async fn run(app: App, route: Route, kind: Kind, mut client: Leg, mut agent: Leg) {
    let patience = Patience::default();
    let side = Side::new(app.vms.clone(), &route);
    let stop = &app.lifecycle.soft;
    let mut end = pump(&mut client, &mut agent, &side, kind, patience, stop).await;
    if may_come_back(&end) {
        let (code, reason) = side.lost().await;
        // Of one that is awake and says goodbye the client is told as it stands.
        if end == End::AgentLost || !side.was_awake() {
            end = End::Vm(code, reason);
        }
    }
    tracing::debug!(vm = %route.vm_id, ?end, "a relay ended");
    let agent = side.was_awake().then_some(agent);
    farewell(client, agent, &end, patience).await;
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
