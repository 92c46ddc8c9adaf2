//! The reference of a session: the CLI itself in the VM, on plain pipes.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use uuid::Uuid;

use super::clock::millis;
use crate::journey::World;
use crate::journey::outside::inspect;
use crate::journey::process::Run;

const DEADLINE: Duration = Duration::from_secs(60);
/// The flags that sessions give it.
const FLAGS: &str = "-p --input-format stream-json --output-format stream-json --verbose --include-partial-messages \
     --permission-prompt-tool stdio --session-id";

/// A CLI that runs. Dropping it ends it.
pub(super) struct BareCli {
    _child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    /// How it was brought into the VM.
    pub(super) way: &'static str,
}

impl BareCli {
    /// Starts one in the workspace's checkout. By `nsenter` where that is allowed, since its pipes
    /// are the process's own; else by `docker exec`.
    pub(super) async fn start(world: &World) -> Result<Self> {
        let (container, workspace) = (world.container()?, world.workspace()?);
        let script = format!(
            "cd ~/factory-factory/worktrees/*/workspace-{workspace} && exec claude {FLAGS} {}",
            Uuid::new_v4()
        );
        let pid = inspect(container, "{{.State.Pid}}").await?;
        let enter = [
            "-t", &pid, "-m", "-u", "-i", "-n", "-p", "-S", "1000", "-G", "1000",
        ];
        let allowed = Run::new("nsenter")
            .args(enter)
            .args(["true"])
            .outcome()
            .await;
        let (mut command, way) = if allowed.is_ok_and(|ran| ran.code == 0) {
            let env = inspect(container, "{{json .Config.Env}}").await?;
            let env: Vec<String> = serde_json::from_str(&env)?;
            let mut command = Command::new("nsenter");
            command
                .args(enter)
                .args(["env", "-i", "HOME=/home/ff", "USER=ff"])
                .args(env);
            (command, "nsenter")
        } else {
            let mut command = Command::new("docker");
            command.args(["exec", "-i", container]);
            (command, "docker exec")
        };
        let mut child = command
            .args(["bash", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut cli = Self {
            _child: child,
            stdin: stdin.context("no stdin")?,
            stdout: BufReader::new(stdout.context("no stdout")?).lines(),
            way,
        };
        let initialize = json!({ "type": "control_request", "request_id": "init", "request": { "subtype": "initialize" } });
        cli.say(&initialize).await?;
        cli.until(|line| line.contains("\"control_response\""))
            .await?;
        Ok(cli)
    }

    /// Takes a turn; returns the milliseconds until the first piece of the answer.
    pub(super) async fn turn(&mut self, text: &str) -> Result<f64> {
        let message = json!({
            "type": "user", "uuid": Uuid::new_v4().to_string(), "message": { "role": "user", "content": text },
        });
        let begun = Instant::now();
        self.say(&message).await?;
        self.until(|line| line.contains("\"text_delta\"")).await?;
        let took = millis(begun.elapsed());
        let result = self
            .until(|line| line.contains("\"type\":\"result\""))
            .await?;
        let result: Value = serde_json::from_str(&result)?;
        ensure!(result["is_error"] == false, "the bare CLI failed: {result}");
        Ok(took)
    }

    async fn say(&mut self, message: &Value) -> Result<()> {
        let line = format!("{message}\n");
        self.stdin.write_all(line.as_bytes()).await?;
        Ok(self.stdin.flush().await?)
    }

    async fn until(&mut self, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let reading = async {
            loop {
                let line = self
                    .stdout
                    .next_line()
                    .await?
                    .context("the bare CLI ended")?;
                if wanted(&line) {
                    return Ok(line);
                }
            }
        };
        tokio::time::timeout(DEADLINE, reading)
            .await
            .context("the bare CLI is silent")?
    }
}
