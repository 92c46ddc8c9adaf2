//! `ff terminal` in a VM.

use ff_testkit::journey::person::Person;
use ff_testkit::journey::process::Run;
use serde_json::{Value, json};

use crate::setup::Setup;

const ALTERNATE: &str = "\x1b[?1049l";

/// The names of the VM's terminals.
async fn names(setup: &Setup) -> Vec<String> {
    let (exit, list) = setup.json(&["terminal", "list", "--vm"]).await;
    assert_eq!(exit, 0, "{list}");
    let names = list.as_array().unwrap().iter();
    names
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect()
}

/// A shell in the VM under this name, at its prompt.
async fn in_the_vm(setup: &Setup, more: &[&str]) -> Person {
    let args = [&["terminal", "--vm", "--name"][..], more].concat();
    let mut person = setup.at_a_terminal(&args);
    person.waits_for("detaches").await.unwrap();
    person
}

#[tokio::test]
async fn a_terminal_is_left_found_by_its_name_renamed_and_closed() {
    let setup = Setup::new().await;
    let (exit, _) = setup.json(&["cloud", "setup"]).await;
    assert_eq!(exit, 6);
    assert_eq!(names(&setup).await, [""; 0]);

    let before = setup.at_a_terminal(&["--version"]).mode().unwrap();
    let mut one = in_the_vm(&setup, &["work"]).await;
    one.waits_for("$ ").await.unwrap();
    one.enters("export WORD=kept; stty size").await.unwrap();
    one.waits_for("50 200").await.unwrap();
    let until = "until [ \"$(stty size)\" = '33 120' ]; do sleep 0.1; done; echo resi''zed";
    one.enters(until).await.unwrap();
    one.resizes(120, 33).unwrap();
    one.waits_for("resized").await.unwrap();
    let screen = r"printf '\e[?1049h\e[?1000h\e[?2004h\e[?25lfull %s\n' screen";
    one.enters(screen).await.unwrap();
    one.waits_for("full screen").await.unwrap();
    one.types("\x1d").await.unwrap();
    one.waits_for("detached").await.unwrap();
    assert_eq!(one.is_gone().await.unwrap(), 0);
    assert_eq!(one.mode().unwrap(), before);
    let shown = one.shown();
    let (_, end) = shown.split_once("full screen\r\n").unwrap();
    for restored in [ALTERNATE, "\x1b[?1000l", "\x1b[?2004l", "\x1b[?25h"] {
        assert!(end.contains(restored), "no {restored:?} in {end:?}");
    }
    assert_eq!(names(&setup).await, ["work"]);

    let mut back = in_the_vm(&setup, &["work", "--detach-key", "ctrl-q"]).await;
    back.waits_for("\x1b[?1049h").await.unwrap();
    back.waits_for("full screen").await.unwrap();
    back.enters("printf '\\e[?1049l\\e[?1000l\\e[?25h'; echo it is $WORD")
        .await
        .unwrap();
    back.waits_for("it is kept").await.unwrap();

    // Who only looks sees it, types nothing, and does not make it smaller.
    let mut watcher = in_the_vm(&setup, &["work", "--read-only"]).await;
    watcher.waits_for("it is kept").await.unwrap();
    watcher.resizes(20, 5).unwrap();
    watcher.enters("echo nobody > ~/typed").await.unwrap();
    back.enters("echo some''thing; stty size").await.unwrap();
    watcher.waits_for("something").await.unwrap();
    watcher.waits_for("50 200").await.unwrap();
    assert_eq!(
        setup.look("ls ~/typed 2>/dev/null || echo none").await,
        "none"
    );
    watcher.types("\x1d").await.unwrap();
    watcher.waits_for("detached").await.unwrap();
    assert_eq!(watcher.is_gone().await.unwrap(), 0);

    let rename = [
        "terminal", "rename", "--vm", "--name", "work", "--to", "play",
    ];
    assert_eq!(setup.json(&rename).await.1["name"], "play");
    assert_eq!(names(&setup).await, ["play"]);
    back.types("\x11").await.unwrap();
    back.waits_for("detached").await.unwrap();
    assert_eq!(back.is_gone().await.unwrap(), 0);

    let gone = ["terminal", "close", "--vm", "--name", "work"];
    let ran = setup.world.ff(gone).outcome().await.unwrap();
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("ff terminal list"), "{}", ran.stderr);
    let look = ["terminal", "--vm", "--name", "work", "--read-only"];
    let ran = setup.world.ff(look).outcome().await.unwrap();
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    let (_, closed) = setup
        .json(&["terminal", "close", "--vm", "--name", "play"])
        .await;
    assert_eq!(closed["name"], "play");
    assert_eq!(names(&setup).await, [""; 0]);
    assert_eq!(
        setup.look("pgrep -c bash || true").await,
        "1",
        "only our own"
    );
}

