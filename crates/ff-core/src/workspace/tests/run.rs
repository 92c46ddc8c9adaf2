//! Run scripts: ports, ends, logs, hand-offs, recovery.

use std::net::{Ipv4Addr, TcpStream};

use ff_protocol::ErrorCode;
use ff_protocol::workspace::RunScriptStatus::{Completed, Failed, Idle, Running};
use serde_json::json;

use super::world::{World, dir, scripts_left, soon};

#[tokio::test]
async fn a_server_gets_a_free_port_and_is_stopped_whole() {
    let w = World::new().await;
    w.scripts(json!({
        "run": "echo $PPID; (setsid sleep 600 &); exec python3 -u -m http.server {port} --bind 127.0.0.1",
        "postRun": "echo beside {port}; sleep 600",
        "cleanup": "echo tidied {port}"
    }));
    let made = w.ready("Server").await;
    let started = w.core.run_script_start(&made.id).await.unwrap().run_script;
    assert_eq!(started.status, Running);
    let port = u16::try_from(started.port.unwrap()).unwrap();
    assert!((3000..=9999).contains(&port));
    let pid = started.pid.unwrap();
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    soon("it listens", async || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    })
    .await;
    assert_eq!(w.core.run_script_causes().len(), 1);
    let error = w.core.run_script_start(&made.id).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict, "it runs already");
    let stopped = w.core.run_script_stop(&made.id).await.unwrap().run_script;
    assert_eq!(
        (stopped.status, stopped.pid, stopped.port),
        (Idle, None, None)
    );
    assert_eq!(scripts_left(&made.id), 0);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    let logs = w.core.run_script_logs(&made.id).await.unwrap();
    assert!(logs.run.contains(&format!("tidied {port}")), "{}", logs.run);
    assert!(
        logs.post_run.contains(&format!("beside {port}")),
        "{}",
        logs.post_run
    );
    assert!(w.core.run_script_causes().is_empty());
    // Stopping it again changes nothing, and it starts again.
    w.core.run_script_stop(&made.id).await.unwrap();
    w.core.run_script_start(&made.id).await.unwrap();
    w.core.shutdown().await;
    assert_eq!(scripts_left(&made.id), 0);
    assert_eq!(w.row(&made.id).await.run_script.status, Idle);
}

#[tokio::test]
async fn its_end_is_told_by_its_exit_code() {
    let w = World::new().await;
    w.scripts(json!({"run": "exit $(cat code)"}));
    let made = w.ready("Ends").await;
    for (code, status) in [("0", Completed), ("7", Failed)] {
        std::fs::write(dir(&made).join("code"), code).unwrap();
        w.core.run_script_start(&made.id).await.unwrap();
        w.run_status(&made.id, status).await;
        assert_eq!(w.row(&made.id).await.run_script.pid, None);
    }
    let stopped = w.core.run_script_stop(&made.id).await.unwrap();
    assert_eq!(stopped.run_script.status, Idle);
}

#[tokio::test]
async fn one_that_does_not_end_when_asked_is_killed() {
    let w = World::new().await;
    w.scripts(
        json!({"run": "trap '' TERM; echo up; while :; do sleep 1; done", "cleanup": "sleep 600"}),
    );
    let made = w.ready("Stubborn").await;
    w.core.run_script_start(&made.id).await.unwrap();
    soon("it runs", async || {
        w.core
            .run_script_logs(&made.id)
            .await
            .unwrap()
            .run
            .contains("up")
    })
    .await;
    let stopped = w.core.run_script_stop(&made.id).await.unwrap();
    assert_eq!(stopped.run_script.status, Idle);
    assert_eq!(scripts_left(&made.id), 0);
}

#[tokio::test]
async fn output_is_bounded_and_its_end_is_kept() {
    let w = World::new().await;
    w.scripts(json!({"run": "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last"}));
    let made = w.ready("Flood").await;
    w.core.run_script_start(&made.id).await.unwrap();
    w.run_status(&made.id, Completed).await;
    let logs = w.core.run_script_logs(&made.id).await.unwrap();
    assert!(logs.run.ends_with("last\n"));
    assert!(logs.run.len() < (500 << 10) + 64, "{}", logs.run.len());
}

#[tokio::test]
async fn it_ends_before_a_hand_off_and_none_starts_during_one() {
    let w = World::new().await;
    w.scripts(json!({"run": "sleep 600"}));
    let made = w.ready("Moves").await;
    let url = "https://github.com/octo/demo.git";
    w.git(&w.repo, &["remote", "add", "origin", url]);
    w.core.run_script_start(&made.id).await.unwrap();
    w.core.handoff_begin_send(&made.id, false).await.unwrap();
    assert_eq!(scripts_left(&made.id), 0);
    assert_eq!(w.row(&made.id).await.run_script.status, Idle);
    let error = w.core.run_script_start(&made.id).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::HandoffActive);
}

#[tokio::test]
async fn a_script_that_is_not_named_or_not_readable_is_told() {
    let w = World::new().await;
    let made = w.ready("None").await;
    let error = w.core.run_script_start(&made.id).await.unwrap_err();
    assert!(error.to_string().contains("no run script"), "{error}");
    std::fs::write(
        dir(&made).join("factory-factory.json"),
        "{\n\"scripts\": [}",
    )
    .unwrap();
    let error = w.core.run_script_start(&made.id).await.unwrap_err();
    assert!(error.to_string().contains("line 2, column"), "{error}");
    assert_eq!(w.row(&made.id).await.run_script.status, Idle);
}
