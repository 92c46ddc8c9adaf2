//! Bridges of the host: one for an engine of our own, and the one that the machine's engine has.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use uuid::Uuid;

use super::docker::{Docker, INSTANCE};

/// A bridge with an address of its own. Dropping it removes it.
#[derive(Debug)]
pub struct Bridge(String);

impl Bridge {
    /// Makes one, on a network that the host does not have.
    ///
    /// # Errors
    /// We are not root, or the host has all of them.
    pub fn new() -> Result<Self> {
        // Names of interfaces have at most 15 characters.
        let id = Uuid::new_v4().simple().to_string();
        let name = format!("ff-chaos{}", &id[..6]);
        ip(&["link", "add", &name, "type", "bridge"]).context("a bridge of our own needs root")?;
        let bridge = Self(name);
        let there = ip(&["-o", "-4", "addr"])?;
        let is_free = |nth: &u8| !there.contains(&format!(" 10.213.{nth}."));
        let first = Uuid::new_v4().as_bytes()[0];
        let mut all = (0..=u8::MAX).map(|nth| first.wrapping_add(nth));
        let nth = all.find(is_free).context("10.213.0.0/16 is in use")?;
        ip(&[
            "addr",
            "add",
            &format!("10.213.{nth}.1/24"),
            "dev",
            bridge.name(),
        ])?;
        ip(&["link", "set", bridge.name(), "up"])?;
        Ok(bridge)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Err(error) = ip(&["link", "delete", self.name()]) {
            tracing::error!(%error, "a bridge may be left");
        }
    }
}

fn ip(args: &[&str]) -> Result<String> {
    said(Command::new("ip").args(args))
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", error.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A container on the machine's own engine, that nothing here may touch. Dropping it removes it.
#[derive(Debug)]
pub struct Bystander {
    docker: Docker,
    container: String,
    bridge: String,
}

impl Bystander {
    /// Starts one.
    ///
    /// # Errors
    /// The engine refuses, or has no bridge.
    pub async fn new(image: &str) -> Result<Self> {
        let docker = Docker::default();
        let option = "{{index .Options \"com.docker.network.bridge.name\"}}";
        let bridge = docker
            .run(["network", "inspect", "bridge", "--format", option])
            .await?;
        if bridge.is_empty() {
            bail!("the machine's engine has no bridge");
        }
        let container = format!("ff-chaos-{}", Uuid::new_v4().simple());
        let bystander = Self {
            docker,
            container,
            bridge,
        };
        let label = format!("{INSTANCE}={}", bystander.container);
        let run = ["run", "--detach", "--name", &bystander.container];
        let what = [
            "--label",
            &label,
            "--entrypoint",
            "sleep",
            image,
            "infinity",
        ];
        bystander
            .docker
            .run(run.into_iter().chain(what))
            .await
            .map(drop)?;
        Ok(bystander)
    }

    /// What must not change: the machine's engine, its container, its bridge and the rules of it.
    ///
    /// # Errors
    /// One of them cannot be asked.
    pub async fn look(&self) -> Result<Value> {
        let format = "{{.Id}} {{.State.Pid}} {{.State.StartedAt}} {{.NetworkSettings.IPAddress}}";
        let container = self.docker.field(&self.container, format).await?;
        let engine = self.docker.run(["info", "--format", "{{.ID}}"]).await?;
        let text = ip(&["-json", "-details", "addr", "show", "dev", &self.bridge])?;
        let found: Value = serde_json::from_str(&text)?;
        let fields = ["ifindex", "address", "mtu", "operstate", "flags"];
        // Timers and counters go on.
        let bridge: Vec<&Value> = fields.iter().map(|name| &found[0][*name]).collect();
        let addresses = found[0]["addr_info"].as_array().into_iter().flatten();
        let addresses: Vec<&Value> = addresses
            .filter(|it| it["family"] == "inet")
            .map(|it| &it["local"])
            .collect();
        let rules = said(&mut Command::new("iptables-save"))?;
        let of_bridge = rules.lines().filter(|line| line.contains(&self.bridge));
        let of_bridge: Vec<&str> = of_bridge.collect();
        ensure!(
            !rules.contains("ff-chaos") && !rules.contains("10.213."),
            "there are rules for a bridge of our own: {rules}"
        );
        Ok(json!([engine, container, bridge, addresses, of_bridge]))
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let mut remove = Command::new("docker");
        remove.args(["rm", "--force", "--volumes", &self.container]);
        if let Err(error) = said(&mut remove) {
            tracing::error!(%error, "a container may be left");
        }
    }
}
