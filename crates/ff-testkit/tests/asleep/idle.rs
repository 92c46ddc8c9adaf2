//! A model that thinks for longer than any tier of sleep waits; then a tab that nobody uses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use ff_client::ClientError;
use ff_protocol::ErrorCode;
use ff_protocol::agent::CauseKind;
use ff_protocol::session::PermissionPreset;
use ff_testkit::messages::{PromptPlan, Scripted, Turn};
use tokio_util::task::AbortOnDropHandle;

use crate::tab::Tab;
use crate::vm::{Vm, soon};

/// Longer than typing counts for, and then longer than both tiers wait.
const THINKING: Duration = Duration::from_secs(50);
const SOON: Duration = Duration::from_secs(60);

pub async fn story() {
    let (mut vm, lease) = Vm::new(&["--idle-freeze=5", "--idle-stop=8"]).await;
    vm.send_workspace().await;
    let script = |turn: &Turn| match turn.is_side_request() {
        true => PromptPlan.reply(turn),
        false => PromptPlan.reply(turn).after(THINKING),
    };
    vm.world.messages().unwrap().set_script(script);
    let before = vm.moves.count();
    let session = vm
        .start_session("SAY I have thought.", PermissionPreset::Strict)
        .await;
    vm.let_sleep(lease).await;
    let thinks = async || {
        let awake = vm.shown().await.awake;
        let works = awake.expect("it sleeps while the model thinks").working;
        let is_turn = |kind| kind == CauseKind::Turn;
        (works.len() == 1 && is_turn(works[0].kind)).then_some(())
    };
    soon("nothing but the turn works", SOON, thinks).await;
    let said = vm.completed(&session, THINKING + SOON).await;
    assert_eq!(said, "I have thought.");
    let moves = vm.moves.after(before);
    assert!(moves.is_empty(), "while the model thought: {moves:?}");
    assert_eq!(vm.account().await, "awake");

    vm.until("paused", SOON).await;
    vm.world.messages().unwrap().set_script(PromptPlan);
    a_tab_that_nobody_uses(&vm).await;
}

async fn a_tab_that_nobody_uses(vm: &Vm) {
    let mut tab = Tab::default();
    tab.show(vm, &vm.terminal().await).await;
    tab.follow(vm).await;
    let tool = r#"TOOL Bash {"command": "echo ran >> it-ran", "description": "Run"}"#;
    let session = vm.start_session(tool, PermissionPreset::Strict).await;
    let request = tab.request().await;
    let before = vm.moves.count();
    let poller = Poller::start(vm);

    vm.until("paused", SOON).await;
    // Past the time of a stop: a question that waits holds it.
    let asked = poller.asked();
    let asks_on = async || (poller.asked() > asked + 80).then_some(());
    soon("the poller asks on", SOON, asks_on).await;
    assert_eq!(vm.state().await, "paused");
    let moves = vm.moves.after(before);
    assert!(moves.len() == 1 && moves[0].0 == "pause", "{moves:?}");

    vm.allow(&session, request).await;
    vm.keep_awake(600).await;
    tab.turn_ended().await;
    vm.completed(&session, SOON).await;
    let ran = format!("cat {}/it-ran", vm.world.vm_checkout().unwrap());
    assert_eq!(vm.look(&ran).await, "ran");
    tab.is_connected();
    vm.runs_untroubled().await;
}

/// A client that asks for everything there is to read, five times a second.
struct Poller {
    asked: Arc<AtomicU32>,
    _task: AbortOnDropHandle<()>,
}

impl Poller {
    fn start(vm: &Vm) -> Self {
        let asked = Arc::new(AtomicU32::new(0));
        let (counter, client) = (Arc::clone(&asked), vm.world.client().unwrap());
        let (id, workspace) = (vm.id.clone(), vm.workspace());
        let mut pause = tokio::time::interval(Duration::from_millis(200));
        let task = tokio::spawn(async move {
            loop {
                pause.tick().await;
                client.vms().await.unwrap();
                client.vm(&id).await.unwrap();
                client.workspaces().await.unwrap();
                client.workspace(&workspace).await.unwrap();
                match client.engine().sessions(&workspace).await {
                    Ok(_) => {}
                    Err(ClientError::Problem(problem)) => {
                        assert_eq!(problem.code, ErrorCode::Suspended, "{problem:?}");
                    }
                    Err(error) => panic!("{error}"),
                }
                counter.fetch_add(1, Relaxed);
            }
        });
        Self {
            asked,
            _task: AbortOnDropHandle::new(task),
        }
    }

    fn asked(&self) -> u32 {
        self.asked.load(Relaxed)
    }
}
