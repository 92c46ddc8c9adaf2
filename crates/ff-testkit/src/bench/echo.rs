//! A keystroke until the terminal shows it: through the server and the agent, beside the same client
//! at the same agent. Agents are processes here, so that both ways are of loopback.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ff_client::socket::{TerminalEvent, TerminalSocket};
use ff_client::{Auth, EngineClient, Secret, TerminalPlace};

use super::Bench;
use super::clock::{millis, pair};
use super::report::{Goal, Row, Unit};
use super::server::{Kind, Server};

const WARM: usize = 50;
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two keystrokes, as of one who types fast.
const PAUSE: Duration = Duration::from_millis(10);
const KEY: &[u8] = b"k";

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let dir = tempfile::Builder::new()
        .prefix("ff-bench-echo-")
        .tempdir()?;
    let agent = leaky_agent(dir.path(), &bench.settings.programs.join("ff-agent"))?;
    let server = Server::start(&bench.settings, Kind::Process { agent: &agent }).await?;
    let client = server.client("bench-echo")?;
    let vm = client.create_vm(None).await?.id;
    let home = server.home(&vm);
    let told = |file: &str| std::fs::read_to_string(home.join(file));
    let token = Auth::Bearer(Secret::new(told("token")?.trim()));
    let straight = EngineClient::new(&format!("http://{}", told("address")?.trim()), token)?;
    let place = TerminalPlace::Vm(vm);
    let mut ours = Keyboard::new(client.engine(), &place).await?;
    let mut direct = Keyboard::new(&straight, &place).await?;
    for _ in 0..WARM {
        ours.strike().await?;
        direct.strike().await?;
    }
    let (mut through, mut bare) = (Vec::new(), Vec::new());
    for number in 0..bench.settings.samples(2000, 50) {
        let own = async || {
            through.push(ours.strike().await?);
            anyhow::Ok(())
        };
        let reference = async || {
            bare.push(direct.strike().await?);
            anyhow::Ok(())
        };
        pair(number, own, reference).await?;
        bench.progress("echo", number + 1);
    }
    drop((ours, direct));
    server.stop().await?;
    let added = through.iter().zip(&bare).map(|(ours, bare)| ours - bare);
    let goal = Goal::Percentiles {
        p50: 200.0,
        p99: 1000.0,
    };
    let rows = [
        Row::new(
            "keystroke echo, added by the server",
            Unit::Micros,
            added.collect(),
        )
        .map(|row| {
            row.goal(goal)
                .note("provider `process`; differences of pairs")
        }),
        Row::new("  through server and agent", Unit::Micros, through).map(|row| row.against(&bare)),
        Row::new("  straight to the agent", Unit::Micros, bare),
    ];
    Ok(rows.into_iter().flatten().collect())
}

/// An agent that leaves word in its home of where it is and how one gets in.
fn leaky_agent(dir: &Path, agent: &Path) -> Result<PathBuf> {
    let script = dir.join("agent");
    // It is started in its home.
    let agent = std::path::absolute(agent)?;
    let text = format!(
        "#!/bin/sh\nset -e\ncp \"$FF_AGENT_TOKEN_FILE\" \"$HOME/token\"\n\
         echo \"$FF_AGENT_LISTEN\" >\"$HOME/address\"\nexec '{}' \"$@\"\n",
        agent.display()
    );
    std::fs::write(&script, text)?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    Ok(script)
}

/// A terminal in which nothing runs but `cat`.
struct Keyboard {
    socket: TerminalSocket,
}

impl Keyboard {
    async fn new(engine: &EngineClient, place: &TerminalPlace) -> Result<Self> {
        let terminal = engine.create_terminal(place, &Default::default()).await?;
        let socket = engine
            .attach(place, &terminal.id, Default::default())
            .await?;
        let mut keyboard = Self { socket };
        keyboard.socket.input().send("exec cat\r").await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        keyboard.quiet().await?;
        Ok(keyboard)
    }

    /// Reads until nothing comes any more.
    async fn quiet(&mut self) -> Result<()> {
        while let Ok(event) = tokio::time::timeout(PAUSE * 20, self.socket.next()).await {
            event.context("the terminal is over")??;
        }
        Ok(())
    }

    /// Strikes a key; microseconds until its echo.
    async fn strike(&mut self) -> Result<f64> {
        tokio::time::sleep(PAUSE).await;
        let begun = Instant::now();
        self.socket.input().send(KEY).await?;
        loop {
            let event = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            match event
                .context("no echo")?
                .context("the terminal is over")??
            {
                TerminalEvent::Output(bytes) if bytes.as_ref() == KEY => {
                    return Ok(millis(begun.elapsed()) * 1e3);
                }
                TerminalEvent::Output(bytes) => bail!("no echo of a key: {bytes:?}"),
                _ => {}
            }
        }
    }
}
