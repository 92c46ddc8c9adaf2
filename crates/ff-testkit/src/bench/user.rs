//! What a user does, through the server and the typed client alone.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use ff_client::socket::{TerminalEvent, TerminalOptions, TerminalSocket};
use ff_client::{CloudClient, TerminalPlace};
use ff_protocol::TerminalId;
use ff_protocol::terminal::CreateTerminal;
use ff_protocol::vm::{Vm, VmState};

use super::clock::timed;

/// The command. What is typed is echoed, so its answer must differ from it.
const TYPED: &str = "echo usable-$((6*7))\n";
const ANSWER: &str = "usable-42";
const DEADLINE: Duration = Duration::from_secs(120);

/// A VM that was used for the first time.
#[derive(Debug)]
pub struct Used {
    /// The VM.
    pub vm: Vm,
    /// Milliseconds until `POST /api/vms` had answered.
    pub answered: f64,
}

/// Asks for the user's VM and types a command in it; returns once the command's output is there.
///
/// # Errors
/// A call fails, or the output does not come in time.
pub async fn first_use(client: &CloudClient) -> Result<Used> {
    let work = async {
        let asked = async { Ok(client.create_vm(None).await?) };
        let (answered, vm) = timed(asked).await?;
        anyhow::ensure!(
            vm.state == VmState::Running,
            "the VM does not run: {:?}",
            vm.reason
        );
        let (_, mut socket) = open(client, &vm).await?;
        type_in(&mut socket).await?;
        Ok(Used { vm, answered })
    };
    tokio::time::timeout(DEADLINE, work)
        .await
        .context("no output of the first command")?
}

/// Types a command in a new terminal of a VM; returns once its output is there.
///
/// # Errors
/// As [`first_use`].
pub async fn command(client: &CloudClient, vm: &Vm) -> Result<TerminalId> {
    let work = async {
        let (id, mut socket) = open(client, vm).await?;
        type_in(&mut socket).await?;
        Ok(id)
    };
    tokio::time::timeout(DEADLINE, work)
        .await
        .context("no output of the command")?
}

/// Opens a new terminal of a VM, awake or not; returns once its first byte is there.
///
/// # Errors
/// As [`first_use`].
pub async fn open_terminal(client: &CloudClient, vm: &Vm) -> Result<TerminalId> {
    let work = async {
        let (id, mut socket) = open(client, vm).await?;
        read_until(&mut socket, |seen| !seen.is_empty()).await?;
        Ok(id)
    };
    tokio::time::timeout(DEADLINE, work)
        .await
        .context("no byte of the terminal")?
}

/// Closes a terminal.
///
/// # Errors
/// The call fails.
pub async fn close_terminal(client: &CloudClient, vm: &Vm, terminal: &TerminalId) -> Result<()> {
    let place = TerminalPlace::Vm(vm.id.clone());
    Ok(client.engine().close_terminal(&place, terminal).await?)
}

/// Opens a new terminal of a VM, awake or not, and looks at it.
///
/// # Errors
/// A call fails.
pub async fn open(client: &CloudClient, vm: &Vm) -> Result<(TerminalId, TerminalSocket)> {
    let place = TerminalPlace::Vm(vm.id.clone());
    let engine = client.engine();
    let create = CreateTerminal::default();
    let id = engine.create_terminal(&place, &create).await?.id;
    let options = TerminalOptions::default();
    let socket = engine.attach(&place, &id, options).await?;
    Ok((id, socket))
}

/// Types a command in a terminal that is open; returns once its output is there.
///
/// # Errors
/// The terminal is over.
pub async fn type_in(socket: &mut TerminalSocket) -> Result<()> {
    socket.input().send(TYPED).await?;
    read_until(socket, |seen| seen.contains(ANSWER)).await
}

/// Reads what a terminal prints until it is enough.
///
/// # Errors
/// The terminal is over before.
pub async fn read_until(socket: &mut TerminalSocket, enough: impl Fn(&str) -> bool) -> Result<()> {
    let mut seen = String::new();
    while !enough(&seen) {
        match socket.next().await.context("the terminal is over")?? {
            TerminalEvent::Output(bytes) | TerminalEvent::Redraw(bytes) => {
                seen += &String::from_utf8_lossy(&bytes)
            }
            TerminalEvent::Exited(exit) => bail!("the shell ended with {exit}: {seen}"),
            _ => {}
        }
    }
    Ok(())
}
