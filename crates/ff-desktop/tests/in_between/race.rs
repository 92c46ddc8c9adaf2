//! Two desktops of one user.

use std::process::{Child, Stdio};

use serde_json::Value;

use super::common::Desktop;
use super::common::{Run, git};
use super::connected;

const ROUNDS: usize = 4;

fn begin(desktop: &Desktop, args: &[&str]) -> Child {
    let mut command = desktop.command(args);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn end(child: Child) -> Run {
    child.wait_with_output().unwrap().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_desktops_that_pull_at_once_one_has_it_and_the_other_is_told_who() {
    let (first, server) = connected().await;
    first.ok(&["send", "demo"]);
    let second = first.twin().await;
    second.ok(&["cloud", "connect", &server.url, "--user", "test-user"]);
    let mut wins = [0, 0];
    for round in 0..ROUNDS {
        let both = [&first, &second];
        let runs = both
            .map(|desktop| begin(desktop, &["pull", "demo"]))
            .map(end);
        let won = runs.iter().position(|run| run.code == 0);
        let won = won.unwrap_or_else(|| panic!("{}\n{}", runs[0].stderr, runs[1].stderr));
        let (winner, loser) = (both[won], both[1 - won]);
        wins[won] += 1;
        let lost = &runs[1 - won];
        assert_eq!(lost.code, 4, "{}", lost.stderr);
        let epoch = 3 + 2 * round as u64;
        let row = server.client.workspaces().await.unwrap().remove(0);
        let here = winner.json(&["workspace", "show", "demo"]);
        assert_eq!(here["owner"], row.owner.to_string(), "{here}");
        let owner = here["owner"].as_str().unwrap();
        assert!(lost.stderr.contains(owner), "{}", lost.stderr);
        assert_eq!(
            (&here["location"], &here["epoch"]),
            (&"DESKTOP".into(), &epoch.into())
        );
        assert!(winner.worktree("demo").join("README.md").is_file());
        stays_off(loser, &here, epoch);

        let worktree = winner.worktree("demo");
        git(
            &worktree,
            &[
                "commit",
                "--quiet",
                "--allow-empty",
                "-m",
                &format!("round {round}"),
            ],
        );
        let head = git(&worktree, &["rev-parse", "HEAD"]);
        winner.ok(&["send", "demo"]);
        assert_eq!(server.git_there("rev-parse HEAD"), head);
    }
    assert_eq!(wins[0] + wins[1], ROUNDS, "{wins:?}");
}

/// Whoever lost neither has the workspace nor acts on it, and says who has it.
fn stays_off(loser: &Desktop, winner: &Value, epoch: u64) {
    let shown = loser.json(&["workspace", "show", "demo"]);
    assert_eq!(shown["owner"], winner["owner"], "{shown}");
    assert_eq!(
        (&shown["epoch"], &shown["moving"]),
        (&epoch.into(), &false.into())
    );
    let owner = winner["owner"].as_str().unwrap();
    let refused = loser.ff(&["pull", "demo"]);
    refused.failed(4, &["not in the cloud", owner]);
    let refused = loser.ff(&["session", "start", "demo", "--prompt", "x"]);
    refused.failed(4, &[owner]);
    let refused = loser.ff(&["workspace", "run", "start", "demo"]);
    refused.failed(4, &[owner]);
    let refused = loser.ff(&["send", "demo"]);
    refused.failed(4, &[owner]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_is_left_alone_by_whatever_else_the_desktop_is_asked_meanwhile() {
    let (desktop, server) = connected().await;
    let worktree = desktop.worktree("demo");
    for n in 0..400 {
        std::fs::write(worktree.join(format!("f{n}")), format!("{n}\n")).unwrap();
    }
    git(&worktree, &["add", "-A"]);
    git(&worktree, &["commit", "--quiet", "-m", "files"]);
    let mut asked = 0;
    for round in 0..2 {
        desktop.ok(&["send", "demo"]);
        for n in 0..200 {
            server.write_there(&format!("f{n}"), format!("{round} {n}\n").as_bytes());
        }
        let mut pull = begin(&desktop, &["pull", "demo"]);
        while pull.try_wait().unwrap().is_none() {
            desktop.ok(&["workspace", "list"]);
            asked += 1;
        }
        let pull = end(pull);
        assert_eq!(pull.code, 0, "{}", pull.stderr);
        for n in 0..400 {
            let expected = match n {
                0..200 => format!("{round} {n}\n"),
                _ => format!("{n}\n"),
            };
            let found = std::fs::read_to_string(worktree.join(format!("f{n}"))).unwrap();
            assert_eq!(found, expected, "f{n}");
        }
    }
    println!("asked {asked} times in two pulls");
    assert!(asked > 2);
}
