//! VMs as plain processes, with the real server and the real agent, looked at from outside:
//! `/proc` and files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics to fail"
)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use ff_cloud::compute::process::ProcessProvider;
use ff_cloud::compute::{BelongingKind, ComputeError, Power, Provider, Spec};
use ff_cloud::config::AgentSettings;
use ff_protocol::VmId;
use ff_protocol::limits::{Applied, Preset};
use ff_protocol::vm::VmState;
use serde_json::{Value, json};
use support::program::{World, agent_binary, eventually, lives, program, signal, with_variable};

/// What this provider does not look at.
fn spec() -> Spec<'static> {
    Spec {
        image: "",
        limits: Preset::Small.limits(),
    }
}

#[test]
fn without_dev_or_without_an_agent_it_is_refused_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |args: &[&str]| {
        let output = program(args)
            .arg("--data-dir")
            .arg(dir.path())
            .output()
            .unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8(output.stderr).unwrap();
        text.trim().lines().last().unwrap().to_owned()
    };
    let text = refused(&["--provider", "process"]);
    assert!(
        text.contains("--provider process isolates nobody"),
        "{text}"
    );
    assert!(text.contains("--dev"), "{text}");
    let text = refused(&["--provider", "sim"]);
    assert!(text.contains("development only"), "{text}");
    let missing = ["--dev", "--listen", "127.0.0.1:0", "--provider", "process"];
    let text = refused(&[&missing[..], &["--agent-binary", "/nowhere/ff-agent"]].concat());
    assert!(text.contains("/nowhere/ff-agent"), "{text}");
    assert!(text.contains("cargo build -p ff-agent"), "{text}");
}

#[tokio::test]
async fn a_vm_is_a_process_with_a_home_and_goes_whole() {
    let world = World::new(&[]);
    let (vm, pid) = world.vm().await;
    let place = world.place(&vm.id);
    let seen = world
        .typed(
            &vm.id,
            "echo kept > note; echo in=$HOME,$FF_TEST_SECRET.",
            "in=/",
        )
        .await;
    assert!(!seen.contains("not for agents"), "{seen}");
    let note = eventually("the note", async || {
        std::fs::read_to_string(place.join("home/note")).ok()
    });
    assert_eq!(note.await, "kept\n");

    let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    for secret in ["ffa_", "FF_TEST_SECRET", "FF_CLOUD", "DOCKER_HOST"] {
        assert!(!environment.contains(secret) && !line.contains(secret));
    }
    assert!(!place.join("token").exists(), "the token lies about");
    let mode = |name: &str| {
        let found = std::fs::metadata(place.join(name)).unwrap();
        found.permissions().mode() & 0o777
    };
    assert_eq!((mode("home"), mode("agent.log")), (0o700, 0o600));

    // It leaves the group and the terminal's session, and is the machine's all the same.
    let stray = "setsid nohup sleep 4242 >/dev/null 2>&1 & echo str''ay";
    world.typed(&vm.id, stray, "stray").await;
    let mark = format!("FF_VM_ID={}", vm.id);
    let all = eventually("the stray process", async || {
        let all = with_variable(&mark);
        let command = |pid: &u32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let there = all.iter().any(|pid| command(pid).ends_with(b"4242\0"));
        there.then_some(all)
    });
    let all = all.await;
    assert!(all.len() > 2, "{all:?}");
    world.client.delete_vm(&vm.id).await.unwrap();
    assert!(!place.exists());
    assert!(all.iter().all(|pid| !lives(*pid)), "something still runs");
    assert!(with_variable(&mark).is_empty());
}

#[tokio::test]
async fn an_idle_vm_ends_and_the_next_use_starts_it_on_its_home() {
    let world = World::new(&["--idle-stop", "1"]);
    let (vm, pid) = world.vm().await;
    let note = world.place(&vm.id).join("home/note");
    std::fs::write(&note, "kept\n").unwrap();
    world.until(&vm.id, VmState::Stopped).await;
    assert!(!lives(pid));
    assert_eq!(
        world.record(&vm.id)["run"],
        json!({"state": "ended", "exit_code": 0})
    );
    let seen = world.typed(&vm.id, "cat note", "kept").await;
    assert!(seen.contains("kept"), "{seen}");
    assert_ne!(world.pid(&vm.id).unwrap(), pid);
    assert_eq!(world.record(&vm.id)["starts"], 2);
}

#[tokio::test]
async fn an_agent_that_is_killed_is_noticed_with_its_code() {
    let world = World::new(&[]);
    let (vm, pid) = world.vm().await;
    signal("KILL", pid);
    eventually("its end", async || (!lives(pid)).then_some(())).await;
    let again = eventually("its restart", async || {
        let row = world.client.vm(&vm.id).await.unwrap();
        (row.state == VmState::Running && row.reason_code.is_some()).then_some(row)
    });
    let row = again.await;
    assert_eq!(row.reason_code.as_deref(), Some("exited"));
    assert!(row.reason.unwrap().contains("exit code 137"));
    assert_ne!(world.pid(&vm.id), Some(pid));
}

