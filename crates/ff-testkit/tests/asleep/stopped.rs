//! A VM with a login and a workspace, idle for a minute, on a server that skips freezing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ff_protocol::session::PermissionPreset;
use ff_testkit::journey::outside::inspect;
use ff_testkit::journey::process::Run;

use crate::vm::Vm;

const IDLE: Duration = Duration::from_secs(60);

pub async fn story() {
    let (mut vm, lease) = Vm::new(&["--idle-tier=stopped", "--idle-stop=60"]).await;
    vm.world.go_on("workspace").await.unwrap();
    let busy = Utc::now();
    vm.send_workspace().await;
    vm.let_sleep(lease).await;
    let (made, head) = (identity(&vm).await, vm.git("rev-parse HEAD").await);

    vm.until("exited", IDLE * 2).await;
    let filter = format!("id={}", vm.container);
    let listed = [
        "ps",
        "--all",
        "--filter",
        &filter,
        "--format",
        "{{.Status}}",
    ];
    let listed = Run::new("docker").args(listed).text().await.unwrap();
    assert!(listed.starts_with("Exited"), "{listed:?}");
    let ended = inspect(&vm.container, "{{.State.FinishedAt}}").await;
    let ended: DateTime<Utc> = ended.unwrap().parse().unwrap();
    let idle = (ended - busy).to_std().unwrap();
    assert!(idle >= IDLE, "it was stopped after {idle:?}");

    let session = vm
        .start_session("SAY I am back.", PermissionPreset::Relaxed)
        .await;
    let said = vm.completed(&session, Duration::from_secs(60)).await;
    assert_eq!(said, "I am back.");
    let asked = vm.world.messages().unwrap().requests();
    assert!(asked.iter().any(|it| it.is_message() && it.authorized));
    assert_eq!(identity(&vm).await, made, "it is another container");
    assert_eq!(vm.account().await, "awake stopped awake");
    vm.runs_untroubled().await;
    vm.is_logged_in().await;
    assert_eq!(vm.git("rev-parse HEAD").await, head);
    assert_eq!(vm.git("status --porcelain").await, "");
}

async fn identity(vm: &Vm) -> String {
    inspect(&vm.container, "{{.Id}} {{.Created}}")
        .await
        .unwrap()
}
