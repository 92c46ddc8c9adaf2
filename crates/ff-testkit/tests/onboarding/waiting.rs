//! `GET /api/vms/{vm}/onboarding?after=VERSION&wait=SECONDS`.

use std::time::{Duration, Instant};

use ff_protocol::ErrorCode;
use serde_json::Value;

use crate::setup::Setup;

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn changes_come_by_themselves_and_a_vm_that_sleeps_is_not_woken() {
    let setup = Setup::new().await;
    let (exit, _) = setup.json(&["cloud", "setup"]).await;
    assert_eq!(exit, 6);
    let client = setup.world.client().unwrap();
    let vm = setup.world.client().unwrap().vms().await.unwrap()[0]
        .id
        .clone();
    let before = client.onboarding(&vm).await.unwrap();
    assert_eq!(before.git_identity_missing, ["user.name", "user.email"]);

    let began = Instant::now();
    let same = client
        .onboarding_after(&vm, &before.version, Duration::from_secs(2))
        .await;
    assert_eq!(same.unwrap(), before);
    assert!(began.elapsed() >= Duration::from_secs(2));

    let change = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let set =
            "git config --global user.name A && git config --global user.email a@example.test";
        setup.look(set).await;
        Instant::now()
    };
    let waiting = async {
        let told = client.onboarding_after(&vm, &before.version, LONG).await;
        (told.unwrap(), Instant::now())
    };
    let ((mut told, mut at), changed) = tokio::join!(waiting, change);
    if told.git_identity.is_none() {
        // It was told of the name alone.
        told = client
            .onboarding_after(&vm, &told.version, LONG)
            .await
            .unwrap();
        at = Instant::now();
    }
    println!(
        "told {:?} after the change",
        at.saturating_duration_since(changed)
    );
    assert_eq!(told.git_identity.unwrap().email, "a@example.test");

    let path = format!("{}/api/vms/{vm}", setup.world.url().unwrap());
    let user = setup.world.user().unwrap();
    let query = format!("userId={user}");
    let get = async |rest: &str| -> (u16, Value) {
        let answer = reqwest::get(format!("{path}{rest}{query}")).await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    };
    let (status, problem) = get("/onboarding?after=x&wait=61&").await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (400, Some("bad_request"))
    );
    let (status, problem) = get("/onboarding?after=x&wait=1&wake=true&").await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (400, Some("bad_request"))
    );

    // Waiting keeps nobody awake, and who waits is told when the VM goes to sleep.
    let waiting = client.onboarding_after(&vm, &told.version, LONG);
    let suspending = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let suspend = reqwest::Client::new()
            .post(format!("{path}/suspend?{query}"))
            .json(&serde_json::json!({"tier": "frozen"}));
        let answer: Value = suspend.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["state"], "FROZEN", "{answer}");
    };
    let (refused, ()) = tokio::join!(waiting, suspending);
    assert_eq!(refused.unwrap_err().code(), Some(ErrorCode::Suspended));
    let refused = client.onboarding(&vm).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Suspended));
    let (_, shown) = get("?").await;
    assert_eq!(shown["state"], "FROZEN");
    let (exit, report) = setup.json(&["cloud", "setup"]).await;
    assert_eq!(
        (exit, &report["gitIdentity"]["name"]),
        (6, &Value::from("A"))
    );
}
