//! Credentials of a repository stay where they are.

use std::path::Path;
use std::process::Command;

use ff_testkit::capture::Capture;
use ff_testkit::link::Link;

use super::common::git;
use super::connected;

const TOKEN: &str = "t0ken-of-the-user";

/// Files below a directory that hold the token, also within what git has packed in them.
fn holders(dir: &Path) -> String {
    let found = Command::new("grep")
        .args(["-rla", TOKEN, "--"])
        .arg(dir)
        .output()
        .unwrap();
    String::from_utf8(found.stdout).unwrap()
}

/// Everything that a repository or bundle has stored.
fn stored(repo: &Path) -> Vec<u8> {
    let all = Command::new("git")
        // It belongs to the user in the container.
        .args(["-c", "safe.directory=*"])
        .args(["cat-file", "--batch-all-objects", "--batch", "--unordered"])
        .current_dir(repo)
        .output()
        .unwrap();
    assert!(all.status.success(), "{all:?}");
    all.stdout
}

fn has_token(bytes: &[u8]) -> bool {
    bytes.windows(TOKEN.len()).any(|it| it == TOKEN.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_a_repository_never_leave_the_machine_and_are_named_without_themselves() {
    let (desktop, server) = connected().await;
    let repo = desktop.path("app");
    let url = format!("https://me:{TOKEN}@git.example.test/me/app.git");
    let header = format!("Authorization: Basic {TOKEN}");
    let helper = format!("!f() {{ echo password={TOKEN}; }}; f");
    let instead = format!("url.https://x:{TOKEN}@git.example.test/.insteadOf");
    git(&repo, &["remote", "set-url", "origin", &url]);
    git(
        &repo,
        &[
            "config",
            "http.https://git.example.test/.extraHeader",
            &header,
        ],
    );
    git(&repo, &["config", "http.extraHeader", &header]);
    git(&repo, &["config", "credential.helper", &helper]);
    git(&repo, &["config", &instead, "short:"]);
    let worktree = desktop.worktree("demo");
    git(
        &worktree,
        &["commit", "--quiet", "--allow-empty", "-m", "work"],
    );
    std::fs::write(worktree.join("new.txt"), "new\n").unwrap();

    let link = Link::noting(server.address()).await.unwrap();
    let mut captures = Vec::new();
    for address in [server.address(), server.agent_address()] {
        captures.push(Capture::of(address).await.unwrap());
    }
    let through = format!("http://{}", link.address());
    desktop.ok(&["cloud", "connect", &through, "--user", "test-user"]);
    // All that may ever be logged.
    let mut command = desktop.command(&["send", "demo"]);
    let run: super::common::Run = command.env("FF_LOG", "trace").output().unwrap().into();
    assert_eq!(run.code, 0, "{}", run.stderr);
    for named in [
        "remote `origin`",
        "http.https://git.example.test/.extraheader",
        "http.extraheader",
        "credential.helper",
        "url.https://git.example.test/.insteadof",
    ] {
        assert!(run.stderr.contains(named), "no {named} in: {}", run.stderr);
    }
    assert!(!run.stderr.contains(TOKEN), "{}", run.stderr);

    server.write_there("there.txt", b"there\n");
    let mut command = desktop.command(&["pull", "demo"]);
    let run: super::common::Run = command.env("FF_LOG", "trace").output().unwrap().into();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(!run.stderr.contains(TOKEN), "{}", run.stderr);

    let mut passed = vec![link.noted()];
    for capture in captures {
        passed.push(capture.stop().await.unwrap());
    }
    for passed in passed {
        let found = passed.windows(9).any(|it| it == b"there.txt");
        assert!(found, "nothing was noted");
        assert!(!has_token(&passed), "it passed the server or the agent");
    }
    for dir in [
        server.data_dir(),
        &desktop.path("data"),
        &desktop.path("config"),
    ] {
        assert_eq!(holders(dir), "");
    }
    let clones = server.the_home().join("factory-factory/repos");
    let clones: Vec<_> = std::fs::read_dir(clones).unwrap().collect();
    assert_eq!(clones.len(), 1);
    for clone in clones {
        assert!(!has_token(&stored(&clone.unwrap().path())));
    }
    // It still serves the user.
    assert_eq!(git(&repo, &["remote", "get-url", "origin"]), url);
    assert_eq!(git(&repo, &["config", "credential.helper"]), helper);
}

/// What is spooled while a send is under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_part_of_a_bundle_holds_a_token() {
    let (desktop, _server) = connected().await;
    let repo = desktop.path("app");
    let url = format!("https://me:{TOKEN}@git.example.test/me/app.git");
    git(&repo, &["remote", "set-url", "origin", &url]);
    git(
        &repo,
        &["config", "http.extraHeader", &format!("X: {TOKEN}")],
    );
    let worktree = desktop.worktree("demo");
    git(
        &worktree,
        &["commit", "--quiet", "--allow-empty", "-m", "work"],
    );
    std::fs::write(worktree.join("new.txt"), "new\n").unwrap();
    // It dies once the parts are spooled.
    let ticket = desktop.path("ticket");
    std::fs::write(&ticket, "leave.noted").unwrap();
    let mut command = desktop.command(&["send", "demo"]);
    let died = command.env("FF_CRASH_TICKET", &ticket).output().unwrap();
    assert!(!died.status.success() && !ticket.exists(), "{died:?}");
    let spool = desktop.path("data/factory-factory/spool");
    let spool = std::fs::read_dir(spool)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let parts: Vec<_> = std::fs::read_dir(&spool)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    assert!(parts.len() >= 3, "{parts:?}");
    assert_eq!(holders(&spool), "");
    let mut bundles = 0;
    for part in &parts {
        let bytes = std::fs::read(part).unwrap();
        if bytes.starts_with(b"# v") {
            bundles += 1;
            let into = desktop.path("unpacked");
            git(
                &desktop.path("home"),
                &[
                    "clone",
                    "--quiet",
                    "--bare",
                    repo.to_str().unwrap(),
                    into.to_str().unwrap(),
                ],
            );
            git(&into, &["bundle", "unbundle", part.to_str().unwrap()]);
            assert!(!has_token(&stored(&into)));
        }
    }
    assert_eq!(bundles, 1, "{parts:?}");
    desktop.ok(&["send", "demo"]);
}
