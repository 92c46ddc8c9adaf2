//! The engine, asked by the `docker` command alone.

use std::ffi::OsStr;

use anyhow::{Context, Result};

use crate::journey::outside;
use crate::journey::process::Run;

/// Label of all that a server has in an engine.
pub const INSTANCE: &str = "cloud.factory-factory.instance";
const VM: &str = "cloud.factory-factory.vm";

/// An engine.
#[derive(Debug, Clone, Default)]
pub struct Docker {
    /// Its address, unless it is the machine's.
    pub host: Option<String>,
}

/// A container of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The engine's id.
    pub id: String,
    /// The VM it says it belongs to.
    pub vm: String,
    /// `created`, `running`, `paused`, `exited`…
    pub state: String,
}

impl Docker {
    /// Runs a command of it and returns what it printed.
    ///
    /// # Errors
    /// It fails.
    pub async fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<String> {
        self.command(args).text().await
    }

    /// A command of it.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        let run = Run::new("docker").args(args);
        match &self.host {
            Some(host) => run.env("DOCKER_HOST", host),
            None => run,
        }
    }

    /// The containers of a server.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn containers(&self, instance: &str) -> Result<Vec<Container>> {
        let filter = format!("label={INSTANCE}={instance}");
        let format = format!("{{{{.ID}}}}\t{{{{.Label \"{VM}\"}}}}\t{{{{.State}}}}");
        let args = [
            "ps",
            "--all",
            "--no-trunc",
            "--filter",
            &filter,
            "--format",
            &format,
        ];
        let text = self.run(args).await?;
        let line = |line: &str| {
            let mut parts = line.split('\t').map(str::to_owned);
            let (id, vm, state) = (parts.next(), parts.next(), parts.next());
            Some(Container {
                id: id?,
                vm: vm?,
                state: state?,
            })
        };
        text.lines()
            .map(|it| line(it).with_context(|| format!("docker ps printed {it}")))
            .collect()
    }

    /// The volumes of a server.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn volumes(&self, instance: &str) -> Result<Vec<String>> {
        let filter = format!("label={INSTANCE}={instance}");
        let text = self
            .run(["volume", "ls", "--quiet", "--filter", &filter])
            .await?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// The VMs that the networks of a server say they belong to.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn networks(&self, instance: &str) -> Result<Vec<String>> {
        let filter = format!("label={INSTANCE}={instance}");
        let format = format!("-{{{{.Label \"{VM}\"}}}}");
        let args = ["network", "ls", "--filter", &filter, "--format", &format];
        let text = self.run(args).await?;
        Ok(text.lines().map(|vm| vm[1..].to_owned()).collect())
    }

    /// A field of a container.
    ///
    /// # Errors
    /// There is no such container.
    pub async fn field(&self, container: &str, format: &str) -> Result<String> {
        self.run(["inspect", "--format", format, container]).await
    }

    /// Makes an image that differs from another in these lines of a Dockerfile.
    ///
    /// # Errors
    /// The engine refuses.
    pub async fn derive(&self, base: &str, tag: &str, lines: &str) -> Result<()> {
        let build = self.command(["build", "--quiet", "--tag", tag, "-"]);
        let input = format!("FROM {base}\n{lines}\n");
        build.input(&input).ok().await.map(drop)
    }

    /// Removes what a server has, and the names in this repository of images. Blocks: it also runs
    /// when all has failed.
    ///
    /// # Errors
    /// As [`outside::remove_of`].
    pub fn clean(&self, instance: &str, repository: &str) -> Result<()> {
        outside::remove_of(self.host.as_deref(), instance)?;
        let own = format!("reference={repository}");
        let format = "{{.Repository}}:{{.Tag}}";
        let names = self.blocking(&["images", "--format", format, "--filter", &own])?;
        for name in names.split_whitespace() {
            self.blocking(&["rmi", name])?;
        }
        Ok(())
    }

    fn blocking(&self, args: &[&str]) -> Result<String> {
        let mut command = std::process::Command::new("docker");
        command.args(args);
        if let Some(host) = &self.host {
            command.env("DOCKER_HOST", host);
        }
        Ok(String::from_utf8_lossy(&command.output()?.stdout).into_owned())
    }
}
