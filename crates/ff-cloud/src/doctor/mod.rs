//! `ff-cloud doctor`: what differs between rows and the provider, what the host lacks, and the
//! repair of it. Works beside a running server: it locks, migrates and changes nothing unless
//! no server runs and it is told to.

use std::io::Write;
use std::time::{Duration, Instant};

use ff_protocol::ErrorCode;

use self::report::Report;
use crate::agent::AgentLink;
use crate::config::{Config, DoctorArgs, ProviderKind};
use crate::db::Db;
use crate::identity::Identity;
use crate::lifecycle::Lifecycle;
use crate::services::vm::{Difference, VmService};
use crate::{App, Error, Result, serve};

mod report;

/// Exit code when it could not be seen what differs.
pub const CANNOT_LOOK: u8 = 2;

/// Between the two looks at a difference: what is only passing is gone at the second.
const SECOND_LOOK: Duration = Duration::from_secs(1);
/// Longest repair.
const MENDING: Duration = Duration::from_secs(150);
/// Longest wait for a running server to repair by itself, which it does within 30 s.
const BY_ITSELF: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Looks, repairs if told to, and prints; answers the exit code.
///
/// # Errors
/// It cannot be seen what differs: the settings, the data directory, the database or the provider.
pub async fn run(ask: DoctorArgs) -> Result<u8> {
    let config = ask.config.or_database(std::env::var("DATABASE_URL").ok());
    config.check()?;
    if config.provider != ProviderKind::Docker {
        return Err(Error::refused(
            ErrorCode::Invalid,
            "only the server itself sees VMs that are its own processes or simulated",
        )
        .hint("look at GET /api/vms; the server keeps them in line by itself"));
    }
    let view = View::open(&config).await?;
    let mut report = view.look().await?;
    report.server_runs = Identity::is_used(&config.data_dir()?)?;
    let fixing = ask.fix && !report.cannot_look;
    if fixing {
        match lock(&config).await? {
            Some(app) => mend(app, &mut report).await?,
            None => wait_for_server(&view, &mut report).await?,
        }
    }
    view.db.close().await?;
    let text = match ask.json {
        true => report.json()?,
        false => report.text(),
    };
    // Whoever closed the pipe has read enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(report.exit_code())
}

/// What sees without changing anything.
struct View {
    db: Db,
    vms: VmService,
}

impl View {
    async fn open(config: &Config) -> Result<Self> {
        let identity = Identity::peek(&config.data_dir()?)?;
        let db = Db::peek(&config.database()?).await?;
        let provider = serve::provider(config, &identity)?;
        let vms = VmService::new(
            db.clone(),
            AgentLink::new()?,
            provider,
            identity,
            config.vm_settings(),
            Lifecycle::new(),
        );
        Ok(Self { db, vms })
    }

    async fn look(&self) -> Result<Report> {
        let mut report = Report {
            findings: self.vms.findings().await?,
            ..Report::default()
        };
        if !self.vms.compute_answers().await {
            report.cannot_look = true;
            return Ok(report);
        }
        report.differences = self.lasting().await?;
        Ok(report)
    }

    /// What differs, and still does a moment later.
    async fn lasting(&self) -> Result<Vec<Difference>> {
        let first = self.vms.differences().await?;
        if first.is_empty() {
            return Ok(first);
        }
        tokio::time::sleep(SECOND_LOOK).await;
        let mut second = self.vms.differences().await?;
        second.retain(|it| first.iter().any(|other| it.is(other)));
        Ok(second)
    }
}

/// The server's services, if no server runs on this data.
async fn lock(config: &Config) -> Result<Option<App>> {
    let mut config = config.clone();
    // Who says `--fix` has seen what belongs to no VM.
    config.stranger_grace = Duration::ZERO;
    match App::open(config, Lifecycle::new(), serve::provider).await {
        Ok(app) => Ok(Some(app)),
        Err(error) if error.code() == ErrorCode::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}

async fn mend(app: App, report: &mut Report) -> Result<()> {
    let left = app.vms.mend(MENDING).await;
    app.lifecycle.hard.cancel();
    app.lifecycle.finish().await;
    app.db.clone().close().await?;
    report.now(left?);
    Ok(())
}

async fn wait_for_server(view: &View, report: &mut Report) -> Result<()> {
    report.server_runs = true;
    let until = Instant::now() + BY_ITSELF;
    loop {
        let left = view.lasting().await?;
        if !left.iter().any(|it| it.mends) || Instant::now() >= until {
            report.now(left);
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
