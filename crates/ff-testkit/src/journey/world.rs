//! Everything a journey has set up, and how it goes away again.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ff_client::{Auth, CloudClient};
use ff_protocol::UserId;
use tempfile::TempDir;
use tokio::process::Child;

use super::breakage::{Break, Corruptor};
use super::model::NoteTaker;
use super::outside;
use super::process::{self, Run};
use super::{Options, fixture::Fixture};
use crate::github::{GitHub, GitHubConfig, GitHubFault};
use crate::messages::{DEFAULT_API_KEY, Fault, MessagesApi, MessagesConfig};

/// What the user has in their VM once provisioned.
pub(super) struct Provisioned {
    pub(super) vm_id: String,
    pub(super) container: String,
}

/// A journey under way.
pub struct World {
    pub(super) options: Options,
    pub(super) dir: TempDir,
    pub(super) fixture: Fixture,
    pub(super) messages: Option<MessagesApi>,
    pub(super) github: Option<GitHub>,
    pub(super) corruptor: Option<Corruptor>,
    pub(super) server: Option<Child>,
    pub(super) server_address: Option<SocketAddr>,
    pub(super) vm: Option<Provisioned>,
    pub(super) workspace: Option<String>,
    pub(super) session: Option<String>,
    pub(super) cloud_commit: Option<String>,
    keep: bool,
}