#[tokio::test]
async fn ends_are_told_and_a_frozen_vm_keeps_its_terminals() {
    let setup = Setup::new().await;
    setup.json(&["cloud", "setup"]).await;
    let mut one = in_the_vm(&setup, &["one"]).await;
    one.waits_for("$ ").await.unwrap();
    one.enters("exit 7").await.unwrap();
    one.waits_for("the shell ended with exit code 7")
        .await
        .unwrap();
    assert_eq!(one.is_gone().await.unwrap(), 7);
    assert_eq!(names(&setup).await, [""; 0]);

    let mut two = in_the_vm(&setup, &["two"]).await;
    two.waits_for("$ ").await.unwrap();
    two.enters("kill -KILL $$").await.unwrap();
    two.waits_for("the shell ended with signal 9")
        .await
        .unwrap();
    assert_eq!(two.is_gone().await.unwrap(), 137);

    let mut three = in_the_vm(&setup, &["three"]).await;
    three.waits_for("$ ").await.unwrap();
    three.enters("WORD=kept; echo no''ted").await.unwrap();
    three.waits_for("noted").await.unwrap();
    three.types("\x1d").await.unwrap();
    assert_eq!(three.is_gone().await.unwrap(), 0);
    let vm = setup.world.client().unwrap().vms().await.unwrap()[0]
        .id
        .clone();
    let (url, user) = (setup.world.url().unwrap(), setup.world.user().unwrap());
    let suspend = format!("{url}/api/vms/{vm}/suspend?userId={user}");
    let suspend = reqwest::Client::new()
        .post(suspend)
        .json(&json!({"tier": "frozen"}));
    // Typing counts as work for a while.
    let frozen = async || {
        let answer = suspend.try_clone().unwrap().send().await?;
        let state: Value = answer.json().await?;
        Ok((state["state"] == "FROZEN").then_some(()))
    };
    let within = std::time::Duration::from_secs(60);
    ff_testkit::journey::process::eventually("it freezes", within, frozen)
        .await
        .unwrap();
    let listed = setup.world.ff(["terminal", "list"]).ok().await.unwrap();
    assert!(listed.stderr.contains("asleep"), "{}", listed.stderr);
    let mut back = in_the_vm(&setup, &["three"]).await;
    back.enters("echo it is $WORD").await.unwrap();
    back.waits_for("it is kept").await.unwrap();

    // It ends by a signal, with the terminal as it was.
    let before = setup.at_a_terminal(&["--version"]).mode().unwrap();
    let pid = back.pid().unwrap().to_string();
    Run::new("kill").args(["-TERM", &pid]).ok().await.unwrap();
    assert_eq!(back.is_gone().await.unwrap(), 130);
    assert_eq!(back.mode().unwrap(), before);
    assert_eq!(names(&setup).await, ["three"]);
}

#[tokio::test]
async fn a_lost_connection_is_told_over_the_screen_and_comes_back() {
    let mut setup = Setup::new().await;
    setup.json(&["cloud", "setup"]).await;
    let mut person = in_the_vm(&setup, &["work"]).await;
    person.waits_for("$ ").await.unwrap();
    person
        .enters("for i in $(seq 100 140); do echo line $i; done")
        .await
        .unwrap();
    person.waits_for("line 140").await.unwrap();
    setup.world.kill_server().await.unwrap();
    // Shown on the last line, with the cursor kept.
    person.waits_for("\x1b7\x1b[50;1H").await.unwrap();
    person.waits_for("connection lost").await.unwrap();
    person.waits_for("\x1b8").await.unwrap();
    person.types("echo typed mean''while").await.unwrap();
    setup.world.start_server_again().await.unwrap();
    // The whole screen is drawn anew, and what was typed arrives once.
    person.waits_for("line 120").await.unwrap();
    person.waits_for("line 140").await.unwrap();
    person.waits_for("echo typed mean''while").await.unwrap();
    person.enters("").await.unwrap();
    person.waits_for("typed meanwhile").await.unwrap();
    person.enters("exit 3").await.unwrap();
    person.waits_for("exit code 3").await.unwrap();
    assert_eq!(person.is_gone().await.unwrap(), 3);
    let shown = person.shown();
    assert!(
        !shown.contains("mean''whileecho"),
        "it was typed twice: {shown}"
    );
}
