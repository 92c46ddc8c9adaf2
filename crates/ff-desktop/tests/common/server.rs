//! The real server with the real agent in each VM: a plain process, or a container of the built image.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ff_client::{Auth, CloudClient};
use ff_protocol::VmId;
use ff_testkit::container::Container;
use ff_testkit::journey::outside::remove_labelled;
use ff_testkit::states::Shell;
use serde_json::Value;

use super::{Desktop, git};

/// How long it gets to end its agents.
const ENDS: Duration = Duration::from_secs(20);
/// Where an agent in a container listens.
const AGENT_PORT: u16 = 7070;
/// Remote of a desktop's project.
pub const REMOTE: &str = "https://git.example.test/me/app.git";

/// A server, ended with the test, and its agents with it.
pub struct Server {
    dir: tempfile::TempDir,
    provider: Provider,
    /// Of its only VM, where VMs are containers.
    container: Option<Container>,
    child: Option<Child>,
    pub url: String,
    pub client: CloudClient,
}

/// What VMs are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Provider {
    Process,
    Docker,
}

/// A program that is built beside `ff`.
fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_ff")).with_file_name(name);
    assert!(path.is_file(), "there is no {}: build it", path.display());
    path
}

impl Server {
    /// One for the user `test-user`, whose VMs are plain processes.
    pub fn start() -> Self {
        Self::over(Provider::Process)
    }

    fn over(provider: Provider) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (child, url) = serve(dir.path(), "127.0.0.1:0", provider);
        let user = Auth::User("test-user".parse().unwrap());
        let client = CloudClient::new(&url, user).unwrap();
        Self {
            dir,
            provider,
            container: None,
            child: Some(child),
            url,
            client,
        }
    }

    /// One with a VM, for whose git the remote of this desktop is on this machine.
    pub async fn with_vm_for(desktop: &Desktop) -> Self {
        let server = Self::start();
        let vm = server.client.create_vm(None).await.unwrap();
        let bare = desktop.path("remote.git");
        if !bare.exists() {
            let (from, to) = (desktop.path("app"), bare.to_str().unwrap().to_owned());
            git(&from, &["clone", "--quiet", "--bare", ".", &to]);
        }
        let here = format!("[url \"{}\"]\n\tinsteadOf = {REMOTE}\n", bare.display());
        std::fs::write(server.home(&vm.id).join(".gitconfig"), here).unwrap();
        server
    }

    /// One with a VM that is a container, in whose home the remote of this desktop is.
    pub async fn with_container_for(desktop: &Desktop) -> Self {
        let mut server = Self::over(Provider::Docker);
        let vm = server.client.create_vm(None).await.unwrap();
        let container = Container::of(&vm.id).unwrap();
        let bare = container.home().join("remote.git");
        let (from, to) = (desktop.path("app"), bare.to_str().unwrap());
        git(&from, &["clone", "--quiet", "--bare", ".", to]);
        let inside = container.inside(&bare).unwrap();
        let there = format!("[url \"{}\"]\n\tinsteadOf = {REMOTE}\n", inside.display());
        let settings = container.home().join(".gitconfig");
        std::fs::write(&settings, there).unwrap();
        for path in [&bare, &settings] {
            container.give(path).unwrap();
        }
        server.container = Some(container);
        server
    }

    /// Ends it, and its agents with it, unless they are in containers.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let pid = child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let deadline = Instant::now() + ENDS;
        while Instant::now() < deadline {
            if let Ok(Some(_)) = child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Starts it once more, where it was.
    pub fn start_again(&mut self) {
        let (child, url) = serve(self.dir.path(), &self.address().to_string(), self.provider);
        assert_eq!(url, self.url);
        self.child = Some(child);
    }

    pub fn address(&self) -> SocketAddr {
        self.url.strip_prefix("http://").unwrap().parse().unwrap()
    }

    /// Holds its database, its log and its VMs.
    pub fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    /// The home of a VM.
    pub fn home(&self, vm: &VmId) -> PathBuf {
        let dir = self.dir.path().canonicalize().unwrap();
        dir.join("process").join(vm.as_str()).join("home")
    }

    /// The home of the only VM, as a directory of this machine.
    pub fn the_home(&self) -> PathBuf {
        if let Some(container) = &self.container {
            return container.home().to_owned();
        }
        let vms = self.dir.path().canonicalize().unwrap().join("process");
        let mut vms = std::fs::read_dir(vms).unwrap();
        vms.next().unwrap().unwrap().path().join("home")
    }

    fn container(&self) -> &Container {
        self.container
            .as_ref()
            .unwrap_or_else(|| panic!("its VM is no container"))
    }

    /// Where the agent in the only container listens.
    pub fn agent_address(&self) -> SocketAddr {
        (self.container().address().unwrap(), AGENT_PORT).into()
    }

    /// What git says to the user of the only container, in its only workspace.
    pub fn git_there(&self, args: &str) -> String {
        self.git_in(&self.worktree(), args)
    }

    /// The same in another directory of the container, given as one of this machine.
    pub fn git_in(&self, dir: &Path, args: &str) -> String {
        let shell = self.container().shell(dir).unwrap();
        let said = shell.run(&format!("git {args}")).unwrap();
        String::from_utf8(said).unwrap().trim().to_owned()
    }

    /// The directory of a workspace in the only container, as one of this machine.
    pub fn worktree_of(&self, workspace: &str) -> PathBuf {
        let all = self.the_home().join("factory-factory/worktrees");
        let projects = std::fs::read_dir(all).unwrap().map(|it| it.unwrap().path());
        let mut dirs = projects.map(|it| it.join(format!("workspace-{workspace}")));
        dirs.find(|it| it.is_dir())
            .unwrap_or_else(|| panic!("{workspace} is not there"))
    }

    /// Writes a file of the only workspace in the only container.
    pub fn write_there(&self, name: &str, bytes: &[u8]) {
        let path = self.worktree().join(name);
        std::fs::write(&path, bytes).unwrap();
        self.container().give(&path).unwrap();
    }

    /// The directory of the only workspace in the only VM, as one of this machine.
    pub fn worktree(&self) -> PathBuf {
        let all = self.the_home().join("factory-factory/worktrees");
        let below = |dir: PathBuf, prefix: &str| {
            let mut found = std::fs::read_dir(&dir)
                .unwrap()
                .map(|it| it.unwrap().path());
            let is_meant = |path: &PathBuf| {
                let name = path.file_name().unwrap().to_string_lossy();
                name.starts_with(prefix)
            };
            found
                .find(is_meant)
                .unwrap_or_else(|| panic!("nothing in {}", dir.display()))
        };
        below(below(all, ""), "workspace-")
    }
}

