//! Lists of a thousand workspaces: by `ff workspace list`, and by the engine that `ff serve` runs.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hyper::Method;
use serde_json::Value;
use tokio::process::{Child, Command};

use super::Bench;
use super::clock::timed;
use super::http::{Http, Peer};
use super::report::{Goal, Row, Unit};
use crate::journey::process::Run;

const COUNT: usize = 1000;
const START: Duration = Duration::from_secs(20);

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let fill = bench.settings.programs.join("examples/fill_workspaces");
    ensure!(
        fill.exists(),
        "{} is not there: build the examples",
        fill.display()
    );
    let dir = tempfile::Builder::new().prefix("ff-bench-").tempdir()?;
    let home = Home(dir.path(), bench.settings.programs.join("ff"));
    let count = COUNT.to_string();
    let database = home.data().join("core.db");
    Run::new(fill)
        .args([database.as_os_str()])
        .args([&count])
        .text()
        .await?;
    let samples = bench.settings.samples(200, 10);

    let mut listed = Vec::new();
    for _ in 0..samples {
        let list = home.ff(&["workspace", "list", "--json"]);
        let (took, output) = timed(output(list)).await?;
        let list = serde_json::from_slice(&output)?;
        ensure!(counted(&list) == COUNT, "not all were listed");
        listed.push(took);
    }
    let mut serving = Serving::start(&home).await?;
    let mut asked = Vec::new();
    for warm in 0..samples + 5 {
        let (took, list) = timed(serving.list()).await?;
        ensure!(counted(&list) == COUNT, "not all were answered");
        if warm >= 5 {
            asked.push(took);
        }
    }
    serving.end().await?;
    let list = Row::new("`ff workspace list`, 1,000", Unit::Millis, listed);
    let list = list.map(|row| row.goal(Goal::Most(50.0)).note("a process each time"));
    let get = Row::new("`GET /api/workspaces`, 1,000", Unit::Millis, asked);
    let note = "one connection, after five requests that do not count; until the body is parsed";
    let get = get.map(|row| row.goal(Goal::Most(20.0)).note(note));
    Ok([list, get].into_iter().flatten().collect())
}

/// A home of its own for `ff`.
struct Home<'a>(&'a Path, std::path::PathBuf);

impl Home<'_> {
    fn data(&self) -> std::path::PathBuf {
        self.0.join("data/factory-factory")
    }

    fn ff(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.1);
        command
            .args(args)
            .env("HOME", self.0)
            .env("XDG_DATA_HOME", self.0.join("data"))
            .env("XDG_CONFIG_HOME", self.0.join("config"))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

async fn output(mut command: Command) -> Result<Vec<u8>> {
    let output = command.output().await?;
    ensure!(output.status.success(), "ff failed: {output:?}");
    Ok(output.stdout)
}

fn counted(value: &Value) -> usize {
    let list = value.get("items").unwrap_or(value);
    list.as_array().map_or(0, Vec::len)
}

struct Serving {
    child: Child,
    http: Http,
}

impl Serving {
    async fn start(home: &Home<'_>) -> Result<Self> {
        let mut child = home
            .ff(&["serve"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let file = home.data().join("serve.json");
        let record = async {
            loop {
                if let Ok(text) = std::fs::read_to_string(&file)
                    && let Ok(record) = serde_json::from_str::<Value>(&text)
                {
                    return record;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let Ok(record) = tokio::time::timeout(START, record).await else {
            child.kill().await?;
            anyhow::bail!("`ff serve` did not say where it serves");
        };
        let address = record["address"].as_str().context("no address")?;
        let address = address.trim_start_matches("http://").parse()?;
        let token = record["token"].as_str().context("no token")?;
        let http = Http::new(Peer::Tcp(address)).by_address();
        Ok(Self {
            child,
            http: http.with("authorization", &format!("Bearer {token}")),
        })
    }

    async fn list(&self) -> Result<Value> {
        let answer = self.http.call(Method::GET, "/api/workspaces", None).await?;
        answer.ok("list the workspaces")
    }

    async fn end(&mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }
}
