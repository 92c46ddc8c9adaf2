//! Sends over a slow link that are cut.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ff_testkit::link::{Link, Pace};

use super::common::Desktop;
use super::common::Run;
use super::common::server::Server;
use super::{connected, noise, place};

const SIZE: u64 = 3 << 20;
const PACE: Pace = Pace {
    delay: Duration::from_millis(75),
    rate: 2_000_000 / 8,
};
/// What passes beside the parts, and what was under way when it was cut.
const BESIDE: u64 = 512 << 10;
const LONGEST: Duration = Duration::from_secs(60);

/// A desktop with a large file in its workspace, whose server is at the end of a slow link.
async fn slow() -> (Desktop, Server, Link) {
    let (desktop, server) = connected().await;
    let large = desktop.worktree("demo").join("large");
    std::fs::write(large, noise(SIZE as usize)).unwrap();
    let link = Link::slow(server.address(), PACE).await.unwrap();
    let url = format!("http://{}", link.address());
    desktop.ok(&["cloud", "connect", &url, "--user", "test-user"]);
    (desktop, server, link)
}

/// Waits until so many bytes have passed, by this count.
async fn up_to(bytes: u64, passed: impl Fn() -> u64, child: &mut Child) {
    let carried = async {
        while passed() < bytes {
            assert!(child.try_wait().unwrap().is_none(), "it ended early");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(LONGEST, carried).await;
    waited.unwrap_or_else(|_| panic!("only {} of {bytes} bytes", passed()));
}

fn begin(desktop: &Desktop, args: &[&str]) -> Child {
    let mut command = desktop.command(args);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn end(child: Child) -> Run {
    child.wait_with_output().unwrap().into()
}

fn arrived(server: &Server) {
    let large = std::fs::read(server.worktree().join("large")).unwrap();
    assert!(large == noise(SIZE as usize), "it is another file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_was_interrupted_goes_on_where_it_was() {
    let (desktop, server, link) = slow().await;
    let before = link.went_up();
    let mut sending = begin(&desktop, &["send", "demo"]);
    up_to(before + SIZE * 2 / 3, || link.went_up(), &mut sending).await;
    let pid = sending.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let run = end(sending);
    let id = desktop.json(&["workspace", "show", "demo"])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    run.failed(130, &["is kept", &format!("ff send {id}"), "--abort"]);
    assert_eq!(place(&desktop), ("DESKTOP".into(), true, 1));

    let before = link.went_up();
    let run = desktop.ff(&["send", "demo"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("was there"), "{}", run.stderr);
    let again = link.went_up() - before;
    assert!(again < SIZE / 3 + BESIDE, "{again} bytes once more");
    assert_eq!(place(&desktop), ("CLOUD".into(), false, 2));
    arrived(&server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_whose_connection_breaks_near_the_end_goes_on_by_itself() {
    let (desktop, server, link) = slow().await;
    let before = link.went_up();
    let mut sending = begin(&desktop, &["send", "demo"]);
    up_to(before + SIZE * 9 / 10, || link.went_up(), &mut sending).await;
    link.tear();
    let run = end(sending);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let whole = link.went_up() - before;
    assert!(whole < SIZE + BESIDE, "{whole} bytes in all");
    assert_eq!(place(&desktop), ("CLOUD".into(), false, 2));
    arrived(&server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_whose_connection_breaks_near_the_end_goes_on_by_itself() {
    let (desktop, server, link) = slow().await;
    desktop.ok(&["cloud", "connect", &server.url, "--user", "test-user"]);
    desktop.ok(&["send", "demo"]);
    let there = server.worktree();
    std::fs::remove_file(there.join("large")).unwrap();
    server.write_there("more", &noise(SIZE as usize));
    let url = format!("http://{}", link.address());
    desktop.ok(&["cloud", "connect", &url, "--user", "test-user"]);
    let before = link.came_down();
    let mut pulling = begin(&desktop, &["pull", "demo"]);
    up_to(before + SIZE * 9 / 10, || link.came_down(), &mut pulling).await;
    link.tear();
    let run = end(pulling);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let whole = link.came_down() - before;
    assert!(whole < SIZE + BESIDE, "{whole} bytes in all");
    assert_eq!(place(&desktop), ("DESKTOP".into(), false, 3));
    let here = desktop.worktree("demo");
    let more = std::fs::read(here.join("more")).unwrap();
    assert!(more == noise(SIZE as usize), "it is another file");
    assert!(!here.join("large").exists());
}
