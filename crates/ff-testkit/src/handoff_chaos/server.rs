//! The server of a world. When it has died it is started again, as a supervisor would.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use ff_client::{Auth, CloudClient};
use tokio::process::{Child, Command};

use crate::journey::outside::remove_labelled;
use crate::journey::process::{eventually, free_port};

const UP: Duration = Duration::from_secs(60);
/// The user whose VM it has.
pub(super) const USER: &str = "ada";

/// The server. Dropping it kills it, and removes what it has in Docker.
#[derive(Debug)]
pub(super) struct Server {
    programs: PathBuf,
    /// Its data, log and ticket are in it.
    dir: PathBuf,
    address: SocketAddr,
    /// Of its VMs; without one they are processes.
    image: Option<String>,
    child: Option<Child>,
}

impl Server {
    /// Starts one.
    ///
    /// # Errors
    /// A program is not there, or it does not answer.
    pub(super) async fn start(programs: &Path, dir: &Path, image: Option<&str>) -> Result<Self> {
        let mut server = Self {
            programs: programs.to_owned(),
            dir: dir.to_owned(),
            address: free_port()?,
            image: image.map(str::to_owned),
            child: None,
        };
        server.begin().await?;
        Ok(server)
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its data.
    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Its log.
    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    /// Where it looks for the point at which it is to die.
    pub(super) fn ticket(&self) -> PathBuf {
        self.dir.join("cloud.ticket")
    }

    /// A client of the user.
    ///
    /// # Errors
    /// None can be made.
    pub(super) fn client(&self) -> Result<CloudClient> {
        let url = format!("http://{}", self.address);
        Ok(CloudClient::new(&url, Auth::User(USER.parse()?))?)
    }

    async fn begin(&mut self) -> Result<()> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log())?;
        let mut command = Command::new(self.programs.join("ff-cloud"));
        for name in ["DATABASE_URL", "FF_CLOUD_DATABASE_URL"] {
            command.env_remove(name);
        }
        command
            .args(["serve", "--dev"])
            .args(["--idle-stop=172800", "--idle-freeze=86400"])
            .args(["--listen", &self.address.to_string(), "--data-dir"])
            .arg(self.data());
        match &self.image {
            Some(image) => command.args(["--image", image]),
            None => command
                .args(["--provider", "process", "--agent-binary"])
                .arg(self.programs.join("ff-agent")),
        };
        let ticket = self.ticket();
        let child = command
            .env("FF_CRASH_LOG", ticket.with_extension("ticket.log"))
            .env("FF_CRASH_TICKET", ticket)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start ff-cloud")?;
        self.child = Some(child);
        let client = self.client()?;
        eventually("the server answers", UP, async || {
            Ok(client.healthz().await.is_ok().then_some(()))
        })
        .await
    }

    /// Starts it again if it has died.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) async fn mend(&mut self) -> Result<()> {
        let ended = match &mut self.child {
            Some(child) => child.try_wait()?.is_some(),
            None => true,
        };
        match ended {
            true => self.begin().await,
            false => Ok(()),
        }
    }

    /// Has it killed.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn kill(&mut self) -> Result<()> {
        if let Some(child) = &mut self.child {
            child.start_kill()?;
        }
        Ok(())
    }

    /// Kills it, and waits for its end.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) async fn end(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let killed = self.kill();
        let instance = std::fs::read_to_string(self.data().join("instance-id"));
        if self.image.is_none() {
            return;
        }
        let removed = match (killed, instance) {
            (Ok(()), Ok(instance)) => remove_labelled(instance.trim()),
            (Err(error), _) => Err(error),
            (_, Err(error)) => Err(error.into()),
        };
        if let Err(error) = removed {
            tracing::error!(%error, "a container or volume may be left");
        }
    }
}
