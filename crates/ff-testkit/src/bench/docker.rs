//! The reference: bare containers, made and woken through the engine's own API.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use hyper::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::http::{Http, Peer};
use crate::journey::outside;

const SOCKET: &str = "/var/run/docker.sock";
const INSTANCE: &str = "cloud.factory-factory.instance";
/// CPUs of a VM and of a reference, as `ff-cloud serve` takes them.
pub const CPUS: &str = "2";
/// Their memory, as `ff-cloud serve` takes it; it gets no swap.
pub const MEMORY: &str = "4g";
/// Their processes.
pub const PIDS: &str = "1024";

/// The engine.
#[derive(Debug)]
pub struct Docker {
    http: Http,
}

impl Docker {
    /// The engine of `DOCKER_HOST`, else of this machine. Connects to nothing yet.
    ///
    /// # Errors
    /// `DOCKER_HOST` names no socket of this machine.
    pub fn local() -> Result<Self> {
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        let path = match host.strip_prefix("unix://") {
            Some(path) => path,
            None if host.is_empty() => SOCKET,
            None => bail!("the benchmark needs an engine of this machine, not {host}"),
        };
        Ok(Self {
            http: Http::new(Peer::Unix(PathBuf::from(path))),
        })
    }

    /// What the engine says about itself.
    pub async fn info(&self) -> Result<Value> {
        let answer = self.http.call(Method::GET, "/info", None).await?;
        answer.ok("ask the engine about itself")
    }

    /// What the engine says about an image.
    pub async fn image(&self, image: &str) -> Result<Value> {
        let path = format!("/images/{image}/json");
        let answer = self.http.call(Method::GET, &path, None).await?;
        answer.ok(&format!("find the image {image}"))
    }

    /// A container's state: `created`, `running`, `paused`, `exited`…
    pub async fn status(&self, container: &str) -> Result<String> {
        let path = format!("/containers/{container}/json");
        let answer = self.http.call(Method::GET, &path, None).await?;
        let found = answer.ok("inspect a container")?;
        let status = found["State"]["Status"].as_str();
        Ok(status.context("a container without a state")?.to_owned())
    }
}

/// Whether a reference has a volume, as VMs do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// It has none: the reference at its best.
    None,
    /// It has a new one, which the engine fills from the image.
    Volume,
}

/// Maker of reference containers. Dropping it removes those that are left.
#[derive(Debug)]
pub struct References {
    docker: Docker,
    instance: String,
    image: String,
}

impl References {
    /// A maker of containers of this image.
    pub fn new(docker: Docker, image: &str) -> Self {
        Self {
            docker,
            // Not a server's instance: none may take these for its own, or remove them.
            instance: format!("bench-{}-{}", std::process::id(), Uuid::new_v4().simple()),
            image: image.to_owned(),
        }
    }

    /// The engine.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Makes a container, which does not run yet. Returns its id.
    pub async fn create(&self, home: Home) -> Result<String> {
        let volume = match home {
            Home::None => None,
            Home::Volume => Some(self.volume().await?),
        };
        let body = body(&self.image, &self.instance, volume.as_deref());
        let http = &self.docker.http;
        let answer = http.call(Method::POST, "/containers/create", Some(&body));
        let made = answer.await?.ok("create a container")?;
        Ok(made["Id"]
            .as_str()
            .context("a container without an id")?
            .to_owned())
    }

    async fn volume(&self) -> Result<String> {
        let name = format!("{}-{}", self.instance, Uuid::new_v4().simple());
        let body = json!({ "Name": name, "Labels": { INSTANCE: self.instance } });
        let http = &self.docker.http;
        let answer = http.call(Method::POST, "/volumes/create", Some(&body));
        answer.await?.ok("create a volume")?;
        Ok(name)
    }

    /// Makes a container and starts it. Returns its id.
    pub async fn run(&self, home: Home) -> Result<String> {
        let id = self.create(home).await?;
        self.act(&id, "start").await?;
        Ok(id)
    }

    /// Has the engine `start`, `pause`, `unpause` or `kill` a container.
    pub async fn act(&self, id: &str, action: &'static str) -> Result<()> {
        let path = format!("/containers/{id}/{action}");
        let answer = self.docker.http.call(Method::POST, &path, None).await?;
        answer.ok(action).map(drop)
    }

    /// Kills a container and waits until it has ended.
    pub async fn end(&self, id: &str) -> Result<()> {
        self.act(id, "kill").await?;
        self.act(id, "wait").await
    }

    /// Removes a container, running or not, and then what volumes are left.
    pub async fn remove(&self, id: &str) -> Result<()> {
        let http = &self.docker.http;
        let path = format!("/containers/{id}?force=true&v=true");
        http.call(Method::DELETE, &path, None)
            .await?
            .ok("remove a container")?;
        Ok(())
    }

    /// Removes the volumes of removed containers.
    pub async fn remove_homes(&self) -> Result<()> {
        let http = &self.docker.http;
        let filters = format!(
            "%7B%22label%22%3A%5B%22{INSTANCE}%3D{}%22%5D%7D",
            self.instance
        );
        let path = format!("/volumes?filters={filters}");
        let found = http
            .call(Method::GET, &path, None)
            .await?
            .ok("list volumes")?;
        for volume in found["Volumes"].as_array().into_iter().flatten() {
            let path = format!("/volumes/{}", volume["Name"].as_str().unwrap_or_default());
            let answer = http.call(Method::DELETE, &path, None).await?;
            answer.ok("remove a volume")?;
        }
        Ok(())
    }
}

impl Drop for References {
    fn drop(&mut self) {
        if let Err(error) = outside::remove_labelled(&self.instance) {
            tracing::error!(%error, instance = self.instance, "containers or volumes may be left");
        }
    }
}

/// A container like a VM's: same image, limits, privileges, log and network. Its process only
/// sleeps: the agent would end without its token.
fn body(image: &str, instance: &str, volume: Option<&str>) -> Value {
    let mounts =
        volume.map(|name| json!({ "Type": "volume", "Source": name, "Target": "/home/ff" }));
    json!({
        "Image": image,
        "Cmd": ["sleep", "infinity"],
        "Labels": { INSTANCE: instance },
        "HostConfig": {
            "NanoCpus": 2_000_000_000u64,
            "Memory": 4u64 << 30,
            "MemorySwap": 4u64 << 30,
            "PidsLimit": 1024,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "LogConfig": { "Type": "json-file", "Config": { "max-size": "10m", "max-file": "3" } },
            "Mounts": Vec::from_iter(mounts),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_the_limits_that_vms_are_given() {
        let host = body("image", "instance", None)["HostConfig"].clone();
        let number = |text: &str| text.parse::<u64>().unwrap();
        assert_eq!(host["NanoCpus"], number(CPUS) * 1_000_000_000);
        assert_eq!(host["Memory"], number(MEMORY.trim_end_matches('g')) << 30);
        assert_eq!(host["MemorySwap"], host["Memory"]);
        assert_eq!(host["PidsLimit"], number(PIDS));
        assert_eq!(host["Mounts"], json!([]));
    }

    #[test]
    fn a_reference_with_a_home_has_one_volume() {
        let body = body("image", "instance", Some("name"));
        assert_eq!(body["HostConfig"]["Mounts"][0]["Source"], "name");
        assert_eq!(body["Labels"][INSTANCE], "instance");
    }
}
