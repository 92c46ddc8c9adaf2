//! Terminals under `ff serve`, and those of a command alone, at a real PTY.

#![allow(clippy::unwrap_used)]

mod common;

use common::Desktop;
use common::cloud::Cloud;
use common::person::Person;
use common::served::Served;
use serde_json::{Value, json};

fn ff(rest: &str) -> String {
    format!("{} terminal {rest}\r", env!("CARGO_BIN_EXE_ff"))
}

fn names(desktop: &Desktop) -> Vec<Value> {
    let list = desktop.json(&["terminal", "list"]);
    let rows = list.as_array().unwrap().iter();
    rows.map(|row| json!([row["place"], row["name"]])).collect()
}

#[tokio::test]
async fn under_serve_a_terminal_goes_on_and_is_found_by_its_name() {
    let desktop = Desktop::with_workspace();
    let _served = Served::on(&desktop);
    assert!(names(&desktop).is_empty());
    let mut person = Person::sits_down(&desktop).await;
    person.types(&ff("demo --name work")).await;
    person.waits_for("opened `work`; Ctrl-] detaches").await;
    person
        .types("WORD=kept; printf '\\e[?1049h\\e[?1003hon a sc''reen of its own\\n'\r")
        .await;
    person.waits_for("on a screen of its own").await;
    person.types("\x1d").await;
    person.waits_for("\x1b[?1003l").await;
    person.waits_for("\x1b[?1049l").await;
    person.waits_for("detached").await;
    person.has_the_old_mode().await;
    assert_eq!(names(&desktop), [json!(["demo", "work"])]);

    person.types(&ff("demo --name work")).await;
    person.waits_for("back in `work`").await;
    person.waits_for("on a screen of its own").await;
    person
        .types("printf '\\e[?1049l\\e[?1003l'; echo it is $WORD\r")
        .await;
    person.waits_for("it is kept").await;
    let renamed = desktop.json(&[
        "terminal", "rename", "demo", "--name", "work", "--to", "play",
    ]);
    assert_eq!(renamed["name"], "play");
    person.types("exit 4\r").await;
    person.waits_for("the shell ended with exit code 4").await;
    person.has_the_old_mode().await;
    assert!(names(&desktop).is_empty());

    person.types(&ff("demo --name other")).await;
    person.waits_for("opened `other`").await;
    person.types("trap '' HUP; echo rea''dy\r").await;
    person.waits_for("ready").await;
    desktop.json(&["terminal", "close", "demo", "--name", "other"]);
    person.waits_for("the shell ended with").await;
    person.has_the_old_mode().await;
    person.leaves().await;
}

#[test]
fn what_is_not_there_is_told_with_what_to_do() {
    let desktop = Desktop::with_workspace();
    let alone = ["terminal", "close", "demo", "--name", "x"];
    let words = ["there is no terminal `x`", "ff serve", "ff terminal list"];
    desktop.ff(&alone).failed(3, &words);
    let look = ["terminal", "demo", "--name", "x", "--read-only"];
    desktop.ff(&look).failed(4, &["ff serve"]);
    assert_eq!(desktop.json(&["terminal", "list"]), json!([]));
    let _served = Served::on(&desktop);
    desktop.ff(&alone).failed(3, &["there is no terminal `x`"]);
    desktop
        .ff(&look)
        .failed(3, &["there is no terminal `x` to look at"]);
}

#[tokio::test]
async fn those_of_this_machine_are_listed_while_the_cloud_is_silent() {
    let desktop = Desktop::with_workspace();
    let cloud = Cloud::empty();
    desktop.ok(&["cloud", "connect", &cloud.url()]);
    drop(cloud);
    let _served = Served::on(&desktop);
    let mut person = Person::sits_down(&desktop).await;
    person.types(&ff("demo --name work")).await;
    person.waits_for("opened `work`; Ctrl-] detaches").await;
    person.types("\x1d").await;
    person.waits_for("detached").await;
    let list = desktop.ff(&["terminal", "list", "--json"]);
    assert_eq!(list.code, 0, "{}", list.stderr);
    let rows: Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(rows[0]["name"], "work", "{rows}");
    assert!(list.stderr.contains("the terminals of vm cannot be seen"));
    person.leaves().await;
}

#[test]
fn the_detach_key_may_come_from_the_environment() {
    let desktop = Desktop::with_workspace();
    let mut command = desktop.command(&["terminal", "list"]);
    let output = command.env("FF_DETACH_KEY", "ctrl-b").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut command = desktop.command(&["terminal", "demo"]);
    let output = command.env("FF_DETACH_KEY", "ctrl-m").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
