use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::GitHub;

/// The real `gh`, behind a program that leads it to a stand-in and notes each run.
///
/// The name `github.com` stays: only the way there is another.
#[derive(Debug)]
pub struct Gh {
    dir: PathBuf,
}

impl Gh {
    /// Puts the program into a directory, as `gh`.
    ///
    /// # Errors
    /// There is no `gh` on the `PATH`, or the directory cannot be written to.
    pub fn install(dir: &Path, github: &GitHub) -> Result<Self> {
        let gh = Self {
            dir: dir.to_owned(),
        };
        std::fs::create_dir_all(dir)?;
        std::fs::write(gh.file("ca.pem"), github.ca_pem())?;
        gh.lead_to(&github.proxy_url())?;
        let (real, here) = (on_path("gh")?, dir.display());
        let real = real.display();
        let program = format!(
            "#!/bin/sh\n\
             printf 'start %s\\n' \"$*\" >> '{here}/gh.log'\n\
             read -r HTTPS_PROXY < '{here}/gh.proxy'\n\
             export HTTPS_PROXY SSL_CERT_FILE='{here}/ca.pem'\n\
             unset NO_PROXY no_proxy https_proxy GH_TOKEN GITHUB_TOKEN\n\
             '{real}' \"$@\"\n\
             code=$?\n\
             echo end >> '{here}/gh.log'\n\
             exit $code\n"
        );
        std::fs::write(gh.program(), program)?;
        std::fs::set_permissions(gh.program(), std::fs::Permissions::from_mode(0o755))?;
        Ok(gh)
    }

    /// The program.
    pub fn program(&self) -> PathBuf {
        self.file("gh")
    }

    /// Leads it elsewhere from the next run on; where nothing listens, it is offline.
    ///
    /// # Errors
    /// The directory cannot be written to.
    pub fn lead_to(&self, proxy_url: &str) -> Result<()> {
        Ok(std::fs::write(
            self.file("gh.proxy"),
            format!("{proxy_url}\n"),
        )?)
    }

    /// Logs it in on github.com for the user with this directory of settings (`~/.config`), as `gh
    /// auth login` leaves it.
    ///
    /// # Errors
    /// The directory cannot be written to.
    pub fn log_in(config: &Path, token: &str) -> Result<()> {
        let dir = config.join("gh");
        std::fs::create_dir_all(&dir)?;
        let hosts = format!("github.com:\n    oauth_token: {token}\n    git_protocol: https\n");
        std::fs::write(dir.join("hosts.yml"), hosts)?;
        let mode = std::fs::Permissions::from_mode(0o600);
        Ok(std::fs::set_permissions(dir.join("hosts.yml"), mode)?)
    }

    /// The arguments of each run so far, in the order of their start.
    pub fn runs(&self) -> Vec<String> {
        let log = self.log();
        let starts = log.lines().filter_map(|line| line.strip_prefix("start "));
        starts.map(str::to_owned).collect()
    }

    /// Most runs that were under way at a time.
    pub fn most_at_once(&self) -> usize {
        let (mut now, mut most) = (0_usize, 0);
        for line in self.log().lines() {
            now = match line.starts_with("start ") {
                true => now + 1,
                false => now.saturating_sub(1),
            };
            most = most.max(now);
        }
        most
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.file("gh.log")).unwrap_or_default()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

fn on_path(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").context("there is no PATH")?;
    let mut places = std::env::split_paths(&path).map(|dir| dir.join(program));
    places
        .find(|place| place.is_file())
        .with_context(|| format!("there is no {program} on the PATH"))
}
