//! Opening a relay: the agent's leg first, so that its refusal is still an HTTP answer.

use std::sync::Mutex;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use ff_client::socket::MESSAGE_LIMIT;
use ff_protocol::{ErrorCode, VmId, close};
use tokio::time::Instant;

use super::frame::{Frame, agent_leg, client_leg};
use super::pump::{End, Leg, Patience, farewell, pump};
use crate::App;
use crate::Result;
use crate::agent::{failure, path_and_query};
use crate::services::workspace::Route;

/// Largest message of a client, in bytes.
const CLIENT_LIMIT: usize = 4 << 20;
/// Shortest time between two notes of a client's activity.
const NOTE_EVERY: Duration = Duration::from_secs(5);

/// Who asked, and for what.
pub struct Caller<'a> {
    /// The request's path and query, the same at the agent.
    pub uri: &'a Uri,
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
    let agent = route
        .agent
        .dial(&path, HeaderMap::new())
        .await
        .map_err(failure)?;
    let tasks = app.lifecycle.tasks.clone();
    let response = caller
        .upgrade
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MESSAGE_LIMIT)
        .max_message_size(CLIENT_LIMIT)
        .max_frame_size(CLIENT_LIMIT)
        .on_upgrade(move |socket| {
            let (incoming, outgoing) = client_leg(socket);
            let client = Leg { incoming, outgoing };
            let (incoming, outgoing) = agent_leg(agent);
            let agent = Leg { incoming, outgoing };
            tasks.track_future(async move {
                let _seat = seat;
                run(app, route.vm_id, client, agent).await;
            })
        });
    Ok(response)
}

async fn run(app: App, vm: VmId, mut client: Leg, mut agent: Leg) {
    let patience = Patience::default();
    let noted = Mutex::new(None::<Instant>);
    let on_input = |frame: &Frame| {
        if matches!(frame, Frame::Text(_) | Frame::Binary(_)) {
            let mut noted = noted
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if noted.is_none_or(|last| last.elapsed() >= NOTE_EVERY) {
                *noted = Some(Instant::now());
                app.vms.note_activity(&vm);
            }
        }
    };
    let stop = &app.lifecycle.soft;
    let mut end = pump(&mut client, &mut agent, patience, stop, on_input).await;
    let mut lost = (close::TRY_LATER, "the way to the VM broke; connect again");
    if may_come_back(&end)
        && let Some(why) = why_asleep(&app, &vm).await
    {
        (end, lost) = (End::AgentLost, why);
    }
    tracing::debug!(%vm, ?end, "a relay ended");
    farewell(client, agent, &end, patience, lost).await;
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

/// What a client is told so that it does not wake the VM just by connecting again; `None` while
/// the VM runs.
async fn why_asleep(app: &App, vm: &VmId) -> Option<(u16, &'static str)> {
    match app.vms.running(vm).await.err()?.code() {
        ErrorCode::Suspended => Some((
            close::SUSPENDED,
            "the VM went to sleep; connect again to wake it",
        )),
        ErrorCode::Gone | ErrorCode::NotFound => Some((close::POLICY, "the VM is gone")),
        _ => None,
    }
}
