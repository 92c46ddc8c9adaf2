use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tokio::fs;
use uuid::Uuid;

use super::{LoginHost, Logins};
use crate::journey::process::Run;
use crate::messages::{MessagesApi, MessagesConfig};

const CLI: &str = "/usr/local/bin/claude";
const INSTANCE: &str = "cloud.factory-factory.instance";

/// The real CLI as a process of this machine, over the stand-ins of the API and of the token host.
pub struct LoginStage {
    /// Gives out logins and takes them back.
    pub logins: Logins,
    /// Where they are renewed.
    pub host: LoginHost,
    /// Where they are used.
    pub api: MessagesApi,
    dir: TempDir,
    claude: PathBuf,
}

impl LoginStage {
    /// Sets the stage with the CLI of this VM image. Nobody is logged in.
    ///
    /// # Errors
    /// There is no such image, or no Docker.
    pub async fn start(image: &str) -> Result<Self> {
        let cli = cli_of(image).await?;
        let logins = Logins::default();
        let host = LoginHost::start(logins.clone()).await?;
        let config = MessagesConfig {
            logins: logins.clone(),
            ..MessagesConfig::default()
        };
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let api = MessagesApi::start_with(bind, config).await?;
        let dir = tempfile::Builder::new().prefix("ff-login-").tempdir()?;
        for name in ["home", "work"] {
            fs::create_dir(dir.path().join(name)).await?;
        }
        let authority = dir.path().join("authority.pem");
        fs::write(&authority, host.ca_pem()).await?;
        let claude = dir.path().join("claude");
        let script = format!(
            "#!/bin/sh\n\
             unset ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN CLAUDE_CODE_OAUTH_TOKEN CLAUDE_CONFIG_DIR IS_SANDBOX\n\
             export ANTHROPIC_BASE_URL={api} HTTPS_PROXY={proxy} NO_PROXY=127.0.0.1\n\
             export NODE_EXTRA_CA_CERTS={authority} CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1\n\
             export CLAUDE_CODE_MAX_RETRIES=2\n\
             exec {cli} \"$@\"\n",
            api = api.url(),
            proxy = host.proxy_url(),
            authority = authority.display(),
            cli = cli.display(),
        );
        fs::write(&claude, script).await?;
        fs::set_permissions(&claude, PermissionsExt::from_mode(0o755)).await?;
        Ok(Self {
            logins,
            host,
            api,
            dir,
            claude,
        })
    }

    /// The home that all CLIs share.
    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// An empty directory to work in.
    pub fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// The CLI, to be started with `HOME` set to [`Self::home`].
    pub fn claude(&self) -> &Path {
        &self.claude
    }
}

/// The CLI that the image holds, copied out of it once and kept beside this test.
async fn cli_of(image: &str) -> Result<PathBuf> {
    let format = ["image", "inspect", "--format", "{{.Id}}", image];
    let id = docker(&format).await?;
    let id = id.trim().trim_start_matches("sha256:");
    let short = id.get(..16).context("the image has no id")?;
    let test = std::env::current_exe()?;
    let beside = test.ancestors().nth(2).context("no target directory")?;
    let kept = beside.join(format!("claude-of-{short}"));
    if fs::try_exists(&kept).await? {
        return Ok(kept);
    }
    let instance = format!("test-{}", Uuid::new_v4().simple());
    let label = format!("{INSTANCE}={instance}");
    let container = docker(&["create", "--label", &label, image]).await?;
    let container = container.trim();
    let copy = beside.join(format!("claude-of-{short}.{instance}"));
    let from = format!("{container}:{CLI}");
    let copied = docker(&["cp", "--follow-link", &from, &copy.to_string_lossy()]).await;
    docker(&["rm", "--force", container]).await?;
    copied?;
    // Whoever is first wins, and the others' copies are the same.
    fs::rename(copy, &kept).await?;
    Ok(kept)
}

async fn docker(args: &[&str]) -> Result<String> {
    let ran = Run::new("docker").args(args).outcome().await?;
    ensure!(ran.code == 0, "docker {}: {}", args.join(" "), ran.stderr);
    Ok(ran.stdout)
}