impl World {
    pub(super) fn new(options: Options) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("ff-journey-").tempdir()?;
        std::fs::create_dir(dir.path().join("home"))?;
        Ok(Self {
            fixture: Fixture::random(),
            options,
            dir,
            messages: None,
            github: None,
            corruptor: None,
            server: None,
            server_address: None,
            vm: None,
            workspace: None,
            session: None,
            cloud_commit: None,
            keep: false,
        })
    }

    /// Starts the stand-ins and the server.
    pub(super) async fn start(&mut self) -> Result<String> {
        let gateway = outside::bridge_gateway()
            .await
            .unwrap_or(IpAddr::from([127, 0, 0, 1]));
        let config = MessagesConfig {
            api_key: DEFAULT_API_KEY.to_owned(),
            script: Arc::new(NoteTaker),
            ..MessagesConfig::default()
        };
        let messages = MessagesApi::start_with(SocketAddr::new(gateway, 0), config).await?;
        let bind = SocketAddr::new(gateway, 443);
        let github = GitHub::start(GitHubConfig {
            bind,
            ..GitHubConfig::default()
        })
        .await
        .with_context(|| format!("the GitHub stand-in needs {bind}: is another demo running?"))?;
        match self.options.cut {
            Some(Break::ApiAnswers500) => messages.set_fault(Some(Fault::Status(500))),
            Some(Break::GitAnswers401) => github.set_fault(Some(GitHubFault::GitRejectsLogin)),
            _ => {}
        }
        let authority = self.dir.path().join("authority.pem");
        std::fs::write(&authority, github.ca_pem())?;
        self.fixture.make_repository(&github, &self.home()).await?;
        self.messages = Some(messages);
        self.github = Some(github);
        let address = self.start_server(gateway, authority).await?;
        Ok(format!("server on {address}, stand-ins on {gateway}"))
    }

    async fn start_server(&mut self, gateway: IpAddr, authority: PathBuf) -> Result<SocketAddr> {
        let address = process::free_port()?;
        let log = std::fs::File::create(self.dir.path().join("server.log"))?;
        let mut command = tokio::process::Command::new(self.program("ff-cloud"));
        command
            .args([
                "serve",
                "--dev",
                "--listen",
                &address.to_string(),
                "--image",
                &self.options.image,
            ])
            .arg("--data-dir")
            .arg(self.server_dir())
            .arg("--vm-extra-ca")
            .arg(authority);
        for host in ["github.com", "api.github.com"] {
            command
                .arg("--vm-extra-host")
                .arg(format!("{host}:{gateway}"));
        }
        if self.options.cut == Some(Break::DockerUnreachable) {
            let nowhere = self.dir.path().join("no-docker.sock");
            command.env("DOCKER_HOST", format!("unix://{}", nowhere.display()));
        }
        command
            .env_remove("DATABASE_URL")
            .env_remove("FF_CLOUD_DATABASE_URL")
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        self.server = Some(command.spawn().context("cannot start ff-cloud")?);
        self.server_address = Some(address);
        if self.options.cut == Some(Break::BundleCorrupted) {
            self.corruptor = Some(Corruptor::start(address).await?);
        }
        let client = self.client()?;
        process::eventually("the server answers", Duration::from_secs(20), async || {
            Ok(client.healthz().await.is_ok().then_some(()))
        })
        .await
        .with_context(|| format!("its log: {}", self.server_log()))?;
        Ok(address)
    }

    /// Home directory of the journey's user.
    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// Data directory of the server.
    pub fn server_dir(&self) -> PathBuf {
        self.dir.path().join("server")
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.options.programs.join(name)
    }

    fn server_log(&self) -> String {
        let text = std::fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default();
        process::tail(&text, 2000).to_owned()
    }

    /// The address users are given: the server's own, or that of a link which corrupts.
    pub fn url(&self) -> Result<String> {
        let address = match &self.corruptor {
            Some(corruptor) => corruptor.address(),
            None => self.server_address.context("the server is not there")?,
        };
        Ok(format!("http://{address}"))
    }

    /// The journey's user.
    pub fn user(&self) -> Result<UserId> {
        Ok(self.fixture.user.parse()?)
    }

    /// A client of our own, for what has no command.
    pub fn client(&self) -> Result<CloudClient> {
        let address = self.server_address.context("the server is not there")?;
        Ok(CloudClient::new(
            &format!("http://{address}"),
            Auth::User(self.user()?),
        )?)
    }

    /// Runs `ff` as the journey's user.
    pub fn ff<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Run {
        let home = self.home();
        Run::new(self.program("ff"))
            .args(args)
            .env("HOME", &home)
            .env("XDG_DATA_HOME", home.join(".local/share"))
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_STATE_HOME", home.join(".local/state"))
            .env("NO_COLOR", "1")
            .dir(&home)
    }

    /// The VM's container.
    pub fn container(&self) -> Result<&str> {
        self.vm
            .as_ref()
            .map(|vm| vm.container.as_str())
            .context("there is no VM")
    }

    /// Id of the workspace.
    pub fn workspace(&self) -> Result<&str> {
        self.workspace.as_deref().context("there is no workspace")
    }

    /// The Messages API.
    pub fn messages(&self) -> Result<&MessagesApi> {
        self.messages
            .as_ref()
            .context("the Messages API is not there")
    }

    /// GitHub.
    pub fn github(&self) -> Result<&GitHub> {
        self.github.as_ref().context("GitHub is not there")
    }

    fn instance(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.server_dir().join("instance-id")).ok()?;
        Some(text.trim().to_owned())
    }

    /// Removes the VM as a user would, and sees that Docker knows nothing of it any more.
    pub(super) async fn remove(&mut self) -> Result<String> {
        let vm = self.vm.as_ref().context("there is no VM")?;
        self.client()?.delete_vm(&vm.vm_id.parse()?).await?;
        let instance = self.instance().context("the server has no instance id")?;
        let left = outside::labelled(&instance).await?;
        ensure!(left.is_empty(), "Docker still has {left:?}");
        self.stop_server().await?;
        Ok("no container, volume or network left".to_owned())
    }

    /// Removes another user's VM, as that user.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn delete_vms_of(&self, user: &str) -> Result<()> {
        let client = CloudClient::new(&self.url()?, Auth::User(user.parse()?))?;
        for vm in client.vms().await? {
            client.delete_vm(&vm.id).await?;
        }
        Ok(())
    }

    /// Stops the server as a service manager would.
    ///
    /// # Errors
    /// It ended with an error, or not in time.
    pub async fn stop_server(&mut self) -> Result<()> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        process::terminate(&server)?;
        match tokio::time::timeout(Duration::from_secs(15), server.wait()).await {
            Ok(status) => ensure!(
                status?.success(),
                "the server ended badly: {}",
                self.server_log()
            ),
            Err(_) => {
                server.kill().await?;
                bail!("the server did not stop: {}", self.server_log());
            }
        }
        Ok(())
    }

    /// Where to look at what is kept.
    pub(super) fn whereabouts(&self) -> String {
        let url = self.url().unwrap_or_default();
        let container = self.container().unwrap_or_default();
        let dir = self.dir.path().display();
        format!(
            "server {url}, container {container}, HOME={dir}/home; Ctrl-C ends server and stand-ins"
        )
    }

    /// Leaves the VM and the directories where they are; server and stand-ins end.
    pub(super) fn leave_in_place(mut self) {
        self.dir.disable_cleanup(true);
        self.keep = true;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            // It may have ended by itself.
            let _ = server.start_kill();
        }
        if self.keep {
            return;
        }
        if let Some(instance) = self.instance()
            && let Err(error) = outside::remove_labelled(&instance)
        {
            tracing::error!(%error, instance, "containers or volumes may be left");
        }
    }
}
