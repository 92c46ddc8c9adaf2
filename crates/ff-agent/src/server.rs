//! From start to stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::routing::{delete, get, post};
use axum::serve::ListenerExt;
use axum::{Router, middleware};
use ff_core::{Core, CoreConfig, Side};
use ff_engine::Engine;
use ff_protocol::agent::{HEALTH_PATH, HELLO_PATH, QUIESCE_PATH, REPORTS_PATH};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::activity::Activity;
use crate::auth::require_token;
use crate::config::ServeArgs;
use crate::gate::guard;
use crate::governor::Governor;
use crate::health::{Vitals, health, reports};
use crate::hello::{Identity, hello};
use crate::quiesce::{Sleep, quiesce, release};
use crate::token::Token;

/// Open requests get this long at the end; the container engine kills after ten seconds.
const LAST_REQUESTS: Duration = Duration::from_secs(2);

/// Serves until SIGTERM or SIGINT, then ends sessions and terminals.
pub(crate) async fn serve(args: ServeArgs) -> Result<()> {
    let token = Token::take(&args.token_file)?;
    ff_core::fault::list(ff_core::handoff::fault::POINTS.iter().copied());
    let data = args.home.join(".local/share/ff-agent");
    let base = args.home.join("factory-factory");
    let mut config = CoreConfig::new(Side::Cloud, args.home.clone(), data, base);
    config.terminals = args.terminal_config();
    let core = Core::open(config).await.context("cannot open the store")?;
    core.recover()
        .await
        .context("cannot end what a crash left behind")?;
    core.sessions()
        .go_on()
        .await
        .context("cannot send the messages that a crash left waiting")?;
    core.keep_workspaces();
    core.keep_pull_requests(Duration::from_secs(args.pr_interval));
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    let listen = listener
        .local_addr()
        .context("cannot tell where it listens")?;
    tracing::info!(vm = %args.vm_id, %listen, "the agent serves");
    let stopping = CancellationToken::new();
    let (activity, _watching) = Activity::start(
        core.clone(),
        args.vm_id.clone(),
        stopping.clone(),
        Governor::start()?,
    );
    let vitals = Vitals::new(activity.clone(), stopping.clone());
    let app = app(&args, core.clone(), token, activity, vitals);
    // A terminal's small frames would wait for the peer's delayed acknowledgement, some 40 ms.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
    });
    let serving =
        axum::serve(listener, app).with_graceful_shutdown(stopping.clone().cancelled_owned());
    let serving = tokio::spawn(serving.into_future());
    wait_for_signal().await?;
    tracing::info!(vm = %args.vm_id, "the agent stops");
    stopping.cancel();
    core.shutdown().await;
    match tokio::time::timeout(LAST_REQUESTS, serving).await {
        Ok(ended) => ended
            .context("the server task died")?
            .context("the server failed"),
        Err(_) => Ok(()),
    }
}

fn app(args: &ServeArgs, core: Core, token: Token, activity: Activity, vitals: Vitals) -> Router {
    let permits = core.permits().clone();
    let sleep = Sleep {
        permits: permits.clone(),
        activity,
    };
    let identity = Identity {
        vm_id: args.vm_id.clone(),
        token: token.clone(),
    };
    let guarded = Router::new()
        .route(HEALTH_PATH, get(health))
        .route(REPORTS_PATH, get(reports))
        .with_state(vitals)
        .route(QUIESCE_PATH, post(quiesce))
        .route(&format!("{QUIESCE_PATH}/{{id}}"), delete(release))
        .with_state(sleep)
        .merge(ff_engine::router(Engine::new(
            core,
            Some(args.vm_id.clone()),
        )))
        .layer(middleware::from_fn_with_state(permits, guard))
        .layer(middleware::from_fn_with_state(token, require_token));
    Router::new()
        .route(HELLO_PATH, get(hello))
        .with_state(Arc::new(identity))
        .merge(guarded)
        .layer(middleware::from_fn(ff_engine::request_id))
}

async fn wait_for_signal() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    tokio::select! {
        _ = terminate.recv() => {}
        ended = tokio::signal::ctrl_c() => ended.context("cannot listen for signals")?,
    }
    Ok(())
}
