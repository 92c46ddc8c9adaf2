//! One VM's process: begun, looked at, ended. Everything here blocks, and is called with the VM's
//! [`Slot`] held.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use ff_protocol::VmId;
use rustix::process::Pid;

use super::record::{Place, Record, Run, gone};
use super::system::{self, MARK, Members};
use crate::compute::{self, LOG_BYTES, Machine, Power};
use crate::config::AgentSettings;

/// Largest log of an agent; it begins anew beyond that.
const LOG_LIMIT: u64 = 10 << 20;

/// What an agent sees of the server's environment: nothing that could be a secret.
const PASSED_ON: [&str; 10] = [
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TERM",
    "TZ",
    "SHELL",
    "USER",
    "LOGNAME",
    "FF_CRASH_TICKET",
];

/// A VM's process as far as this server is its parent.
#[derive(Debug, Default)]
pub struct Slot {
    child: Option<Child>,
}

/// How agents are run.
#[derive(Debug, Clone)]
pub struct Launcher {
    binary: PathBuf,
    environment: Vec<(&'static str, OsString)>,
}

impl Launcher {
    /// Runs this binary with these settings, and with what of our environment may be seen.
    pub fn new(binary: PathBuf, settings: &AgentSettings) -> Self {
        let seen = |name: &'static str| Some((name, std::env::var_os(name)?));
        let set = settings
            .environment()
            .map(|(name, value)| (name, value.into()));
        Self {
            binary,
            environment: PASSED_ON.into_iter().filter_map(seen).chain(set).collect(),
        }
    }

    /// The agent's program.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Identity of the agent's file as it is now.
    pub fn image(&self) -> io::Result<String> {
        let found = std::fs::metadata(&self.binary)?;
        let changed = found.mtime();
        let part = found.mtime_nsec();
        Ok(format!("file:{}.{changed}.{part}", found.len()))
    }

    fn spawn(&self, vm: &VmId, place: &Place, mark: &str, port: u16) -> io::Result<Child> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(place.log())?;
        log.set_len(0)?;
        Command::new(&self.binary)
            .arg("serve")
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("HOME", place.home())
            .env("FF_VM_ID", vm.as_str())
            .env("FF_AGENT_LISTEN", format!("127.0.0.1:{port}"))
            .env("FF_AGENT_TOKEN_FILE", place.token())
            .env(MARK, mark)
            .current_dir(place.home())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
    }
}

/// What an agent's environment says of its machine. The path is part of it, so that the copy of
/// a data directory claims no process of the original.
fn mark(place: &Place, record: &Record) -> String {
    format!("{}@{}", record.id, place.dir().display())
}

fn members(place: &Place, record: &Record) -> Members {
    Members {
        mark: format!("{MARK}={}", mark(place, record)),
        leader: leader(record),
    }
}

/// The process that the record names, while its number is its own: a zombie's still is.
fn leader(record: &Record) -> Option<Pid> {
    let Run::Process {
        pid, began, boot, ..
    } = &record.run
    else {
        return None;
    };
    let pid = Pid::from_raw(*pid)?;
    let same = system::look(pid)?.began == *began && system::boot().ok()? == *boot;
    same.then_some(pid)
}

impl Slot {
    /// The VM's machine. Notices an end, and then kills what the agent left behind; adopts a
    /// process that an earlier server began.
    pub fn look(&mut self, vm: &VmId, place: &Place) -> io::Result<Option<Machine>> {
        let Some(mut record) = place.read()? else {
            return Ok(None);
        };
        let now = self.now(place, &record)?;
        if now != record.run {
            if matches!(now, Run::Ended { .. }) && !members(place, &record).kill() {
                tracing::warn!(%vm, "processes of the VM are left after its agent has ended");
            }
            record.run = now;
            place.write(&record)?;
        }
        Ok(Some(machine(vm, record)))
    }

    fn now(&mut self, place: &Place, record: &Record) -> io::Result<Run> {
        match &record.run {
            Run::Never | Run::Ended { .. } => Ok(record.run.clone()),
            Run::Begun { port } => match members(place, record).first_leader() {
                Some(pid) => process(pid, *port),
                None => Ok(Run::Ended { exit_code: None }),
            },
            Run::Process { .. } => {
                let ended = match self.child.as_mut() {
                    Some(child) => child.try_wait()?.map(exit_code),
                    None => leader(record)
                        .and_then(system::look)
                        .is_none_or(|seen| seen.zombie)
                        .then_some(None),
                };
                let Some(exit_code) = ended else {
                    return Ok(record.run.clone());
                };
                self.child = None;
                Ok(Run::Ended { exit_code })
            }
        }
    }

