use std::fs;
use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::poll;
use tempfile::TempDir;

use super::*;
use crate::clock;

const DEADLINE: Duration = Duration::from_secs(60);

/// A home with an account over it, and a CLI that says it is logged in once `there` exists.
struct World {
    home: TempDir,
    account: Account,
    _task: AbortOnDropHandle<()>,
}

impl World {
    /// A world whose login is valid for so many seconds.
    fn new(valid: Option<i64>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let claude = home.path().join("claude");
        let script = "#!/bin/sh\n[ -e \"$HOME/there\" ] && echo '{\"loggedIn\":true}' || { echo '{\"loggedIn\":false}'; exit 1; }\n";
        fs::write(&claude, script).unwrap();
        fs::set_permissions(&claude, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(home.path().join(".claude")).unwrap();
        if let Some(seconds) = valid {
            write(
                home.path(),
                clock::now().timestamp_millis() + seconds * 1000,
            );
        }
        let (account, task) = Account::start(&claude, home.path(), Awake::default());
        Self {
            home,
            account,
            _task: task,
        }
    }

    fn login(&self, seconds: i64) {
        write(
            self.home.path(),
            clock::now().timestamp_millis() + seconds * 1000,
        );
    }

    async fn state(&self, wanted: impl Fn(&LoginState) -> bool) -> LoginState {
        let mut status = self.account.status();
        within(status.wait_for(wanted)).await.unwrap().clone()
    }

    async fn required(&self) -> LoginState {
        self.state(|state| matches!(state, LoginState::Required(_)))
            .await
    }
}

fn write(home: &Path, expires_at: i64) {
    let path: PathBuf = home.join(".claude/.credentials.json");
    let text = format!(r#"{{"claudeAiOauth":{{"accessToken":"a","expiresAt":{expires_at}}}}}"#);
    fs::write(path.with_extension("new"), text).unwrap();
    fs::rename(path.with_extension("new"), path).unwrap();
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work)
        .await
        .expect("it took too long")
}

fn refused() -> LoggedOut {
    LoggedOut::in_text("Invalid bearer token").unwrap()
}

#[tokio::test]
async fn near_the_expiry_sessions_go_one_after_the_other_until_it_is_renewed() {
    let world = World::new(Some(120));
    let first = within(world.account.slot()).await;
    world.state(|state| *state == LoginState::Expiring).await;
    let (second, third) = (world.account.slot(), world.account.slot());
    tokio::pin!(second, third);
    assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
    first.answered();
    let second = within(second).await;
    assert!(poll!(&mut third).is_pending());
    world.login(3600);
    let third = within(third).await;
    assert_eq!(third.login(), second.login() + 1);
    within(world.account.slot()).await;
    world.state(|state| *state == LoginState::Free).await;
}

#[tokio::test]
async fn a_session_that_no_longer_waits_keeps_nobody_waiting() {
    let world = World::new(Some(120));
    let first = within(world.account.slot()).await;
    let mut gone = Box::pin(world.account.slot());
    assert!(poll!(&mut gone).is_pending());
    let next = world.account.slot();
    tokio::pin!(next);
    assert!(poll!(&mut next).is_pending());
    drop(gone);
    drop(first);
    within(next).await;
}

#[tokio::test]
async fn all_wait_for_one_login_and_go_on_with_it() {
    let world = World::new(Some(3600));
    let slots = [world.account.slot().await, world.account.slot().await];
    for slot in &slots {
        world.account.logged_out(slot.login(), refused()).await;
    }
    let told = world.required().await;
    let waiting = [world.account.slot(), world.account.slot()];
    let mut waiting = waiting.map(Box::pin);
    for slot in &mut waiting {
        assert!(poll!(slot).is_pending());
    }
    assert_eq!(*world.account.status().borrow(), told);
    assert_eq!(
        world.account.required().unwrap().reason,
        "Invalid bearer token"
    );
    world.login(7200);
    for slot in waiting {
        assert!(within(slot).await.login() > slots[0].login());
    }
    assert_eq!(world.account.required(), None);
}

#[tokio::test]
async fn a_login_that_is_not_in_the_file_is_found_by_asking_the_cli() {
    let world = World::new(None);
    let slot = world.account.slot().await;
    let shown = LoggedOut::in_text("Not logged in · Please run /login").unwrap();
    world.account.logged_out(slot.login(), shown).await;
    world.required().await;
    fs::write(world.home.path().join("there"), "").unwrap();
    within(world.account.slot()).await;
    assert_eq!(world.account.required(), None);
}

#[tokio::test]
async fn what_the_cli_cleared_is_known_without_any_session() {
    let world = World::new(Some(3600));
    world.account.slot().await;
    write(world.home.path(), 0);
    world.required().await;
    world.login(3600);
    world.state(|state| *state == LoginState::Free).await;
}

#[tokio::test]
async fn without_its_keeper_nobody_waits() {
    let World {
        account,
        _task: task,
        home: _home,
    } = World::new(Some(10));
    drop(task);
    let held = within(account.slot()).await;
    within(account.slot()).await;
    within(account.logged_out(held.login(), refused())).await;
}
