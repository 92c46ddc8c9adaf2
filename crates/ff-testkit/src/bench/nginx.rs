//! nginx before an agent, at its best: nothing is logged or buffered beyond what it passes on, and
//! its buffer is the size with which it was fastest here.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::clock::until;
use crate::journey::process::{Run, free_port};

const PLACES: [&str; 3] = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"];
const START: Duration = Duration::from_secs(10);

/// An nginx that runs. Dropping it ends it.
#[derive(Debug)]
pub struct Nginx {
    child: Child,
    _dir: TempDir,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it says it is, and the size of its buffer.
    pub version: String,
}

impl Nginx {
    /// Starts one that passes on to this address.
    ///
    /// # Errors
    /// There is none, or it does not start.
    pub async fn before(upstream: SocketAddr) -> Result<Self> {
        let program = PLACES
            .map(Path::new)
            .into_iter()
            .find(|path| path.is_file());
        let program = program.context("nginx is missing: run 'scripts/setup.sh bench'")?;
        let said = Run::new(program).args(["-v"]).outcome().await?.stderr;
        let buffer = std::env::var("FF_BENCH_NGINX_BUFFER").unwrap_or_else(|_| "64k".to_owned());
        let address = free_port()?;
        let dir = tempfile::Builder::new()
            .prefix("ff-bench-nginx-")
            .tempdir()?;
        let file: PathBuf = dir.path().join("nginx.conf");
        std::fs::write(&file, config(dir.path(), address, upstream, &buffer))?;
        let child = Command::new(program)
            .arg("-c")
            .arg(&file)
            .arg("-p")
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let nginx = Self {
            child,
            _dir: dir,
            address,
            version: format!("{}, proxy_buffer_size {buffer}", said.trim()),
        };
        let listens = async || Ok(TcpStream::connect(address).await.is_ok());
        until("nginx to listen", START, listens).await?;
        // It listens before it has them, and any of them may serve.
        let all = std::thread::available_parallelism()?.get();
        let there = async || Ok(nginx.workers()?.len() >= all);
        until("nginx's workers", START, there).await?;
        Ok(nginx)
    }

    /// Its processes: the master's children.
    ///
    /// # Errors
    /// It has ended.
    pub fn workers(&self) -> Result<Vec<u32>> {
        let master = self.child.id().context("nginx has ended")?;
        let mut workers = Vec::new();
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let parent = stat
                .rsplit(')')
                .next()
                .and_then(|rest| rest.split_whitespace().nth(1));
            if parent == Some(&master.to_string()) {
                workers.push(pid);
            }
        }
        Ok(workers)
    }

    /// Ends it in order, so that its workers end with it.
    ///
    /// # Errors
    /// It does not end.
    pub async fn stop(mut self) -> Result<()> {
        crate::journey::process::terminate(&self.child)?;
        let ended = tokio::time::timeout(START, self.child.wait()).await;
        ended.context("nginx does not end")??;
        Ok(())
    }
}

fn config(dir: &Path, listen: SocketAddr, upstream: SocketAddr, buffer: &str) -> String {
    let dir = dir.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {dir}/{name};\n"))
        .concat();
    format!(
        "daemon off;
worker_processes auto;
pid {dir}/pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
{temporary}    server {{
        listen {listen};
        tcp_nodelay on;
        location / {{
            proxy_pass http://{upstream};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_buffering off;
            proxy_buffer_size {buffer};
            proxy_buffers 8 {buffer};
            proxy_busy_buffers_size {buffer};
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
        }}
    }}
}}
"
    )
}