/// Image of VMs that are containers.
fn image() -> String {
    std::env::var("FF_VM_IMAGE").unwrap_or_else(|_| "ff-vm:latest".to_owned())
}

/// A server that listens, and its address. Its log is kept in its directory.
fn serve(dir: &Path, listen: &str, provider: Provider) -> (Child, String) {
    let mut command = Command::new(program("ff-cloud"));
    command
        .args(["serve", "--dev", "--listen", listen])
        .args(["--log-format", "json", "--data-dir"])
        .arg(dir);
    match provider {
        Provider::Process => command
            .args(["--provider", "process", "--agent-binary"])
            .arg(program("ff-agent")),
        Provider::Docker => command.args(["--image", &image()]),
    };
    let mut child = command
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let path = dir.join("server.log");
    let kept = File::options().create(true).append(true).open(path);
    let mut kept = kept.unwrap();
    let url = loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended early");
        kept.write_all(line.as_bytes()).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "listening" {
            break format!("http://{}", line["address"].as_str().unwrap());
        }
    };
    // It must not wait for a reader of its log.
    std::thread::spawn(move || std::io::copy(&mut log, &mut kept));
    (child, url)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        if self.provider == Provider::Docker {
            let instance = std::fs::read_to_string(self.dir.path().join("instance-id")).unwrap();
            remove_labelled(instance.trim()).unwrap();
        }
    }
}
