//! What the Docker provider does to containers, images and networks, looked at from outside: with
//! the `docker` command and in the kernel's own files.
//!
//! As in `docker.rs`, all that is made here carries a label of the test's own and goes with it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics to fail"
)]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use ff_cloud::compute::docker::{INSTANCE_LABEL, VM_LABEL};
use ff_cloud::compute::{BelongingKind, ComputeError, Power, Provider, Spec};
use ff_protocol::VmId;
use ff_protocol::limits::{Applied, Limits};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use support::away::engine_at;
use support::host::{Host, LIMITS, MIB, soon};
use support::world::{docker, there};

#[tokio::test]
async fn a_frozen_container_gets_no_cpu_and_can_be_thawed_stopped_and_removed() {
    let host = Host::new();
    let vm = host.running().await;
    assert!(host.provider.can_freeze());
    let address = host.machine(&vm).await.address;
    for _ in 0..2 {
        host.provider.freeze(&vm.id).await.unwrap();
        assert!(vm.is_frozen());
    }
    let frozen = host.machine(&vm).await;
    assert_eq!(frozen.power, Power::Frozen);
    assert_eq!(frozen.address, address);
    assert_eq!(host.provider.list().await.unwrap()[0].power, Power::Frozen);
    for _ in 0..2 {
        host.provider.thaw(&vm.id).await.unwrap();
        assert!(!vm.is_frozen());
    }
    assert_eq!(host.machine(&vm).await.start, frozen.start);

    host.provider.freeze(&vm.id).await.unwrap();
    let grace = Duration::from_secs(20);
    host.provider.stop(&vm.id, grace).await.unwrap();
    let ended = Power::Off {
        exit_code: Some(0),
        out_of_memory: false,
    };
    assert_eq!(host.machine(&vm).await.power, ended, "it was killed");
    host.provider.thaw(&vm.id).await.unwrap();
    let off = host.provider.freeze(&vm.id).await;
    assert!(matches!(off, Err(ComputeError::Failed { .. })), "{off:?}");

    host.start(&vm).await;
    host.provider.freeze(&vm.id).await.unwrap();
    host.provider.remove(&vm.id).await.unwrap();
    assert!(!there(&["container", "inspect", &vm.container]));
    for missing in [
        host.provider.freeze(&vm.id).await,
        host.provider.thaw(&vm.id).await,
    ] {
        assert!(matches!(missing, Err(ComputeError::MachineMissing(_))));
    }
    host.provider.stop(&vm.id, grace).await.unwrap();
}

