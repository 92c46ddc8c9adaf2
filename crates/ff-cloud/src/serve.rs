//! `ff-cloud serve`.

use std::sync::Arc;

use axum::serve::ListenerExt;
use ff_protocol::ErrorCode;
use tokio::net::TcpListener;

use crate::compute::Provider;
use crate::compute::docker::DockerProvider;
use crate::compute::process::ProcessProvider;
use crate::compute::sim::SimProvider;
use crate::config::{Config, ProviderKind};
use crate::identity::Identity;
use crate::lifecycle::Lifecycle;
use crate::{App, Error, Result, fault, http};

/// Runs the server until a signal ends it.
///
/// # Errors
/// The settings do not go together, the data directory or the address cannot be used.
pub async fn run(config: Config) -> Result<()> {
    let config = config.or_database(std::env::var("DATABASE_URL").ok());
    config.check()?;
    if config.dev {
        fault::arm()?;
    }
    let lifecycle = Lifecycle::new();
    lifecycle.watch_signals().map_err(|source| Error::Io {
        path: "the signal handlers".into(),
        source,
    })?;
    let listener = listen(&config).await?;
    match config.provider {
        ProviderKind::Docker => {}
        ProviderKind::Process => tracing::warn!(
            "agents run as plain processes of this user: nothing isolates or limits them"
        ),
        ProviderKind::Sim => {
            tracing::warn!("VMs are simulated: nothing runs in them, and they end with the server");
        }
    }
    let app = App::open(config, lifecycle, provider).await?;
    serve(app, listener).await
}

/// The provider that the settings name.
///
/// # Errors
/// A setting of it cannot be used.
pub fn provider(config: &Config, identity: &Identity) -> Result<Arc<dyn Provider>> {
    Ok(match config.provider {
        ProviderKind::Docker => Arc::new(DockerProvider::new(config, identity)?),
        ProviderKind::Process => {
            let dir = config.data_dir()?;
            Arc::new(ProcessProvider::new(
                &dir,
                config.agent_binary.as_deref(),
                &config.vm.agent,
            )?)
        }
        ProviderKind::Sim => Arc::new(SimProvider::new()),
    })
}

/// Serves on an open listener until the app's soft token is cancelled, then ends the app's tasks.
///
/// # Errors
/// The listener fails.
pub async fn serve(app: App, listener: TcpListener) -> Result<()> {
    let lifecycle = app.lifecycle.clone();
    app.vms.start_tasks();
    app.handoffs.start_tasks();
    app.ownership.start_tasks();
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "listening");
    }
    // A terminal's small frames would wait for the peer's delayed acknowledgement, some 40 ms.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
    });
    let server = axum::serve(listener, http::router(app.clone()))
        .with_graceful_shutdown(lifecycle.soft.clone().cancelled_owned());
    let hard = lifecycle.hard.clone();
    let work = async {
        let served = tokio::select! {
            served = async { server.await } => served,
            () = hard.cancelled() => Ok(()),
        };
        lifecycle.finish().await;
        served
    };
    let (served, ()) = tokio::join!(work, lifecycle.limit_grace());
    app.vms.close().await;
    app.db.clone().close().await?;
    served.map_err(|source| Error::Io {
        path: "the listening socket".into(),
        source,
    })
}

async fn listen(config: &Config) -> Result<TcpListener> {
    TcpListener::bind(config.listen).await.map_err(|error| {
        let address = config.listen;
        match error.kind() {
            std::io::ErrorKind::AddrInUse => Error::refused(
                ErrorCode::Conflict,
                format!("port {} is taken by another program", address.port()),
            )
            .hint("stop it, or choose another with --listen 127.0.0.1:PORT"),
            _ => Error::refused(
                ErrorCode::Invalid,
                format!("cannot listen on {address}: {error}"),
            )
            .hint("choose another address with --listen"),
        }
    })
}
