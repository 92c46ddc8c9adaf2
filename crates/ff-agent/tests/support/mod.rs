//! The agent's real program as a plain process, looked at from outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ff_client::socket::{TerminalEvent, TerminalOptions, TerminalSocket};
use ff_client::{AgentClient, Auth, EngineClient, Secret, TerminalPlace};
use ff_protocol::VmId;
use ff_protocol::agent::{Cause, CauseKind, Health, Quiesce, SuspendTier};
use ff_protocol::terminal::CreateTerminal;
use serde_json::Value;

const TOKEN: &str = "ffa_0123456789abcdef0123456789abcdef";
pub const SOON: Duration = Duration::from_secs(10);

/// Waits until there is an answer, for two minutes at most.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..1200 {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("waited in vain: {what}");
}

/// A running agent with a home of its own. What it started goes with it.
pub struct World {
    pub dir: tempfile::TempDir,
    pub vm: VmId,
    pub agent: AgentClient,
    address: String,
    mark: String,
    child: Child,
    _log: std::thread::JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.signal("CONT");
        let _ = self.child.kill();
        let _ = self.child.wait();
        let mark = format!("FF_MACHINE={}", self.mark);
        for pid in with_variable(&mark) {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
    }
}

fn with_variable(entry: &str) -> Vec<u32> {
    let found = std::fs::read_dir("/proc").unwrap().flatten();
    let carries = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut entries = environment.split(|byte| *byte == 0);
        entries.any(|it| it == entry.as_bytes())
    };
    found
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter(carries)
        .collect()
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let vm = VmId::generate();
        let token = dir.path().join("token");
        std::fs::write(&token, TOKEN).unwrap();
        let mark = format!("{vm}@{}", dir.path().display());
        let mut child = Command::new(env!("CARGO_BIN_EXE_ff-agent"))
            .args(["serve", "--listen", "127.0.0.1:0", "--vm-id", vm.as_str()])
            .arg("--token-file")
            .arg(&token)
            .env("HOME", dir.path())
            .env("SHELL", "/bin/bash")
            .env("FF_MACHINE", &mark)
            .env_remove("FF_LOG")
            .env_remove("ANTHROPIC_API_KEY")
            .env_remove("ANTHROPIC_AUTH_TOKEN")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended early");
            let line: Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = line["fields"]["listen"].as_str() {
                break address.to_owned();
            }
        };
        // Nobody reads on, and a full pipe would stop it.
        let reading =
            std::thread::spawn(move || drop(std::io::copy(&mut log, &mut std::io::sink())));
        let secret = Secret::new(TOKEN);
        let agent = AgentClient::new(vm.clone(), &format!("http://{address}"), secret).unwrap();
        Self {
            dir,
            vm,
            agent,
            address,
            mark,
            child,
            _log: reading,
        }
    }

    pub fn home(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    /// Plays a freeze (`STOP`) and a thaw (`CONT`).
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-s", name, &pid]).status();
    }

    pub async fn health(&self) -> Health {
        self.agent.health().await.unwrap()
    }

    pub fn quiesce(&self, id: &str) -> Quiesce {
        Quiesce {
            id: id.to_owned(),
            tier: SuspendTier::Frozen,
            ttl_seconds: 600,
            idle_seconds: 0,
            let_go: false,
        }
    }

    /// Waits until nothing works.
    pub async fn quiet(&self) {
        eventually("quiet", async || {
            self.health().await.working.is_empty().then_some(())
        })
        .await;
    }

    fn engine(&self) -> (EngineClient, TerminalPlace) {
        let auth = Auth::Bearer(Secret::new(TOKEN));
        let engine = EngineClient::new(&format!("http://{}", self.address), auth).unwrap();
        (engine, TerminalPlace::Vm(self.vm.clone()))
    }

    pub async fn try_terminal(&self) -> ff_client::Result<ff_protocol::TerminalId> {
        let (engine, place) = self.engine();
        let create = CreateTerminal::default();
        Ok(engine.create_terminal(&place, &create).await?.id)
    }

    pub async fn terminals(&self) -> usize {
        let (engine, place) = self.engine();
        engine.terminals(&place).await.unwrap().len()
    }

    /// A new terminal with a viewer.
    pub async fn terminal(&self) -> TerminalSocket {
        let id = self.try_terminal().await.unwrap();
        let (engine, place) = self.engine();
        let options = TerminalOptions::default();
        engine.attach(&place, &id, options).await.unwrap()
    }

    /// Connects, and writes a request without a body as it is; the answer is read later.
    pub fn write(&self, method: &str, path: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: agent\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n{headers}\r\n{{}}"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }
}

/// The status and the body of an answer.
pub async fn answer(mut stream: TcpStream) -> (u16, Value) {
    let read = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    });
    let text = read.await.unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    let body = text.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(body).unwrap_or_default())
}

pub fn find(causes: &[Cause], kind: CauseKind, name: &str) -> Option<Cause> {
    let found = causes
        .iter()
        .find(|cause| cause.kind == kind && cause.name.contains(name));
    found.cloned()
}

/// Types, and reads until `end` shows.
pub async fn typed(socket: &mut TerminalSocket, text: &str, end: &str) -> String {
    socket.input().send(text.to_owned()).await.unwrap();
    let mut seen = String::new();
    let read = async {
        while !seen.contains(end) {
            match socket.next().await.unwrap().unwrap() {
                TerminalEvent::Output(bytes) | TerminalEvent::Redraw(bytes) => {
                    seen += &String::from_utf8_lossy(&bytes)
                }
                TerminalEvent::Exited(exit) => panic!("the shell ended with {exit}: {seen}"),
                _ => {}
            }
        }
    };
    let read = tokio::time::timeout(Duration::from_secs(60), read).await;
    assert!(read.is_ok(), "no {end:?} in {seen:?}");
    seen
}