// The client closes its socket while the server is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn the_servers_end_ends_its_agents_and_the_home_stays() {
    let mut world = World::new(&[]);
    let (vm, pid) = world.vm().await;
    world
        .typed(&vm.id, "echo kept > note; echo do''ne", "done")
        .await;
    world
        .restart("TERM", async |_: &World| {
            assert!(!lives(pid), "it outlives its server")
        })
        .await;
    // It did not end by itself in the eyes of its user: it runs again, on its home.
    world.until(&vm.id, VmState::Running).await;
    world.typed(&vm.id, "cat note", "kept").await;
}

#[tokio::test]
async fn a_server_that_was_killed_finds_its_agents_again() {
    let mut world = World::new(&[]);
    let (vm, pid) = world.vm().await;
    world.typed(&vm.id, "echo do''ne", "done").await;
    world
        .restart("KILL", async |_: &World| {
            assert!(lives(pid), "it went with its server")
        })
        .await;
    assert_eq!(
        world.client.vm(&vm.id).await.unwrap().state,
        VmState::Running
    );
    assert_eq!(world.terminals(&vm.id).await.unwrap(), 1);
    assert_eq!(world.pid(&vm.id), Some(pid), "it was started anew");

    // As if it had been killed between the start and the note of it.
    let forget = async |world: &World| {
        let mut record = world.record(&vm.id);
        let port = record["run"]["port"].clone();
        record["run"] = json!({"state": "begun", "port": port});
        world.write_record(&vm.id, &record);
    };
    world.restart("KILL", forget).await;
    assert_eq!(world.terminals(&vm.id).await.unwrap(), 1);
    assert_eq!(world.pid(&vm.id), Some(pid));

    world.client.delete_vm(&vm.id).await.unwrap();
    assert!(!lives(pid));
    assert!(!world.place(&vm.id).exists());
}

#[tokio::test]
async fn a_foreign_process_with_a_number_of_ours_is_left_alone() {
    let mut world = World::new(&[]);
    let (vm, pid) = world.vm().await;
    let mut foreign = Command::new("sleep").arg("600").spawn().unwrap();
    let number = foreign.id();
    let reuse = async |world: &World| {
        signal("KILL", pid);
        let mut record = world.record(&vm.id);
        record["run"]["pid"] = Value::from(number);
        world.write_record(&vm.id, &record);
    };
    world.restart("KILL", reuse).await;
    eventually("a process of its own", async || {
        let now = world.client.vm(&vm.id).await.unwrap().state;
        let pid = world.pid(&vm.id).filter(|pid| *pid != number)?;
        (now == VmState::Running && lives(pid)).then_some(())
    })
    .await;
    world.client.delete_vm(&vm.id).await.unwrap();
    let spared = foreign.try_wait().unwrap().is_none();
    foreign.kill().unwrap();
    foreign.wait().unwrap();
    assert!(spared, "a foreign process was killed");
}

fn catches_term(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    u64::from_str_radix(caught.unwrap().trim(), 16).unwrap() & (1 << 14) != 0
}

