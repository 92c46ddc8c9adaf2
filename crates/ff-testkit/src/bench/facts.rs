//! What a number depends on: the machine, its kernel, the engine, the image, the build.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;

/// The machine and what ran on it.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// The processor's name.
    pub cpu: String,
    /// How many CPUs this program may use.
    pub cpus: usize,
    /// Memory, in bytes.
    pub memory: u64,
    /// Release of the kernel.
    pub kernel: String,
    /// Load of the last minute, before the first measurement.
    pub load: String,
    /// Version, storage driver and cgroup version of the engine.
    pub docker: String,
    /// Tag, id and size of the VM image.
    pub image: String,
    /// What the server says it is, and how it was built.
    pub server: String,
    /// When the run began.
    pub began: String,
    /// Whether few samples were taken.
    pub quick: bool,
}

impl Facts {
    /// Looks at this machine; `info` and `image` are the engine's own words. What cannot be read
    /// stays empty.
    pub fn here(info: &Value, image: (&str, &Value), server: String, quick: bool) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let id: String = text(&image.1["Id"]).chars().take(19).collect();
        let megabytes = image.1["Size"].as_u64().unwrap_or_default() / 1_000_000;
        Self {
            cpu: after(&read("/proc/cpuinfo"), "model name").to_owned(),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            memory: kilobytes(&read("/proc/meminfo"), "MemTotal").unwrap_or_default() * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg").split(' ').take(1).collect(),
            docker: format!(
                "{}, {}, cgroup v{}, cgroups by {}",
                text(&info["ServerVersion"]),
                text(&info["Driver"]),
                info["CgroupVersion"].as_str().unwrap_or("1"),
                text(&info["CgroupDriver"]),
            ),
            image: format!("{} {id}, {megabytes} MB", image.0),
            server,
            began: chrono::Utc::now().format("%Y-%m-%d %H:%M UTC").to_string(),
            quick,
        }
    }

    /// The same for people.
    pub fn text(&self) -> String {
        format!(
            "{}\n{} x {}, {} MB, Linux {}, load {}\nDocker {}\nimage {}\n{}{}\n",
            self.began,
            self.cpus,
            self.cpu,
            self.memory / 1_000_000,
            self.kernel,
            self.load,
            self.docker,
            self.image,
            self.server,
            if self.quick {
                "\nquick run: few samples"
            } else {
                ""
            },
        )
    }
}

/// What a process keeps in memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resident {
    /// All its pages (`VmRSS`).
    pub rss: u64,
    /// The same, each page divided among those who share it; absent where the kernel does not tell.
    pub pss: Option<u64>,
}

impl Resident {
    /// What the process with this number keeps.
    ///
    /// # Errors
    /// There is no such process.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let proc = Path::new("/proc").join(pid.to_string());
        let status = std::fs::read_to_string(proc.join("status"))?;
        let rollup = std::fs::read_to_string(proc.join("smaps_rollup")).unwrap_or_default();
        Self::read(&status, &rollup)
    }

    /// The same, from a process's `status` and `smaps_rollup`.
    ///
    /// # Errors
    /// The process has ended.
    pub fn read(status: &str, rollup: &str) -> anyhow::Result<Self> {
        let rss = kilobytes(status, "VmRSS")
            .ok_or_else(|| anyhow::anyhow!("a process without memory: it ended"))?;
        Ok(Self {
            rss: rss * 1024,
            pss: kilobytes(rollup, "Pss").map(|pss| pss * 1024),
        })
    }
}

fn after<'a>(text: &'a str, key: &str) -> &'a str {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':'))
        .unwrap_or_default()
        .trim()
}

fn kilobytes(text: &str, key: &str) -> Option<u64> {
    after(text, key).strip_suffix(" kB")?.trim().parse().ok()
}

/// Clock ticks of a second, as Linux tells them on x86-64.
const TICKS: f64 = 100.0;

/// Seconds that these processes have spent on a CPU so far, in hundredths.
///
/// # Errors
/// One has ended.
pub fn cpu_seconds(pids: &[u32]) -> Result<f64> {
    let mut ticks = 0.0;
    for pid in pids {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("process {pid} has ended"))?;
        // proc(5): the 14th and 15th field; the second one may have any text.
        let rest = stat.rsplit(')').next().unwrap_or_default();
        let fields = rest.split_whitespace().skip(11).take(2);
        ticks += fields.filter_map(|it| it.parse::<f64>().ok()).sum::<f64>();
    }
    Ok(ticks / TICKS)
}

/// Lets this process and its children have as many files open as the system allows.
///
/// # Errors
/// That is too few for thousands of sockets.
pub fn raise_file_limit() -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised)?;
    let enough = limit.maximum.is_none_or(|most| most >= 16_384);
    ensure!(
        enough,
        "16,384 open files are needed: raise the hard limit (ulimit -H -n)"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_matched_whole() {
        let text = "VmRSSx:\t 1 kB\nVmRSS:\t   2048 kB\nmodel name\t: A: B\n";
        assert_eq!(kilobytes(text, "VmRSS"), Some(2048));
        assert_eq!(kilobytes(text, "VmHWM"), None);
        assert_eq!(after(text, "model name"), "A: B");
    }

    #[test]
    fn work_shows_as_time_on_a_cpu() {
        let own = [std::process::id()];
        let before = cpu_seconds(&own).unwrap();
        while cpu_seconds(&own).unwrap() - before < 0.05 {
            std::hint::black_box((0..100_000).sum::<u64>());
        }
        assert!(cpu_seconds(&[u32::MAX]).is_err());
    }

    #[test]
    fn this_process_has_memory() {
        let here = Resident::of(std::process::id()).unwrap();
        assert!(here.rss > 1 << 20);
        assert!(Resident::of(u32::MAX).is_err());
    }
}
