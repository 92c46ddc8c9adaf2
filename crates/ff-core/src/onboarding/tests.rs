use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use ff_protocol::vm::GitIdentity;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use super::*;
use crate::config::{CoreConfig, Side};
use crate::session::account::{LoggedOut, LoginState};

const LONG: Duration = Duration::from_secs(30);

/// A core whose CLI is logged in while `~/.claude/.credentials.json` is there, and which notes each
/// question to it.
async fn core() -> (TempDir, Core) {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let claude = home.join("claude");
    let script = "#!/bin/sh\n\
        case $1 in --version) echo '2.1.330 (Claude Code)'; exit ;; esac\n\
        echo asked >> \"$HOME/asked\"\n\
        [ -e \"$HOME/.claude/.credentials.json\" ] && echo '{\"loggedIn\":true,\"email\":\"me@example.test\"}' || echo '{\"loggedIn\":false}'\n";
    fs::write(&claude, script).unwrap();
    fs::set_permissions(&claude, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(home.join(".claude")).unwrap();
    let (data, base) = (home.join("data"), home.join("base"));
    let mut config = CoreConfig::new(Side::Cloud, home.to_owned(), data, base);
    config.claude = claude;
    (dir, Core::open(config).await.unwrap())
}

fn log_in(home: &Path) {
    fs::write(home.join(".claude/.credentials.json"), "{}").unwrap();
}

fn asked(home: &Path) -> usize {
    let asked = fs::read_to_string(home.join("asked")).unwrap_or_default();
    asked.lines().count()
}

#[tokio::test]
async fn a_login_that_sessions_wait_for_is_no_login() {
    let (home, core) = core().await;
    log_in(home.path());
    let before = core.onboarding().await.unwrap();
    assert!(before.claude.logged_in);
    let slot = core.sessions().account().slot().await;
    let shown = LoggedOut::in_text("Invalid bearer token").unwrap();
    core.sessions()
        .account()
        .logged_out(slot.login(), shown)
        .await;
    let mut status = core.sessions().account().status();
    let required = status.wait_for(|state| matches!(state, LoginState::Required(_)));
    drop(timeout(LONG, required).await.unwrap().unwrap());
    let after = core.onboarding_after(&before.version, LONG).await.unwrap();
    assert!(!after.claude.logged_in);
    assert_eq!(
        after.claude.login_required,
        core.sessions().account().required()
    );
    core.shutdown().await;
}

#[tokio::test]
async fn who_waits_is_told_of_a_login_when_it_is_there_and_nothing_else_is_asked() {
    let (home, core) = core().await;
    let before = core.onboarding().await.unwrap();
    assert_eq!(before.tools.claude.as_deref(), Some("2.1.330"));
    assert!(!before.claude.logged_in);
    let began = Instant::now();
    let same = core
        .onboarding_after(&before.version, 3 * APART)
        .await
        .unwrap();
    assert_eq!(same, before);
    assert!(began.elapsed() >= 3 * APART);
    assert_eq!(asked(home.path()), 1, "it was asked though nothing changed");

    let waiters: Vec<_> = (0..WAITING)
        .map(|_| {
            let (core, version) = (core.clone(), before.version.clone());
            tokio::spawn(async move { core.onboarding_after(&version, LONG).await })
        })
        .collect();
    tokio::time::sleep(2 * TICK).await;
    let refused = core.onboarding_after(&before.version, LONG).await;
    assert_eq!(refused.unwrap_err().code(), ErrorCode::LimitReached);
    log_in(home.path());
    for waiter in waiters {
        let told = timeout(LONG, waiter).await.unwrap().unwrap().unwrap();
        assert!(told.claude.logged_in);
        assert_eq!(told.claude.account.as_deref(), Some("me@example.test"));
        assert_ne!(told.version, before.version);
    }
    assert_eq!(asked(home.path()), 2, "they did not share the question");
    core.shutdown().await;
}

#[tokio::test]
async fn an_identity_is_set_for_the_home_and_told() {
    let (home, core) = core().await;
    let before = core.onboarding().await.unwrap();
    assert_eq!(before.git_identity_missing, ["user.name", "user.email"]);
    let identity = GitIdentity {
        name: "Zoë".into(),
        email: "zoe@example.test".into(),
    };
    core.set_git_identity(&identity).await.unwrap();
    let after = core.onboarding_after(&before.version, LONG).await.unwrap();
    assert_eq!(after.git_identity, Some(identity));
    assert_eq!(after.git_identity_missing, [""; 0]);
    let written = fs::read_to_string(home.path().join(".gitconfig")).unwrap();
    assert!(written.contains("zoe@example.test"), "{written}");
    core.shutdown().await;
}

#[tokio::test]
async fn who_waits_at_the_end_is_told_so() {
    let (_home, core) = core().await;
    let before = core.onboarding().await.unwrap();
    let waiting = core.onboarding_after(&before.version, LONG);
    let stopping = async {
        tokio::time::sleep(2 * TICK).await;
        core.shutdown().await;
    };
    let (told, ()) = tokio::join!(waiting, stopping);
    assert_eq!(told.unwrap_err().code(), ErrorCode::ShuttingDown);
}
