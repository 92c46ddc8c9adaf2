//! `ff serve [--port PORT]`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use axum::middleware;
use axum::serve::ListenerExt;
use ff_client::Secret;
use ff_core::Core;
use ff_engine::Engine;
use serde::Serialize;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::cli::ServeArgs;
use crate::context::Context;
use crate::moving::contact;
use crate::output::fields;
use crate::serving::Serving;
use crate::serving::gate::{self, Gate};

/// Open requests get this long at the end.
const LAST_REQUESTS: Duration = Duration::from_secs(2);
/// Between two comparisons of who owns workspaces.
const CONTACT: Duration = Duration::from_secs(60);

#[derive(Serialize)]
struct Shown {
    address: String,
    pid: u32,
}

/// Runs the sessions of this machine until it is told to stop; other `ff` commands find it.
pub async fn run(context: &Context, args: &ServeArgs) -> anyhow::Result<()> {
    let serving = Serving::begin(context.data_dir()).await?;
    let core = context.running_core().await?;
    core.keep_workspaces();
    core.keep_pull_requests(Duration::from_secs(args.pr_interval));
    let asked = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let listener = TcpListener::bind(asked)
        .await
        .with_context(|| format!("cannot listen on {asked}"))?;
    let address = listener
        .local_addr()
        .context("cannot tell where it listens")?;
    let token = token();
    let gate = Gate::new(address, token.clone());
    let app = ff_engine::router(Engine::new(core.clone(), None))
        .layer(middleware::from_fn_with_state(gate, gate::guard))
        .layer(middleware::from_fn(ff_engine::request_id));
    // Small frames would wait for the peer's delayed acknowledgement.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
    });
    let stopping = context.stop().clone();
    let server = axum::serve(listener, app).with_graceful_shutdown(stopping.cancelled_owned());
    let mut server = tokio::spawn(server.into_future());
    let shown = Shown {
        address: format!("http://{address}"),
        pid: std::process::id(),
    };
    serving.announce(&shown.address, &token)?;
    core.sessions()
        .go_on()
        .await
        .context("cannot send the messages that wait")?;
    context.out.result(&shown, || {
        fields(&[
            ("serving", Some(shown.address.clone())),
            ("stop", Some("Ctrl-C".into())),
        ])
    })?;
    tokio::select! {
        () = context.stop().cancelled() => {}
        () = keep_contact(context) => {}
        ended = &mut server => return ended.context("the server died")?.context("the server failed"),
    }
    context.out.say("stopping");
    end(&serving, core).await?;
    match tokio::time::timeout(LAST_REQUESTS, &mut server).await {
        Ok(ended) => ended
            .context("the server died")?
            .context("the server failed"),
        Err(_) => {
            server.abort();
            Ok(())
        }
    }
}

/// Whatever acts here on a workspace that another side owns by now ends soon after.
async fn keep_contact(context: &Context) {
    loop {
        match context.cloud_if_connected() {
            Ok(Some(cloud)) => {
                if let Err(error) = contact::compare(context, &cloud, None).await {
                    tracing::warn!(?error, "who owns workspaces is not compared");
                }
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(?error, "the cloud cannot be found"),
        }
        tokio::time::sleep(CONTACT).await;
    }
}

/// Nobody is to find it any more; then sessions and terminals end, and with them their sockets.
async fn end(serving: &Serving, core: &Core) -> anyhow::Result<()> {
    serving.withdraw()?;
    core.shutdown().await;
    Ok(())
}

/// 244 random bits.
fn token() -> Secret {
    let (one, two) = (Uuid::new_v4().simple(), Uuid::new_v4().simple());
    Secret::new(format!("fft_{one}{two}"))
}
