//! A container with an agent, asked and handled by `docker exec` alone.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ff_protocol::SessionId;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::journey::outside;
use crate::journey::process::{Run, eventually};

const SOON: Duration = Duration::from_secs(20);
/// Where the agent listens, as `/proc/net/tcp` writes it: 7070.
const PORT: &str = "1B9E";
/// The agent's database.
const DATABASE: &str = "/home/ff/.local/share/ff-agent/core.db";
/// Takes the database's one right to write until its input ends.
const HOLD: &str = "
const { DatabaseSync } = require('node:sqlite');
const db = new DatabaseSync(process.argv[1]);
db.exec('PRAGMA busy_timeout = 8000; BEGIN IMMEDIATE');
console.log('held');
process.stdin.resume().on('end', () => { db.exec('ROLLBACK'); db.close(); console.log('over'); });
";
/// Prints the rows of a query as JSON.
const QUERY: &str = "
const { DatabaseSync } = require('node:sqlite');
const db = new DatabaseSync(process.argv[1], { readOnly: true });
db.exec('PRAGMA busy_timeout = 8000');
const [sql, ...values] = process.argv.slice(2);
console.log(JSON.stringify(db.prepare(sql).all(...values)));
";

/// An entry of the journal as it is on disk.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Row {
    /// Its place.
    pub seq: u64,
    /// What it is.
    pub kind: String,
    /// The session it belongs to.
    pub session_id: String,
    /// Its content, JSON.
    pub payload: String,
}

/// The container.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its name.
    pub container: String,
}

/// The right to write to the agent's database. Dropping it gives it back.
#[derive(Debug)]
pub struct Hold {
    child: Child,
}

impl Hold {
    /// Gives the right back; the container may be gone.
    ///
    /// # Errors
    /// The holder does not end.
    pub async fn release(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let ended = tokio::time::timeout(SOON, self.child.wait()).await;
        ended.context("the holder of the database does not end")??;
        Ok(())
    }
}

impl Machine {
    /// Runs a script in it, as its user, and returns what it printed.
    ///
    /// # Errors
    /// It fails.
    pub async fn shell(&self, script: &str) -> Result<String> {
        outside::look_inside(&self.container, script).await
    }

    /// Numbers of the agent's processes.
    async fn agent(&self) -> Result<Vec<String>> {
        words(&self.shell("pgrep -x ff-agent || true").await?)
    }

    /// Sends the agent a signal.
    ///
    /// # Errors
    /// There is not one agent.
    pub async fn signal_agent(&self, signal: &str) -> Result<()> {
        let agents = self.agent().await?;
        ensure!(agents.len() == 1, "the agents are {agents:?}");
        // The container may end with it.
        let script = format!("kill -{signal} {}", agents[0]);
        let exec = ["exec", &self.container, "bash", "-c", &script];
        Run::new("docker").args(exec).outcome().await.map(drop)
    }

    /// Numbers of the processes that a session has started.
    ///
    /// # Errors
    /// The container does not run.
    pub async fn of_session(&self, session: &SessionId) -> Result<Vec<String>> {
        let look = format!(
            "grep -lzx 'FF_SESSION_ID={session}' /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3"
        );
        words(&self.shell(&look).await?)
    }

    /// Sends the session's CLI a signal.
    ///
    /// # Errors
    /// It has none.
    pub async fn signal_cli(&self, session: &SessionId, signal: &str) -> Result<()> {
        let script = format!(
            "for p in $(grep -lzx 'FF_SESSION_ID={session}' /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3); do \
               [ \"$(cat /proc/$p/comm)\" = claude ] && kill -{signal} $p && echo $p; done; true"
        );
        let hit = words(&self.shell(&script).await?)?;
        ensure!(hit.len() == 1, "the CLIs of session {session} are {hit:?}");
        Ok(())
    }

    /// Waits until nothing of the session runs.
    ///
    /// # Errors
    /// Something does.
    pub async fn nothing_of(&self, session: &SessionId) -> Result<()> {
        let what = format!("nothing that session {session} has started runs any more");
        eventually(&what, SOON, async || {
            Ok(self.of_session(session).await?.is_empty().then_some(()))
        })
        .await
    }

    /// Bytes that were sent to the agent and that it has not read, of its fullest connection.
    ///
    /// # Errors
    /// The container does not run.
    pub async fn unread(&self) -> Result<u64> {
        let table = self.shell("cat /proc/net/tcp /proc/net/tcp6").await?;
        let waiting = table.lines().filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let local = fields.next()?;
            let queues = fields.nth(2)?;
            let (_, unread) = queues.split_once(':')?;
            let ours = local.ends_with(&format!(":{PORT}"));
            ours.then(|| u64::from_str_radix(unread, 16).ok())?
        });
        Ok(waiting.max().unwrap_or(0))
    }

    /// Takes the right to write to the agent's database: what the agent writes meanwhile waits, for
    /// at most ten seconds.
    ///
    /// # Errors
    /// It is not given.
    pub async fn hold_database(&self) -> Result<Hold> {
        let args = [
            "exec",
            "--interactive",
            &self.container,
            "node",
            "--no-warnings",
        ];
        let mut child = Command::new("docker")
            .args(args)
            .args(["-e", HOLD, DATABASE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run docker")?;
        let stdout = child.stdout.take().context("no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let said = tokio::time::timeout(SOON, lines.next_line())
            .await
            .context("the database is not to be had")??;
        ensure!(said.as_deref() == Some("held"), "the holder said {said:?}");
        Ok(Hold { child })
    }

    /// Rows of the agent's database.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn query(&self, sql: &str, values: &[&str]) -> Result<Value> {
        let args = ["exec", &self.container, "node", "--no-warnings", "-e"];
        let query = Run::new("docker").args(args).args([QUERY, DATABASE, sql]);
        query.args(values).json().await
    }

    /// The workspace's journal as it is on disk.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn journal(&self, workspace: &str) -> Result<Vec<Row>> {
        let sql = "SELECT seq, kind, session_id, payload FROM journal WHERE workspace_id = ? ORDER BY seq";
        Ok(serde_json::from_value(
            self.query(sql, &[workspace]).await?,
        )?)
    }

    /// Whether a message is entered, by its sender's id.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn has_message(&self, id: &str) -> Result<bool> {
        let rows = self
            .query("SELECT id FROM messages WHERE id = ?", &[id])
            .await?;
        Ok(rows.as_array().is_some_and(|rows| !rows.is_empty()))
    }

    /// How often the model has come to the end of a turn, as a conversation's transcript says.
    ///
    /// # Errors
    /// The container does not run.
    pub async fn ended_turns(&self, conversation: &str) -> Result<usize> {
        let look = format!(
            "cat ~/.claude/projects/*/{conversation}.jsonl 2>/dev/null | grep -c '\"stop_reason\":\"end_turn\"' || true"
        );
        Ok(self.shell(&look).await?.parse()?)
    }

    /// Lines of a file; 0 when it is not there.
    ///
    /// # Errors
    /// The container does not run.
    pub async fn lines(&self, file: &str) -> Result<usize> {
        let look = format!("cat {file} 2>/dev/null | wc -l");
        Ok(self.shell(&look).await?.parse()?)
    }
}

fn words(text: &str) -> Result<Vec<String>> {
    Ok(text.split_whitespace().map(str::to_owned).collect())
}
