//! Where VMs reach the stand-ins.

use std::net::IpAddr;

use anyhow::{Context, Result};
use uuid::Uuid;

use super::outside::INSTANCE;
use super::process::Run;

/// An address of this machine that VMs reach and nobody else listens on: the gateway of a Docker
/// network in which nothing runs. So journeys can run side by side, though `gh` takes no port but
/// 443. Dropping it removes the network.
pub(super) struct Gateway {
    network: String,
}

impl Gateway {
    /// Makes the network.
    ///
    /// # Errors
    /// Docker does not answer, or has no addresses left.
    pub(super) async fn open() -> Result<(Self, IpAddr)> {
        let network = format!("ff-journey-{}", Uuid::new_v4().simple());
        let label = format!("{INSTANCE}={network}");
        Run::new("docker")
            .args(["network", "create", "--label", &label, &network])
            .ok()
            .await?;
        let gateway = Self { network };
        let address = gateway.address().await?;
        Ok((gateway, address))
    }

    async fn address(&self) -> Result<IpAddr> {
        let format = "{{with index .IPAM.Config 0}}{{.Gateway}}{{end}}";
        let inspect = ["network", "inspect", &self.network, "--format", format];
        let text = Run::new("docker").args(inspect).text().await?;
        // Some engines add the prefix's length.
        let address = text.split('/').next().unwrap_or_default();
        address
            .parse()
            .with_context(|| format!("the network {} has no gateway: {text}", self.network))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let removed = std::process::Command::new("docker")
            .args(["network", "rm", &self.network])
            .output();
        match removed {
            Ok(removed) if removed.status.success() => {}
            _ => tracing::error!(network = self.network, "a network may be left"),
        }
    }
}
