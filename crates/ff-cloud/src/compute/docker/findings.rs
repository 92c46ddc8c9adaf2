//! What the host and its engine lack.

use std::path::Path;

use bollard::models::{SystemInfo, SystemInfoCgroupVersionEnum};

use super::DockerProvider;
use crate::compute::{ComputeError, Finding};

/// Oldest API that has all that is asked of it: that of Docker 20.10.
const OLDEST_API: (u32, u32) = (1, 41);
/// Free space below which an engine is soon in trouble, in bytes.
const LOW_SPACE: u64 = 5 << 30;

/// What is known of the host beside what the engine says; all of it may be unknown.
#[derive(Debug, Default)]
struct Host {
    /// Whether its kernel has the freezer of cgroup v1.
    freezer: Option<bool>,
    /// Free bytes where the engine keeps its data.
    free: Option<u64>,
}

impl DockerProvider {
    /// What this host lacks; an engine that does not answer is a finding too.
    pub(super) async fn examine(&self) -> Result<Vec<Finding>, ComputeError> {
        let (info, api) = match self.ask_engine().await {
            Ok(answer) => answer,
            Err(error) => {
                return Ok(vec![Finding {
                    code: "engine_unreachable",
                    fatal: true,
                    text: format!(
                        "{error}: no VM can be made, woken or stopped; {}",
                        crate::compute::WHEN_UNAVAILABLE
                    ),
                }]);
            }
        };
        let image = self.image_id(&self.image).await?.is_some();
        let host = match self.engine.is_local() {
            true => local(&info),
            false => Host::default(),
        };
        let missing = (!image).then(|| image_missing(&self.image));
        let mut findings = judge(&info, &api, &host);
        findings.extend(missing);
        Ok(findings)
    }

    async fn ask_engine(&self) -> Result<(SystemInfo, String), ComputeError> {
        let docker = self.engine.client().await?;
        let version = self.engine.call("tell its version", docker.version());
        let api = version.await?.api_version.unwrap_or_default();
        let info = self.engine.call("tell about itself", docker.info()).await?;
        Ok((info, api))
    }
}

fn local(info: &SystemInfo) -> Host {
    let root = info.docker_root_dir.as_deref().unwrap_or_default();
    let space = rustix::fs::statvfs(Path::new(root)).ok();
    let cgroups = std::fs::read_to_string("/proc/cgroups").ok();
    Host {
        freezer: cgroups.and_then(|text| has_freezer(&text)),
        free: space.map(|space| space.f_bavail.saturating_mul(space.f_frsize)),
    }
}

/// Whether the freezer is there and enabled, in the words of `/proc/cgroups`.
fn has_freezer(cgroups: &str) -> Option<bool> {
    let mut lines = cgroups.lines().filter(|line| !line.starts_with('#'));
    lines.clone().next()?;
    Some(lines.any(|line| {
        let mut fields = line.split_whitespace();
        fields.next() == Some("freezer") && fields.last() == Some("1")
    }))
}

fn judge(info: &SystemInfo, api: &str, host: &Host) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |code, fatal, text: String| findings.push(Finding { code, fatal, text });
    if parse(api).is_none_or(|api| api < OLDEST_API) {
        let (major, minor) = OLDEST_API;
        add(
            "engine_too_old",
            true,
            format!(
                "the engine speaks API {api}, and {major}.{minor} (Docker 20.10) is the oldest that works; install a newer engine"
            ),
        );
    }
    for (there, code, what) in [
        (info.memory_limit, "memory_limit_missing", "memory"),
        (info.pids_limit, "pids_limit_missing", "processes"),
        (info.cpu_cfs_quota, "cpu_limit_missing", "CPU"),
    ] {
        if there != Some(true) {
            add(
                code,
                true,
                format!(
                    "the kernel does not limit {what} of containers: one VM can take all of the host; enable the controller in the kernel's settings"
                ),
            );
        }
    }
    if info.swap_limit != Some(true) {
        add(
            "swap_limit_missing",
            false,
            "the kernel does not limit swap of containers: a VM may swap beyond its memory; boot with `swapaccount=1`, or without swap".to_owned(),
        );
    }
    let old_cgroups = info.cgroup_version != Some(SystemInfoCgroupVersionEnum::_2);
    if old_cgroups && host.freezer == Some(false) {
        add(
            "freezer_missing",
            false,
            "the kernel has no cgroup freezer: VMs cannot be frozen, only stopped; enable it, or set the idle tier to `stopped`".to_owned(),
        );
    }
    if info.live_restore_enabled != Some(true) {
        add(
            "live_restore_off",
            false,
            "Docker's live-restore is off: a restart of dockerd, as at its upgrade, stops every VM with all that runs in it; put `\"live-restore\": true` into /etc/docker/daemon.json and reload it with `systemctl reload docker`".to_owned(),
        );
    }
    if let Some(free) = host.free.filter(|free| *free < LOW_SPACE) {
        let root = info.docker_root_dir.as_deref().unwrap_or_default();
        add(
            "storage_low",
            false,
            format!(
                "{} MiB are free below {root}, where images and homes are: writes in VMs will fail; make room there",
                free >> 20
            ),
        );
    }
    findings
}

fn image_missing(image: &str) -> Finding {
    Finding {
        code: "image_missing",
        fatal: true,
        text: format!(
            "the image `{image}` is not there: no VM can be made; build it with `make image`, or name another with --image"
        ),
    }
}

fn parse(api: &str) -> Option<(u32, u32)> {
    let (major, minor) = api.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> SystemInfo {
        SystemInfo {
            memory_limit: Some(true),
            swap_limit: Some(true),
            pids_limit: Some(true),
            cpu_cfs_quota: Some(true),
            live_restore_enabled: Some(true),
            ..Default::default()
        }
    }

    fn codes(info: &SystemInfo, api: &str, host: &Host) -> Vec<(&'static str, bool)> {
        let found = judge(info, api, host).into_iter();
        found.map(|found| (found.code, found.fatal)).collect()
    }

    #[test]
    fn a_good_host_lacks_nothing() {
        assert!(codes(&good(), "1.41", &Host::default()).is_empty());
        assert!(codes(&good(), "1.53", &Host::default()).is_empty());
    }

    #[test]
    fn each_lack_is_found() {
        let old = codes(&good(), "1.40", &Host::default());
        assert_eq!(old, [("engine_too_old", true)]);
        let mut info = good();
        info.live_restore_enabled = Some(false);
        info.pids_limit = None;
        info.swap_limit = Some(false);
        let host = Host {
            freezer: Some(false),
            free: Some(LOW_SPACE - 1),
        };
        let expected = [
            ("pids_limit_missing", true),
            ("swap_limit_missing", false),
            ("freezer_missing", false),
            ("live_restore_off", false),
            ("storage_low", false),
        ];
        assert_eq!(codes(&info, "1.41", &host), expected);
        info.cgroup_version = Some(SystemInfoCgroupVersionEnum::_2);
        let found = codes(&info, "1.41", &host);
        assert!(!found.contains(&("freezer_missing", false)));
    }

    #[test]
    fn the_freezer_is_looked_for_by_its_name() {
        let header = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n";
        assert_eq!(has_freezer(header), None);
        let with = |line: &str| has_freezer(&format!("{header}cpu\t1\t5\t1\n{line}"));
        assert_eq!(with("freezer\t2\t5\t1\n"), Some(true));
        assert_eq!(with("freezer\t2\t5\t0\n"), Some(false));
        assert_eq!(with(""), Some(false));
    }
}
