//! VMs on the real engine, looked at from outside with the `docker` command.
//!
//! `FF_VM_IMAGE` names the image, as for `make`. Everything made here carries the label of the
//! test's own server, and is removed by it also when the test fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics to fail"
)]

mod support;

use std::time::Duration;

use axum::http::StatusCode;
use ff_cloud::compute::Provider;
use ff_cloud::compute::docker::{DockerProvider, INSTANCE_LABEL, VM_LABEL};
use ff_cloud::identity::Identity;
use ff_protocol::VmId;
use serde_json::{Value, json};
use support::away::engine_at;
use support::world::{Made, World, docker, inspect, there};

#[tokio::test]
async fn a_vm_has_its_limits_and_is_removed_with_its_home() {
    let settings = [
        "--vm-cpus",
        "0.5",
        "--vm-memory",
        "512m",
        "--vm-pids",
        "200",
        "--vm-extra-host",
        "git.example.test:192.0.2.7",
        "--vm-terminals",
        "7",
    ];
    let world = World::new(&settings).await;
    let vm = world.vm().await;
    let found = inspect(&vm.container);
    let environment = found["Config"]["Env"].as_array().unwrap();
    assert!(environment.contains(&json!("FF_TERMINALS=7")));
    assert!(environment.contains(&json!("FF_PR_INTERVAL=120")));
    let host = &found["HostConfig"];
    assert_eq!(found["State"]["Running"], true);
    assert_eq!(host["NanoCpus"], 500_000_000);
    assert_eq!(host["Memory"], 512 << 20);
    assert_eq!(host["MemorySwap"], 512 << 20);
    assert_eq!(host["PidsLimit"], 200);
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert_eq!(host["CapAdd"], Value::Null);
    assert_eq!(host["Privileged"], false);
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges"]));
    assert_eq!(host["RestartPolicy"]["Name"], "no");
    assert_eq!(host["LogConfig"]["Config"]["max-size"], "10m");
    assert_eq!(host["ExtraHosts"], json!(["git.example.test:192.0.2.7"]));
    let labels = &found["Config"]["Labels"];
    assert_eq!(labels[INSTANCE_LABEL], world.instance.as_str());
    assert_eq!(labels[VM_LABEL], vm.id.as_str());
    assert_eq!(found["Mounts"][0]["Name"], vm.volume.as_str());
    assert_eq!(found["Mounts"][0]["Destination"], "/home/ff");
    assert_eq!(world.volumes(), [vm.volume.as_str()]);

    assert_eq!(vm.shell("id -un; id -u"), "ff\n1000");
    assert_eq!(
        vm.shell("grep CapEff /proc/self/status"),
        "CapEff:\t0000000000000000"
    );
    assert_eq!(
        vm.shell("grep NoNewPrivs /proc/self/status"),
        "NoNewPrivs:\t1"
    );
    assert_eq!(
        vm.shell("ls -A /var/lib/ff-agent | grep -c token || true"),
        "0"
    );
    let token_at_large = found.to_string().contains("ffa_");
    assert!(!token_at_large, "the token is in the container's settings");

    assert_eq!(
        world.server.delete(&vm.path).await.status,
        StatusCode::NO_CONTENT
    );
    assert!(world.containers().is_empty());
    assert!(world.volumes().is_empty());
    assert_eq!(
        world.server.get(&vm.path).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn fifty_posts_at_once_make_one_container() {
    let world = World::new(&[]).await;
    let posts = (0..50).map(|_| world.server.create_vm("test-user"));
    let answers = futures_util::future::join_all(posts).await;
    for answer in &answers {
        assert!(answer.status.is_success(), "{answer:?}");
        assert_eq!(answer.body, answers[0].body);
    }
    let made = answers.iter().filter(|a| a.status == StatusCode::CREATED);
    assert_eq!(made.count(), 1);
    assert_eq!(world.containers(), [Made::of(&answers[0].body).container]);
    assert_eq!(world.volumes().len(), 1);
}

#[tokio::test]
async fn an_idle_vm_is_stopped_not_removed_and_wakes_with_its_home() {
    let world = World::new(&["--idle-tier=stopped", "--idle-stop=2"]).await;
    let vm = world.vm().await;
    let before = inspect(&vm.container);
    vm.shell("echo kept > ~/note");
    world.server.app.vms.start_tasks();
    world.server.until_state(&vm.id, "STOPPED").await;
    let stopped = inspect(&vm.container);
    assert_eq!(stopped["State"]["Status"], "exited");
    assert_eq!(stopped["Id"], before["Id"]);
    let read = world.server.get(&format!("{}/onboarding", vm.path)).await;
    assert_eq!(read.code(), "suspended");
    assert_eq!(inspect(&vm.container)["State"]["Status"], "exited");

    world.wake(&vm).await;
    let after = inspect(&vm.container);
    assert_eq!(after["State"]["Running"], true);
    assert_eq!(after["Id"], before["Id"]);
    assert_ne!(after["State"]["StartedAt"], before["State"]["StartedAt"]);
    assert_eq!(vm.shell("cat ~/note"), "kept");
}

#[tokio::test]
async fn what_happens_by_hand_is_noticed() {
    let world = World::new(&[]).await;
    let vm = world.vm().await;
    vm.shell("echo kept > ~/note");

    docker(&["restart", "-t", "2", &vm.container]);
    world.wake(&vm).await;
    assert_eq!(vm.shell("cat ~/note"), "kept");

    docker(&["rm", "-f", &vm.container]);
    world.wake(&vm).await;
    assert_eq!(vm.shell("cat ~/note"), "kept");
    assert_eq!(world.containers(), [vm.container.as_str()]);

    docker(&["rm", "-f", &vm.container]);
    docker(&["volume", "rm", &vm.volume]);
    let lost = world
        .server
        .get(&format!("{}/onboarding?wake=true", vm.path))
        .await;
    assert_eq!(lost.code(), "conflict");
    let row = world.server.get(&vm.path).await;
    assert_eq!(row.body["state"], "FAILED");
    assert!(
        row.body["reason"]
            .as_str()
            .unwrap()
            .starts_with("volume_missing: ")
    );
    assert!(world.volumes().is_empty(), "a lost home was made anew");
    assert_eq!(
        world.server.delete(&vm.path).await.status,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn a_missing_image_says_how_to_build_it_and_leaves_nothing() {
    let world = World::new(&["--image", "ff-no-such-image:none"]).await;
    let answer = world.server.create_vm("test-user").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        answer.body["detail"]
            .as_str()
            .unwrap()
            .contains("ff-no-such-image:none")
    );
    assert!(answer.body["hint"].as_str().unwrap().contains("make image"));
    assert!(world.containers().is_empty());
    assert!(world.volumes().is_empty());
}

#[tokio::test]
async fn extra_authorities_are_trusted_in_the_vm_and_survive_a_rebuild() {
    const PEM: &str =
        "-----BEGIN CERTIFICATE-----\nZXh0cmEgYXV0aG9yaXR5\n-----END CERTIFICATE-----";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, PEM).unwrap();
    let world = World::new(&["--vm-extra-ca", file.to_str().unwrap()]).await;
    let vm = world.vm().await;
    let bundle = "/etc/ssl/certs/ca-certificates.crt";
    for _ in 0..2 {
        assert_eq!(
            vm.shell(&format!("stat -c '%U:%G %a' {bundle}")),
            "root:root 644"
        );
        assert_eq!(vm.shell(&format!("tail -n 3 {bundle}")), PEM);
        let count = vm.shell(&format!("grep -c 'BEGIN CERT' {bundle}"));
        assert!(count.parse::<u32>().unwrap() > 100, "{count}");
        docker(&["rm", "-f", &vm.container]);
        world.wake(&vm).await;
    }
}

/// A volume that is not the server's; removed when dropped.
struct ForeignVolume(String);

impl ForeignVolume {
    fn new(vm: &VmId, labels: &[(&str, &str)]) -> Self {
        let volume = Self(format!("ff-home-{vm}"));
        let labels = labels.iter().map(|(name, value)| format!("{name}={value}"));
        let labels: Vec<String> = labels.flat_map(|label| ["--label".into(), label]).collect();
        let mut args = vec!["volume", "create", volume.0.as_str()];
        args.extend(labels.iter().map(String::as_str));
        docker(&args);
        volume
    }
}

impl Drop for ForeignVolume {
    fn drop(&mut self) {
        let _ = there(&["volume", "rm", &self.0]);
    }
}

#[tokio::test]
async fn a_volume_of_another_server_or_vm_is_neither_adopted_nor_removed() {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::open(dir.path()).unwrap();
    let config = support::config(dir.path(), &[]);
    let provider = DockerProvider::at(None, &config, &identity).unwrap();
    let (instance, other) = (identity.instance_id(), VmId::generate());
    for labels in [
        &[][..],
        &[(INSTANCE_LABEL, instance)],
        &[(INSTANCE_LABEL, instance), (VM_LABEL, other.as_str())],
    ] {
        let vm = VmId::generate();
        let volume = ForeignVolume::new(&vm, labels);
        let adopted = provider.ensure_home(&vm).await.map(|_| ());
        let seen = provider.home_exists(&vm).await.map(|_| ());
        let removed = provider.remove_home(&vm).await;
        for answer in [adopted, seen, removed] {
            let error = answer.unwrap_err().to_string();
            assert!(error.contains("does not belong to this server"), "{error}");
        }
        assert!(there(&["volume", "inspect", &volume.0]));
    }

    let vm = VmId::generate();
    let own = ForeignVolume::new(&vm, &[(INSTANCE_LABEL, instance), (VM_LABEL, vm.as_str())]);
    assert!(!provider.ensure_home(&vm).await.unwrap());
    provider.remove_home(&vm).await.unwrap();
    assert!(!there(&["volume", "inspect", &own.0]));
    provider.remove_home(&vm).await.unwrap();
    assert!(provider.ensure_home(&vm).await.unwrap());
    provider.remove_home(&vm).await.unwrap();
}

#[tokio::test]
async fn bad_input_5_an_engine_that_goes_and_comes_back_is_met_with_503_and_recovery() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("docker.sock");
    let host = format!("unix://{}", socket.display());
    let world = World::at(Some(host), &[]).await;
    let refused = world.server.create_vm("test-user").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.code(), "compute_unavailable");
    assert!(
        refused.body["detail"]
            .as_str()
            .unwrap()
            .contains("docker.sock")
    );
    assert_eq!(
        world.server.get("/healthz").await.body["compute"],
        "unavailable"
    );

    let engine = engine_at(&socket);
    let vm = world.vm().await;
    engine.cancel();
    let gone = async {
        while socket.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .expect("the stand-in for the engine does not end");
    let refused = world.server.delete(&vm.path).await;
    assert_eq!(refused.code(), "compute_unavailable");
    assert_eq!(world.server.get(&vm.path).await.code(), "gone");
    assert_eq!(
        world.server.get("/api/vms").await.body["items"][0]["state"],
        "TERMINATING"
    );
    assert!(there(&["volume", "inspect", &vm.volume]));

    let _engine = engine_at(&socket);
    assert_eq!(
        world.server.delete(&vm.path).await.status,
        StatusCode::NO_CONTENT
    );
    assert!(!there(&["container", "inspect", &vm.container]));
    assert!(!there(&["volume", "inspect", &vm.volume]));
}
