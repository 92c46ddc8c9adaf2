use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_session_moves_to_its_end_and_shows_its_messages() {
    let world = World::new().await;
    let (status, session) = world.post(&world.sessions(), r#"{"prompt":"hello"}"#).await;
    assert_eq!((status, &session["status"]), (201, &json!("RUNNING")));
    let id = session["id"].as_str().unwrap();
    let session = world.until_idle(id).await;
    assert_eq!(session["lastTurn"]["outcome"], "completed");
    assert_eq!(session["lastTurn"]["result"], "hello");
    let kinds: Vec<_> = session["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["kind"].clone())
        .collect();
    assert_eq!(
        json!(kinds),
        json!(["user_message", "status", "claude_message", "turn_ended"])
    );
    let (_, rest) = world
        .get(&format!("{}/{id}?after=3&wake=true", world.sessions()))
        .await;
    assert_eq!(rest["messages"].as_array().unwrap().len(), 1);

    let (status, prompted) = world
        .post(
            &format!("{}/{id}/messages", world.sessions()),
            r#"{"text":"more"}"#,
        )
        .await;
    assert_eq!((status, &prompted["activity"]), (200, &json!("working")));
    world.until_idle(id).await;
    let (status, list) = world.get(&world.sessions()).await;
    assert_eq!(
        (status, &list["items"][0]["lastTurn"]["result"]),
        (200, &json!("more"))
    );
    world.core.shutdown().await;
}

#[tokio::test]
async fn a_turn_is_interrupted_and_a_session_stopped() {
    let world = World::new().await;
    let (_, session) = world.post(&world.sessions(), r#"{"prompt":"wait"}"#).await;
    let path = format!("{}/{}", world.sessions(), session["id"].as_str().unwrap());
    let (status, session) = world.post(&format!("{path}/interrupt"), "").await;
    assert_eq!(
        (status, &session["lastTurn"]["outcome"]),
        (200, &json!("interrupted"))
    );
    let (status, session) = world.post(&format!("{path}/stop"), "").await;
    assert_eq!((status, &session["status"]), (200, &json!("IDLE")));
    let answer = r#"{"requestId":"r-1","allow":true}"#;
    let (status, problem) = world.post(&format!("{path}/answers"), answer).await;
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn bad_requests_are_problems_with_a_code() {
    let world = World::new().await;
    let unknown = "/api/workspaces/nobody/sessions";
    for (path, body, status, code) in [
        (unknown, r#"{"prompt":"x"}"#, 404, "not_found"),
        (&world.sessions(), "{", 400, "bad_request"),
        (&world.sessions(), r#"{"promt":"x"}"#, 422, "invalid"),
        (&world.sessions(), r#"{"model":"-x"}"#, 422, "invalid"),
        (
            "/api/workspaces/NOT%20AN%20ID/sessions",
            "{}",
            400,
            "bad_request",
        ),
        (
            &format!("{}/nobody/messages", world.sessions()),
            r#"{"text":"x"}"#,
            404,
            "not_found",
        ),
        (
            &format!("{}/nobody/stop", world.sessions()),
            "",
            404,
            "not_found",
        ),
        (
            &format!("{}/nobody/answers", world.sessions()),
            "{}",
            422,
            "invalid",
        ),
    ] {
        let (found, problem) = world.post(path, body).await;
        assert_eq!(
            (found, &problem["code"]),
            (status, &json!(code)),
            "{path} {body}: {problem}"
        );
    }
    for path in [unknown, &format!("{}/nobody", world.sessions())] {
        let (status, problem) = world.get(path).await;
        assert_eq!(
            (status, &problem["code"]),
            (404, &json!("not_found")),
            "{path}"
        );
    }
}