    /// Starts the machine unless it runs; `false` if there is none.
    pub fn start(&mut self, vm: &VmId, place: &Place, launcher: &Launcher) -> io::Result<bool> {
        let Some(machine) = self.look(vm, place)? else {
            return Ok(false);
        };
        let Some(mut record) = place.read()?.filter(|_| machine.power != Power::On) else {
            return Ok(true);
        };
        if !members(place, &record).kill() {
            return Err(io::Error::other("processes of its last run do not end"));
        }
        let port = free_port()?;
        record.image = launcher.image()?;
        record.starts += 1;
        record.run = Run::Begun { port };
        place.write(&record)?;
        let begun = launcher.spawn(vm, place, &mark(place, &record), port);
        let begun = begun.and_then(|child| {
            let pid = Pid::from_raw(child.id().cast_signed());
            self.child = Some(child);
            process(pid.ok_or(io::ErrorKind::InvalidData)?, port)
        });
        record.run = match begun {
            Ok(run) => run,
            Err(error) => {
                self.kill(vm, place)?;
                return Err(error);
            }
        };
        place.write(&record)?;
        Ok(true)
    }

    /// Asks the machine's processes to end; says whether there was any to ask.
    pub fn terminate(&mut self, vm: &VmId, place: &Place) -> io::Result<bool> {
        let running = self.runs(vm, place)?;
        if running && let Some(record) = place.read()? {
            members(place, &record).terminate();
        }
        Ok(running)
    }

    /// Whether the machine runs.
    pub fn runs(&mut self, vm: &VmId, place: &Place) -> io::Result<bool> {
        let found = self.look(vm, place)?;
        Ok(found.is_some_and(|machine| machine.power == Power::On))
    }

    /// Ends whatever of the machine is left, by force, and takes back its token.
    pub fn kill(&mut self, vm: &VmId, place: &Place) -> io::Result<()> {
        let Some(record) = place.read()? else {
            return Ok(());
        };
        if !members(place, &record).kill() {
            return Err(io::Error::other("some of its processes do not end"));
        }
        if let Some(child) = self.child.as_mut()
            && matches!(record.run, Run::Begun { .. })
        {
            child.wait()?;
        }
        gone(std::fs::remove_file(place.token()))?;
        self.look(vm, place)?;
        Ok(())
    }
}

fn process(pid: Pid, port: u16) -> io::Result<Run> {
    let seen = system::look(pid).ok_or(io::ErrorKind::NotFound)?;
    Ok(Run::Process {
        port,
        pid: pid.as_raw_pid(),
        began: seen.began,
        boot: system::boot()?,
    })
}

fn machine(vm: &VmId, record: Record) -> Machine {
    let (power, address) = match record.run {
        Run::Process { port, .. } => (Power::On, Some(format!("http://127.0.0.1:{port}"))),
        Run::Ended { exit_code } => {
            let power = Power::Off {
                exit_code,
                out_of_memory: false,
            };
            (power, None)
        }
        Run::Never | Run::Begun { .. } => (Power::OFF, None),
    };
    Machine {
        vm_id: vm.clone(),
        start: format!("{} {}", record.id, record.starts),
        id: record.id,
        power,
        address,
        image_id: record.image,
    }
}

fn exit_code(status: ExitStatus) -> Option<i64> {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    code.map(i64::from)
}

/// A loopback port that nobody listens on. Another program may take it before the agent does;
/// then the agent ends, and the next start finds another. It gets no token: the server sends that
/// only to who has proved to hold it.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// The last lines of an agent's log; none if it has none.
pub fn last_lines(place: &Place, lines: usize) -> io::Result<Vec<String>> {
    let mut file = match File::open(place.log()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let from = file.metadata()?.len().saturating_sub(LOG_BYTES as u64);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.take(LOG_BYTES as u64).read_to_end(&mut end)?;
    Ok(compute::last_lines(&end, from > 0, lines))
}

/// Empties an agent's log that has grown too large. The agent appends, so it goes on at its start.
pub fn trim_log(place: &Place) -> io::Result<()> {
    let path = place.log();
    match std::fs::metadata(&path) {
        Ok(found) if found.len() > LOG_LIMIT => {
            OpenOptions::new().write(true).open(path)?.set_len(0)
        }
        _ => Ok(()),
    }
}
