//! What every command works with: places, settings, the local core and the cloud.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use directories::{BaseDirs, ProjectDirs};
use ff_client::{Auth, CloudClient};
use ff_core::store::Store;
use ff_core::{Core, CoreConfig, Side};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::address::acceptable;
use crate::failure::{Exit, Failure};
use crate::locks::{self, Lock};
use crate::output::Output;
use crate::progress::Progress;
use crate::settings::{Cloud, Settings};
use crate::stop::Interrupts;

/// Directory names under the XDG directories.
const APP: &str = "factory-factory";
/// Lock of the process that runs sessions.
const ENGINE: &str = "engine";

#[derive(Debug, Clone, Copy)]
enum Running {
    Session,
    Not,
}

/// A connected cloud.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Its client, which speaks as the user.
    pub client: CloudClient,
    /// Address and user.
    pub settings: Cloud,
}

/// What every command works with.
pub struct Context {
    /// How results are printed.
    pub out: Output,
    /// How progress is told.
    pub progress: Progress,
    /// The settings file.
    pub settings: Settings,
    home: PathBuf,
    data_dir: PathBuf,
    store: OnceCell<Store>,
    core: OnceCell<(Core, Option<Lock>)>,
    stop: CancellationToken,
    interrupts: Interrupts,
}

impl Context {
    /// Finds the places; opens nothing yet.
    ///
    /// # Errors
    /// The user has no home directory.
    pub fn new(json: bool) -> anyhow::Result<Self> {
        let no_home = || {
            Failure::new(Exit::Failed, "no home directory is known for this user")
                .next("HOME=/path/to/home ff ...")
        };
        let base = BaseDirs::new().ok_or_else(no_home)?;
        let dirs = ProjectDirs::from("", "", APP).ok_or_else(no_home)?;
        Ok(Self {
            out: Output::new(json),
            progress: Progress::new(),
            settings: Settings::in_dir(dirs.config_dir()),
            home: base.home_dir().to_owned(),
            data_dir: dirs.data_dir().to_owned(),
            store: OnceCell::new(),
            core: OnceCell::new(),
            stop: CancellationToken::new(),
            interrupts: Interrupts::default(),
        })
    }

    /// Cancelled when the user or the system tells us to stop.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Ctrl-C, for a command that has another use for it.
    pub fn interrupts(&self) -> &Interrupts {
        &self.interrupts
    }

    /// Holds the local records.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The local records, for commands that only read: fine beside another `ff` that runs a
    /// session.
    ///
    /// # Errors
    /// The directory or the database cannot be used.
    pub async fn store(&self) -> anyhow::Result<&Store> {
        let open = || async {
            let path = self.data_dir.join("core.db");
            Store::open(&path)
                .await
                .context("opening the records of this machine")
        };
        self.store.get_or_try_init(open).await
    }

    /// The local core, for commands that change something.
    ///
    /// # Errors
    /// Another `ff` runs a session, or the core cannot be opened.
    pub async fn core(&self) -> anyhow::Result<&Core> {
        self.open_core(Running::Not).await
    }

    /// The local core, for commands that run a session in this process.
    ///
    /// # Errors
    /// As [`Self::core`].
    pub async fn running_core(&self) -> anyhow::Result<&Core> {
        self.open_core(Running::Session).await
    }

    /// Whoever gets the lock ends the sessions a crash left behind; a process that runs some
    /// keeps it for as long as it runs them.
    async fn open_core(&self, running: Running) -> anyhow::Result<&Core> {
        let open = || async {
            let lock = match running {
                Running::Session => Some(self.engine_lock().await?),
                Running::Not => locks::try_take(&self.data_dir, ENGINE)?,
            };
            let (home, data_dir) = (self.home.clone(), self.data_dir.clone());
            let config = CoreConfig::new(Side::Desktop, home, data_dir, self.home.join(APP));
            let core = Core::open(config)
                .await
                .context("opening the records of this machine")?;
            if lock.is_some() {
                core.recover().await?;
            }
            let kept = lock.filter(|_| matches!(running, Running::Session));
            anyhow::Ok((core, kept))
        };
        Ok(&self.core.get_or_try_init(open).await?.0)
    }

    async fn engine_lock(&self) -> anyhow::Result<Lock> {
        let lock = locks::take_soon(&self.data_dir, ENGINE).await?;
        Ok(lock.ok_or_else(|| {
            Failure::new(Exit::Refused, "another ff runs a session on this machine")
                .hint("wait until it ends, or interrupt it there with Ctrl-C; under `ff serve` they go side by side")
                .next("ff workspace list")
        })?)
    }

    /// The cloud, where one was connected.
    ///
    /// # Errors
    /// The settings cannot be read or hold an unusable address.
    pub fn cloud_if_connected(&self) -> anyhow::Result<Option<Connection>> {
        let Some(settings) = self.settings.cloud()? else {
            return Ok(None);
        };
        // No fault of the command line: the settings were written by hand.
        let url = acceptable(&settings.url).map_err(|failure| Failure {
            exit: Exit::Refused,
            ..failure
        })?;
        let client = CloudClient::new(&url, Auth::User(settings.user_id.clone()))?;
        Ok(Some(Connection { client, settings }))
    }

    /// The cloud.
    ///
    /// # Errors
    /// None was connected yet, or the settings cannot be read.
    pub fn cloud(&self) -> anyhow::Result<Connection> {
        let none = || {
            Failure::new(Exit::Refused, "no cloud server is connected yet")
                .next("ff cloud connect URL")
        };
        Ok(self.cloud_if_connected()?.ok_or_else(none)?)
    }

    /// Ends what the local core runs.
    pub async fn close(&self) {
        if let Some((core, _)) = self.core.get() {
            core.shutdown().await;
        }
    }
}
