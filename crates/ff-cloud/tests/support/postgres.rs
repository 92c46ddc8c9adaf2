//! A PostgreSQL of the tests' own, shared by all test processes that run at the same time.
//!
//! Each process holds a lock while it lives; `postgres.sh` runs the server, and stops and removes
//! it when nobody holds the lock any more, however the tests ended.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ff_cloud::db::{Address, Db};

/// The user `nobody`, since PostgreSQL does not run as root.
const NOBODY: &str = "65534";
const TEMPLATE: &str = "ff_template";
const START: Duration = Duration::from_secs(60);

/// A running server; while it is held it stays.
#[derive(Debug)]
pub struct Cluster {
    bin: PathBuf,
    dir: PathBuf,
    _lock: File,
}

/// A database of one test; removed when dropped.
#[derive(Debug)]
pub struct Database {
    pub name: String,
    cluster: Arc<Cluster>,
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = &self.name;
        let _ = self
            .cluster
            .psql(&format!("DROP DATABASE {name} WITH (FORCE)"));
    }
}

impl Database {
    /// A database with all tables.
    pub async fn new() -> Self {
        Self::made(&format!("TEMPLATE {TEMPLATE}")).await
    }

    /// A database without any table.
    pub async fn empty() -> Self {
        Self::made("").await
    }

    async fn made(with: &str) -> Self {
        let cluster = Cluster::hold().await;
        let name = format!("t_{}", uuid::Uuid::now_v7().simple());
        cluster.sql(&format!("CREATE DATABASE {name} {with}"));
        Self { name, cluster }
    }

    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// Directory of the server's socket.
    pub fn socket_dir(&self) -> &Path {
        &self.cluster.dir
    }

    pub fn address(&self) -> Address {
        address(&self.url())
    }

    /// Runs statements as an operator would, and gives what they print.
    pub fn sql(&self, sql: &str) -> String {
        self.cluster.psql_in(&self.name, sql).unwrap()
    }
}

pub fn address(url: &str) -> Address {
    Address::Postgres(url.parse().unwrap())
}

impl Cluster {
    /// The shared server, started if nobody has.
    pub async fn hold() -> Arc<Self> {
        static HELD: OnceLock<Arc<Cluster>> = OnceLock::new();
        static STARTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _one = STARTING.lock().await;
        if let Some(held) = HELD.get() {
            return held.clone();
        }
        let bin = binaries();
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let state = tmp.join("postgres-dir");
        let path = tmp.join("postgres-lock");
        let lock = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .unwrap();
        lock.lock_shared().unwrap();
        while !answers(&bin, &state) {
            lock.unlock().unwrap();
            lock.lock().unwrap();
            if !answers(&bin, &state) {
                start(&bin, &path, &state).await;
            }
            lock.unlock().unwrap();
            lock.lock_shared().unwrap();
        }
        let dir = std::fs::read_to_string(&state).unwrap().into();
        let cluster = Self {
            bin,
            dir,
            _lock: lock,
        };
        HELD.get_or_init(|| Arc::new(cluster)).clone()
    }

    fn url(&self, database: &str) -> String {
        format!(
            "postgres://ff@localhost/{database}?host={}",
            self.dir.display()
        )
    }

    fn sql(&self, sql: &str) -> String {
        self.psql(sql).unwrap()
    }

    fn psql(&self, sql: &str) -> Result<String, String> {
        self.psql_in("postgres", sql)
    }

    fn psql_in(&self, database: &str, sql: &str) -> Result<String, String> {
        psql(&self.bin, &self.dir, database, sql)
    }
}

fn psql(bin: &Path, dir: &Path, database: &str, sql: &str) -> Result<String, String> {
    let output = Command::new(bin.join("psql"))
        .args([
            "-XAtqw",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "ff",
            "-d",
            database,
            "-c",
            sql,
            "-h",
        ])
        .arg(dir)
        .env_remove("PGOPTIONS")
        .env_remove("PGPORT")
        .output()
        .map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Whether the server that a state file names runs and has its template.
fn answers(bin: &Path, state: &Path) -> bool {
    std::fs::read_to_string(state)
        .is_ok_and(|dir| psql(bin, Path::new(&dir), TEMPLATE, "SELECT 1").is_ok())
}

/// Starts a server and makes the template.
#[expect(clippy::zombie_processes, reason = "the script outlives this process")]
async fn start(bin: &Path, lock: &Path, state: &Path) {
    let _ = std::fs::remove_file(state);
    let dir = tempfile::Builder::new()
        .prefix("ff-postgres-")
        .tempdir()
        .unwrap()
        .keep();
    let user = match std::fs::metadata(&dir).unwrap().uid() {
        0 => NOBODY,
        _ => "self",
    };
    let log = state.with_extension("log");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/postgres.sh");
    let mut script = Command::new("sh")
        .arg(script)
        .args([bin, &dir, lock, state])
        .arg(user)
        .stdin(Stdio::null())
        .stdout(File::create(&log).unwrap())
        .stderr(File::options().append(true).open(&log).unwrap())
        .process_group(0)
        .spawn()
        .unwrap();
    let until = Instant::now() + START;
    while psql(bin, &dir, "postgres", "SELECT 1").is_err() {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        if let Some(status) = script.try_wait().unwrap() {
            panic!("PostgreSQL did not start, {status}: {log}");
        }
        assert!(Instant::now() < until, "PostgreSQL does not answer: {log}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    psql(
        bin,
        &dir,
        "postgres",
        &format!("CREATE DATABASE {TEMPLATE}"),
    )
    .unwrap();
    let url = format!("postgres://ff@localhost/{TEMPLATE}?host={}", dir.display());
    Db::open(&address(&url))
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
    std::fs::write(state, dir.to_str().unwrap()).unwrap();
}

/// Debian's newest PostgreSQL.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    versions
        .filter_map(|version| version.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .max()
        .map(|newest| PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin")))
        .filter(|bin| ["initdb", "postgres", "psql"].iter().all(|name| bin.join(name).exists()))
        .expect("the programs of PostgreSQL are missing in /usr/lib/postgresql: run `scripts/setup.sh postgres`")
}