#[tokio::test]
async fn every_call_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let provider =
        ProcessProvider::new(dir.path(), Some(&agent_binary()), &AgentSettings::default()).unwrap();
    let vm = VmId::generate();
    let token = ff_client::Secret::new("ffa_0123456789abcdef0123456789abcdef");
    assert!(provider.start(&vm).await.is_err());
    assert!(provider.write_token(&vm, &token).await.is_err());
    assert!(
        provider.create(&vm, spec()).await.is_err(),
        "without a home"
    );
    provider.stop(&vm, Duration::ZERO).await.unwrap();
    assert!(provider.ensure_home(&vm).await.unwrap());
    assert!(!provider.ensure_home(&vm).await.unwrap());
    let first = provider.create(&vm, spec()).await.unwrap();
    assert_ne!(provider.create(&vm, spec()).await.unwrap(), first);

    // Without a token the agent refuses to start, and its end is seen with its code.
    provider.start(&vm).await.unwrap();
    let ended = eventually("its end", async || {
        let machine = provider.inspect(&vm).await.unwrap().unwrap();
        (machine.power != Power::On).then_some(machine)
    });
    assert_eq!(
        ended.await.power,
        Power::Off {
            exit_code: Some(1),
            out_of_memory: false
        }
    );

    provider.write_token(&vm, &token).await.unwrap();
    for _ in 0..2 {
        provider.start(&vm).await.unwrap();
    }
    let machine = provider.inspect(&vm).await.unwrap().unwrap();
    assert_eq!(provider.list().await.unwrap(), [machine]);
    let record = std::fs::read(dir.path().join(format!("process/{vm}/machine.json"))).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["starts"], 2);
    let pid = u32::try_from(record["run"]["pid"].as_u64().unwrap()).unwrap();
    assert!(lives(pid));

    // Frozen by a signal it hears no SIGTERM: the grace ends, and then it is killed. Before it
    // listens for SIGTERM, that would end it even so.
    eventually("its handler of SIGTERM", async || {
        catches_term(pid).then_some(())
    })
    .await;
    signal("STOP", pid);
    for _ in 0..2 {
        provider
            .stop(&vm, Duration::from_millis(300))
            .await
            .unwrap();
        assert!(!lives(pid));
    }
    let off = provider.inspect(&vm).await.unwrap().unwrap();
    assert_eq!(
        off.power,
        Power::Off {
            exit_code: Some(137),
            out_of_memory: false,
        }
    );
    for _ in 0..2 {
        provider.remove(&vm).await.unwrap();
        assert!(provider.inspect(&vm).await.unwrap().is_none());
    }
    assert!(provider.home_exists(&vm).await.unwrap());
    for _ in 0..2 {
        provider.remove_home(&vm).await.unwrap();
        assert!(!provider.home_exists(&vm).await.unwrap());
    }
    assert_eq!(
        std::fs::read_dir(dir.path().join("process"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn a_machine_has_a_log_a_home_and_an_image_and_no_limits() {
    let dir = tempfile::tempdir().unwrap();
    let agent = dir.path().join("ff-agent");
    std::fs::copy(agent_binary(), &agent).unwrap();
    let data = dir.path().join("data");
    let provider = ProcessProvider::new(&data, Some(&agent), &AgentSettings::default()).unwrap();
    let vm = VmId::generate();
    let missing = provider.logs(&vm, 1).await;
    assert!(matches!(missing, Err(ComputeError::MachineMissing(_))));
    provider.ensure_home(&vm).await.unwrap();
    provider.create(&vm, spec()).await.unwrap();
    assert!(provider.logs(&vm, 10).await.unwrap().is_empty());
    let image = provider.image("any").await.unwrap();
    assert!(image.is_some());
    let made = provider.inspect(&vm).await.unwrap().unwrap();
    assert_eq!(Some(made.image_id), image);

    // Without a token it says so and ends.
    provider.start(&vm).await.unwrap();
    eventually("its end", async || {
        let machine = provider.inspect(&vm).await.unwrap().unwrap();
        (machine.power != Power::On).then_some(())
    })
    .await;
    let log = provider.logs(&vm, 100).await.unwrap();
    assert!(log.iter().any(|line| line.contains("token")), "{log:?}");
    let text = std::fs::read_to_string(data.join(format!("process/{vm}/agent.log"))).unwrap();
    assert_eq!(log, text.lines().collect::<Vec<_>>());
    assert_eq!(provider.logs(&vm, 1).await.unwrap(), log[log.len() - 1..]);

    assert!(!provider.can_freeze());
    assert!(provider.freeze(&vm).await.is_err());
    let applied = provider.set_limits(&vm, Preset::Large.limits()).await;
    assert_eq!(applied.unwrap(), Applied::NextResume);
    let homes = provider.belongings().await.unwrap();
    assert_eq!(homes.len(), 1);
    assert_eq!(homes[0].kind, BelongingKind::Home);
    assert_eq!(homes[0].vm_id.as_ref(), Some(&vm));
    assert!(std::path::Path::new(&homes[0].id).is_dir());

    // A newer build is another image, and a machine is of the one it was last started from.
    let newer = std::fs::File::options().append(true).open(&agent).unwrap();
    newer.set_len(newer.metadata().unwrap().len() + 1).unwrap();
    drop(newer);
    let next = provider.image("any").await.unwrap();
    assert_ne!(next, image);
    let before = provider.inspect(&vm).await.unwrap().unwrap();
    assert_eq!(Some(before.image_id), image);
    provider.start(&vm).await.unwrap();
    let after = provider.inspect(&vm).await.unwrap().unwrap();
    assert_eq!(Some(after.image_id), next);
    std::fs::remove_file(&agent).unwrap();
    assert_eq!(provider.image("any").await.unwrap(), None);
    provider.remove(&vm).await.unwrap();
}

#[tokio::test]
async fn an_agent_that_is_a_plain_process_leaves_others_as_they_are() {
    let world = World::new(&[]);
    let (vm, pid) = world.vm().await;
    world.typed(&vm.id, "echo re''ady", "ready").await;
    let score = |pid: u32| std::fs::read(format!("/proc/{pid}/oom_score_adj")).unwrap();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")));
    assert!(names.flatten().all(|name| name != "governor\n"));
    for process in with_variable(&format!("FF_VM_ID={}", vm.id)) {
        assert_eq!(score(process), score(pid));
    }
}
