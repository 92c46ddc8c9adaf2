//! A server with VMs.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ff_client::{Auth, CloudClient, EngineClient, TerminalPlace};
use ff_protocol::VmId;
use ff_protocol::vm::VmState;
use hyper::Method;
use serde_json::json;

use crate::bench::http::{Http, Peer};
use crate::journey::process::{Run, eventually};
use crate::journey::{self, Options, World, outside};

/// Writes `$1` numbered lines with a pause of `$2` seconds between them, while it notes `$3` bytes
/// of input in `$4`, in raw mode: nothing is echoed, changed or cut.
const PROGRAM: &str = r#"
exec 9<> <(:)
stty raw -echo
printf 'ready\r\n'
for ((line = 0; line < $1; line++)); do
  printf 'line %07d of an output that goes on and on\r\n' $line
  read -rt "$2" -u 9
done &
head -c "$3" > "$4"
wait
printf 'over\r\n'
stty sane
"#;

/// What is set up. Dropping it removes it.
pub struct Stage {
    /// Server and stand-ins.
    pub world: World,
    /// The VM of the journey's user.
    pub vm: Vm,
}

/// A VM, and how its user reaches it.
#[derive(Debug, Clone)]
pub struct Vm {
    /// The server.
    pub server: SocketAddr,
    user: String,
    id: VmId,
    container: String,
}

impl Stage {
    /// A server with a VM.
    ///
    /// # Errors
    /// A step of the journey there fails.
    pub async fn begin(options: Options) -> Result<Self> {
        let world = journey::up_to(options, "provision").await?;
        let vm = Vm {
            server: address(&world)?,
            user: world.user()?.to_string(),
            id: world.vm()?,
            container: world.container()?.to_owned(),
        };
        vm.prepare().await?;
        Ok(Self { world, vm })
    }

    /// A VM of another user.
    ///
    /// # Errors
    /// The server makes none.
    pub async fn another_vm(&self, user: &str) -> Result<Vm> {
        let client = CloudClient::new(&self.world.url()?, Auth::User(user.parse()?))?;
        let made = client.create_vm(None).await?;
        ensure!(made.state == VmState::Running, "{:?}", made.reason);
        let label = format!("label=cloud.factory-factory.vm={}", made.id);
        let list = ["ps", "--quiet", "--no-trunc", "--filter", &label];
        let container = Run::new("docker").args(list).text().await?;
        ensure!(
            !container.is_empty(),
            "Docker knows no container of {}",
            made.id
        );
        let vm = Vm {
            server: address(&self.world)?,
            user: user.to_owned(),
            id: made.id,
            container,
        };
        vm.prepare().await?;
        Ok(vm)
    }
}

fn address(world: &World) -> Result<SocketAddr> {
    let url = world.url()?;
    let address = url.strip_prefix("http://").context("no plain address")?;
    Ok(address.parse()?)
}

impl Vm {
    /// Its user's client, through a link or to the server itself.
    pub fn engine(&self, by: SocketAddr) -> Result<EngineClient> {
        let auth = Auth::User(self.user.parse()?);
        let client = CloudClient::new(&format!("http://{by}"), auth)?;
        Ok(client.engine().clone())
    }

    /// Where its terminals are.
    pub fn place(&self) -> TerminalPlace {
        TerminalPlace::Vm(self.id.clone())
    }

    async fn prepare(&self) -> Result<()> {
        let write = [
            "exec",
            "--interactive",
            &self.container,
            "sh",
            "-c",
            "cat > ~/program",
        ];
        Run::new("docker").args(write).input(PROGRAM).ok().await?;
        Ok(())
    }

    /// SHA-256 of a file in its home.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn sha256(&self, file: &str) -> Result<String> {
        let said = outside::look_inside(&self.container, &format!("sha256sum ~/{file}")).await?;
        Ok(said.split(' ').next().unwrap_or_default().to_owned())
    }

    /// Has it frozen, as soon as nothing in it works.
    ///
    /// # Errors
    /// The server refuses for another reason, or for too long.
    pub async fn freeze(&self, idle: Duration) -> Result<()> {
        let http = Http::new(Peer::Tcp(self.server)).of_user(&self.user);
        let path = format!("/api/vms/{}/suspend", self.id);
        let body = json!({ "tier": "frozen" });
        eventually("the VM has nothing to do", idle, async || {
            let answer = http.call(Method::POST, &path, Some(&body)).await?;
            let said = answer.body;
            if said["code"] == "busy" {
                return Ok(None);
            }
            ensure!(said["state"] == "FROZEN", "asked to sleep, it says {said}");
            Ok(Some(()))
        })
        .await
    }

    /// Whether Docker says that it is frozen.
    ///
    /// # Errors
    /// Docker cannot be asked.
    pub async fn is_frozen(&self) -> Result<bool> {
        let status = outside::inspect(&self.container, "{{.State.Status}}").await?;
        Ok(status == "paused")
    }
}