#[tokio::test]
async fn limits_change_while_a_container_runs_and_less_than_it_holds_waits() {
    let host = Host::new();
    let vm = host.running().await;
    assert_eq!(vm.limits(), LIMITS);
    let more = Limits {
        cpus: 1.5,
        memory: 768 * MIB,
        pids: 300,
    };
    assert_eq!(host.set(&vm, more).await, Applied::Now);
    assert_eq!(vm.limits(), more);
    host.provider.freeze(&vm.id).await.unwrap();
    assert_eq!(host.set(&vm, LIMITS).await, Applied::Now);
    assert_eq!(vm.limits(), LIMITS);
    assert!(vm.is_frozen());
    host.provider.thaw(&vm.id).await.unwrap();

    let hold = "const held = Buffer.alloc(200 << 20, 1); require('fs').writeFileSync('/tmp/held', ''); setInterval(() => held[0], 1000)";
    docker(&["exec", "-d", &vm.container, "node", "-e", hold]);
    soon("the memory in use", async {
        while !there(&["exec", &vm.container, "test", "-e", "/tmp/held"]) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let less = Limits {
        cpus: 0.25,
        memory: 128 * MIB,
        pids: 100,
    };
    assert_eq!(host.set(&vm, less).await, Applied::NextResume);
    assert_eq!(vm.limits(), LIMITS, "half a change");
    assert_eq!(vm.found()["HostConfig"]["Memory"], 512 * MIB);

    host.provider.stop(&vm.id, Duration::ZERO).await.unwrap();
    assert_eq!(host.set(&vm, less).await, Applied::Now);
    let set = vm.found()["HostConfig"].clone();
    assert_eq!(
        (&set["Memory"], &set["MemorySwap"]),
        (&(128 * MIB).into(), &(128 * MIB).into())
    );
    host.start(&vm).await;
    assert_eq!(vm.limits(), less);

    let absurd = Limits {
        cpus: 1000.0,
        ..less
    };
    let refused = host.provider.set_limits(&vm.id, absurd).await;
    assert!(
        matches!(refused, Err(ComputeError::Failed { .. })),
        "{refused:?}"
    );
    let missing = host.provider.set_limits(&VmId::generate(), less).await;
    assert!(matches!(missing, Err(ComputeError::MachineMissing(_))));
}

#[tokio::test]
async fn what_happens_by_hand_is_told() {
    let (host, other) = (Host::new(), Host::new());
    let mut events = host.provider.watch().await.unwrap();
    let (vm, foreign) = (host.running().await, other.running().await);
    // Homes of other servers may be told of too, and go at any time.
    let mut next = async || loop {
        let told = events.next().await;
        assert_ne!(told.as_ref(), Some(&foreign.id));
        if told.as_ref().is_none_or(|told| *told == vm.id) {
            return told;
        }
    };
    assert!(soon("the start", next()).await.is_some());
    let mut told = async |what: &str| {
        assert!(soon(what, next()).await.is_some(), "the stream has ended");
        // One cause may have several events.
        let quiet = Duration::from_millis(500);
        while let Ok(event) = tokio::time::timeout(quiet, next()).await {
            assert!(event.is_some(), "the stream has ended");
        }
    };
    docker(&["pause", &vm.container]);
    told("the pause").await;
    docker(&["unpause", &vm.container]);
    told("the unpause").await;
    docker(&["kill", &foreign.container]);
    docker(&["kill", &vm.container]);
    told("the end").await;
    docker(&["rm", "-f", &vm.container]);
    told("the removal").await;
    docker(&["volume", "rm", &format!("ff-home-{}", vm.id)]);
    told("the loss of the home").await;
}

#[tokio::test]
async fn a_watch_ends_with_its_engine_and_another_begins_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("docker.sock");
    let address = format!("unix://{}", socket.display());
    let image = std::env::var("FF_VM_IMAGE").unwrap_or("ff-vm:latest".to_owned());
    let host = Host::at(Some(&address), &image);
    let refused = host.provider.watch().await.map(|_| ());
    assert!(matches!(refused, Err(ComputeError::Unavailable(_))));
    let engine = engine_at(&socket);
    let vm = host.running().await;
    let mut events = host.provider.watch().await.unwrap();
    host.provider.freeze(&vm.id).await.unwrap();
    // Homes of other servers may be told of too.
    let told = async |events: &mut BoxStream<'static, VmId>| {
        while soon("an event", events.next()).await.unwrap() != vm.id {}
    };
    told(&mut events).await;
    engine.cancel();
    soon("the end of the stream", async {
        while events.next().await.is_some() {}
    })
    .await;
    soon("the end of the stand-in", async {
        while socket.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;

    let _engine = engine_at(&socket);
    let mut events = host.provider.watch().await.unwrap();
    docker(&["unpause", &vm.container]);
    told(&mut events).await;
}

#[tokio::test]
async fn the_log_of_a_container_that_has_ended_says_why() {
    let host = Host::new();
    let vm = host.made(&host.image).await;
    assert!(host.provider.logs(&vm.id, 10).await.unwrap().is_empty());
    // Without a token.
    host.provider.start(&vm.id).await.unwrap();
    docker(&["wait", &vm.container]);
    let log = host.provider.logs(&vm.id, 100).await.unwrap();
    assert!(log.iter().any(|line| line.contains("token")), "{log:?}");
    let last = host.provider.logs(&vm.id, 1).await.unwrap();
    assert_eq!(last, log[log.len() - 1..]);
    let machine = host.machine(&vm).await;
    assert!(
        matches!(machine.power, Power::Off { exit_code: Some(code), .. } if code != 0),
        "{machine:?}"
    );
    let missing = host.provider.logs(&VmId::generate(), 1).await;
    assert!(matches!(missing, Err(ComputeError::MachineMissing(_))));
}

/// An image of the test's own, under this name and label; removed when dropped.
struct Image {
    id: String,
    name: String,
}

impl Image {
    fn build(from: &str, name: &str) -> Self {
        let mut build = Command::new("docker")
            .args(["build", "-q", "-t", name, "-"])
            .env("DOCKER_BUILDKIT", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let text = format!("FROM {from}\nLABEL {name}=1\n");
        build
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        assert!(build.wait().unwrap().success());
        Self {
            id: docker(&["image", "inspect", "-f", "{{.Id}}", name]),
            name: name.to_owned(),
        }
    }

    /// Takes the name, and what nobody else names.
    fn forget(&self) {
        let _ = there(&["rmi", "--no-prune", &self.name]);
        let label = format!("label={}", self.name);
        docker(&["image", "prune", "-f", "--filter", &label]);
    }

    fn is_there(&self) -> bool {
        there(&["image", "inspect", &self.id])
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = there(&["rmi", "-f", &self.id]);
    }
}

#[tokio::test]
async fn an_image_is_kept_for_as_long_as_it_is_asked_for_whatever_it_is_called() {
    let host = Host::new();
    let name = format!("ff-test-{}", host.instance);
    let old = Image::build(&host.image, &name);
    assert_eq!(
        host.provider.image(&name).await.unwrap().as_ref(),
        Some(&old.id)
    );
    let foreign = Host::new();
    let kept = [old.id.clone()];
    for _ in 0..2 {
        host.provider.keep_images(&kept).await.unwrap();
    }
    // Another server on the same engine keeps what it wants.
    foreign.provider.keep_images(&[]).await.unwrap();
    old.forget();
    assert_eq!(host.provider.image(&name).await.unwrap(), None);
    assert!(old.is_there());
    assert_eq!(
        host.provider.image(&old.id).await.unwrap().as_ref(),
        Some(&old.id)
    );

    let vm = host.made(&old.id).await;
    assert_eq!(host.machine(&vm).await.image_id, old.id);
    assert_eq!(host.provider.list().await.unwrap()[0].image_id, old.id);
    host.provider.keep_images(&[]).await.unwrap();
    assert!(old.is_there(), "a container is on it");
    host.provider.remove(&vm.id).await.unwrap();
    host.provider.keep_images(&[]).await.unwrap();
    old.forget();
    assert!(!old.is_there());
    let lost = host.provider.keep_images(&kept).await;
    assert!(
        matches!(lost, Err(ComputeError::ImageMissing(_))),
        "{lost:?}"
    );
    let spec = Spec {
        image: &old.id,
        limits: LIMITS,
    };
    let lost = host.provider.create(&vm.id, spec).await;
    assert!(
        matches!(lost, Err(ComputeError::ImageMissing(_))),
        "{lost:?}"
    );
}

#[tokio::test]
async fn names_of_kept_images_go_with_the_test_that_made_them() {
    let host = Host::new();
    let (image, instance) = (host.image.clone(), host.instance.clone());
    let id = host.provider.image(&image).await.unwrap().unwrap();
    host.provider
        .keep_images(std::slice::from_ref(&id))
        .await
        .unwrap();
    let kept = format!("ff-kept-{instance}");
    let names = || {
        docker(&[
            "images",
            "-q",
            "--no-trunc",
            "--filter",
            &format!("reference={kept}"),
        ])
    };
    assert_eq!(names(), id);
    drop(host);
    assert_eq!(names(), "");
    assert_eq!(docker(&["image", "inspect", "-f", "{{.Id}}", &image]), id);
}

/// A network; removed when dropped.
struct Network(String);

impl Network {
    fn new(labels: &[(&str, &str)]) -> Self {
        let name = format!("ff-test-{}", VmId::generate());
        let labels = labels.iter().map(|(name, value)| format!("{name}={value}"));
        let labels: Vec<String> = labels.flat_map(|label| ["--label".into(), label]).collect();
        let mut args = vec!["network", "create", "--internal"];
        args.extend(labels.iter().map(String::as_str));
        args.push(&name);
        Self(docker(&args))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = there(&["network", "rm", &self.0]);
    }
}

#[tokio::test]
async fn homes_and_networks_are_this_servers_by_their_label() {
    let (host, other) = (Host::new(), Host::new());
    let vm = VmId::generate();
    host.provider.ensure_home(&vm).await.unwrap();
    other.provider.ensure_home(&VmId::generate()).await.unwrap();
    let own = Network::new(&[(INSTANCE_LABEL, &host.instance), (VM_LABEL, vm.as_str())]);
    let foreign = Network::new(&[(INSTANCE_LABEL, &other.instance)]);
    let found = host.provider.belongings().await.unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|found| (found.kind, found.id.as_str(), found.vm_id.as_ref()))
        .collect();
    let home = format!("ff-home-{vm}");
    assert_eq!(
        found,
        [
            (BelongingKind::Home, home.as_str(), Some(&vm)),
            (BelongingKind::Network, own.0.as_str(), Some(&vm)),
        ]
    );
    for _ in 0..2 {
        host.provider.remove_network(&own.0).await.unwrap();
        assert!(!there(&["network", "inspect", &own.0]));
    }
    assert!(host.provider.remove_network(&foreign.0).await.is_err());
    assert!(there(&["network", "inspect", &foreign.0]));
}

#[tokio::test]
async fn what_the_host_lacks_is_what_docker_says_it_lacks() {
    let codes = async |host: &Host| -> Vec<(&'static str, bool)> {
        let found = host.provider.findings().await.unwrap();
        found
            .iter()
            .map(|found| (found.code, found.fatal))
            .collect()
    };
    let host = Host::new();
    let found = codes(&host).await;
    let live_restore = docker(&["info", "-f", "{{.LiveRestoreEnabled}}"]) == "true";
    assert_eq!(found.contains(&("live_restore_off", false)), !live_restore);
    assert!(found.iter().all(|(_, fatal)| !fatal), "{found:?}");
    let without_image = Host::at(None, "ff-no-such-image:none");
    assert!(
        codes(&without_image)
            .await
            .contains(&("image_missing", true))
    );
    let away = Host::at(Some("unix:///nowhere/docker.sock"), "any");
    assert_eq!(codes(&away).await, [("engine_unreachable", true)]);
}
