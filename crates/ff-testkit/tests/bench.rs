//! The benchmark's program on real Docker: it takes what it says, and leaves nothing behind.

#![allow(clippy::unwrap_used)]

#[path = "support/stage.rs"]
mod stage;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

const LABEL: &str = "cloud.factory-factory.instance";

/// A benchmark that runs, with a directory of its own for what it writes.
struct Running {
    child: Child,
    dir: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            signal("TERM", self.child.id());
            let _ = self.child.wait();
        }
    }
}

fn signal(name: &str, pid: u32) {
    let kill = ["-s", name, &pid.to_string()].map(str::to_owned);
    assert!(Command::new("kill").args(kill).status().unwrap().success());
}

fn begin(args: &[&str]) -> Running {
    let options = stage::options();
    let dir = tempfile::tempdir().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_ff-bench"))
        .args(args)
        .args(["--image", &options.image, "--programs"])
        .arg(&options.programs)
        .arg("--json")
        .arg(dir.path().join("report.json"))
        .env("TMPDIR", dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Running { child, dir }
}

impl Running {
    fn eventually<T>(&mut self, what: &str, ask: impl Fn(&mut Self) -> Option<T>) -> T {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(240) {
            if let Some(answer) = ask(self) {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("waited in vain: {what}");
    }

    fn code(&mut self) -> Option<i32> {
        let end = |running: &mut Self| running.child.try_wait().unwrap();
        self.eventually("the benchmark's end", end).code()
    }

    /// Instance of the server it runs now.
    fn server(&self) -> Option<String> {
        let dirs = std::fs::read_dir(self.dir.path()).unwrap();
        let files = dirs.map(|dir| dir.unwrap().path().join("data/instance-id"));
        let texts = files.filter_map(|file| std::fs::read_to_string(file).ok());
        texts
            .map(|text| text.trim().to_owned())
            .find(|id| !id.is_empty())
    }

    /// What Docker has of its references: their instance has the benchmark's process in its name.
    fn references(&self) -> Vec<String> {
        let mark = format!("bench-{}-", self.child.id());
        labels()
            .into_iter()
            .filter(|id| id.starts_with(&mark))
            .collect()
    }

    /// Directories of servers, and processes that were told of them.
    fn servers(&self) -> Vec<String> {
        let dirs = std::fs::read_dir(self.dir.path()).unwrap();
        let names = dirs.map(|dir| dir.unwrap().file_name().to_string_lossy().into_owned());
        let mut found: Vec<_> = names.filter(|name| name != "report.json").collect();
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            let is_ours = process.file_name() != *self.child.id().to_string();
            if is_ours && line.contains(&self.dir.path().to_string_lossy()[..]) {
                found.push(line);
            }
        }
        found
    }
}

/// Instances of all containers and volumes there are.
fn labels() -> Vec<String> {
    let format = format!("{{{{.Label \"{LABEL}\"}}}}");
    let lists: [&[&str]; 2] = [&["ps", "--all"], &["volume", "ls"]];
    let mut all = Vec::new();
    for list in lists {
        let mut docker = Command::new("docker");
        let found = docker
            .args(list)
            .args(["--format", &format])
            .output()
            .unwrap();
        assert!(found.status.success(), "{found:?}");
        let text = String::from_utf8(found.stdout).unwrap();
        all.extend(text.lines().map(str::to_owned));
    }
    all
}

fn report(dir: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(dir.join("report.json")).unwrap()).unwrap()
}

#[test]
fn a_cold_start_is_measured_beside_its_references() {
    let mut bench = begin(&["--only", "cold", "--samples", "2"]);
    assert_eq!(bench.code(), Some(0));
    let report = report(bench.dir.path());
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 5, "{report}");
    for row in rows {
        let samples = row["samples"].as_array().unwrap();
        assert_eq!(samples.len(), 2, "{row}");
        assert!(samples.iter().all(|sample| sample.as_f64().unwrap() > 0.0));
        assert_eq!(row["summary"]["p99"], Value::Null, "{row}");
    }
    assert_eq!(rows[0]["ratio"]["pairs"], 2);
    assert_eq!(rows[0]["verdict"], "tooFew");
    assert_eq!(bench.references(), Vec::<String>::new());
    assert_eq!(bench.servers(), Vec::<String>::new());
}

#[test]
fn sessions_and_journals_are_measured() {
    let only = ["--only", "first-token", "--only", "journal"];
    let mut bench = begin(&[&only[..], &["--samples", "2", "--quick"]].concat());
    assert_eq!(bench.code(), Some(0));
    let report = report(bench.dir.path());
    let rows = report["rows"].as_array().unwrap();
    let samples = |row: &Value| -> Vec<f64> {
        let samples = row["samples"].as_array().unwrap().iter();
        samples.map(|sample| sample.as_f64().unwrap()).collect()
    };
    let [added, ours, bare, rate, late, middle] = rows.as_slice() else {
        panic!("{report}")
    };
    // The API alone takes 50 ms.
    for row in [ours, bare] {
        assert!(samples(row).iter().all(|&took| took >= 50.0), "{row}");
        assert_eq!(samples(row).len(), 2, "{row}");
    }
    for ((added, ours), bare) in samples(added).iter().zip(samples(ours)).zip(samples(bare)) {
        assert!((added - (ours - bare)).abs() < 1e-6, "{report}");
    }
    assert_eq!(added["verdict"], "tooFew");
    for (row, unit) in [(rate, "perSecond"), (late, "millis"), (middle, "millis")] {
        assert_eq!((samples(row).len(), &row["unit"]), (5, &Value::from(unit)));
        assert!(samples(row).iter().all(|&each| each > 0.0), "{row}");
    }
}

#[test]
fn an_interrupted_benchmark_leaves_nothing_behind() {
    let mut bench = begin(&["--only", "cold", "--samples", "1000"]);
    let server = bench.eventually("a VM", |bench| {
        bench
            .server()
            .filter(|instance| labels().contains(instance))
    });
    bench.eventually("a reference", |bench| {
        (!bench.references().is_empty()).then_some(())
    });
    signal("INT", bench.child.id());
    assert_eq!(bench.code(), Some(1));
    assert!(!labels().contains(&server));
    assert_eq!(bench.references(), Vec::<String>::new());
    assert_eq!(bench.servers(), Vec::<String>::new());
}
