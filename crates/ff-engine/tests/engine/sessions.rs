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
async fn a_long_conversation_is_read_in_pages() {
    let world = World::new().await;
    world.finished_session("of another session").await;
    let id = world.finished_session("one").await;
    let path = format!("{}/{id}/messages", world.sessions());
    for text in ["two", "three"] {
        let body = json!({ "text": text }).to_string();
        assert_eq!(world.post(&path, &body).await.0, 200);
    }
    world.until_idle(&id).await;
    let whole: Vec<_> = world.journal().await;
    let whole: Vec<_> = whole.into_iter().filter(|e| e["sessionId"] == id).collect();
    for limit in [1, 2, whole.len() - 1, whole.len(), 200] {
        let (mut read, mut after) = (Vec::new(), "0".to_owned());
        for page in 1.. {
            let (status, found) = world
                .get(&format!("{path}?after={after}&limit={limit}&wake=true"))
                .await;
            assert_eq!(status, 200, "{found}");
            read.extend(found["items"].as_array().unwrap().iter().cloned());
            let Some(next) = found["next"].as_str() else {
                assert_eq!(page, whole.len().div_ceil(limit));
                break;
            };
            after = next.to_owned();
        }
        assert_eq!(read, whole);
    }
    let (_, all) = world.get(&path).await;
    assert_eq!(all["items"].as_array().unwrap(), &whole);
    for (query, status) in [("limit=0", 422), ("limit=201", 422), ("after=x", 400)] {
        let (found, problem) = world.get(&format!("{path}?{query}")).await;
        assert_eq!(found, status, "{query}: {problem}");
    }
    world.core.shutdown().await;
}

#[tokio::test]
async fn a_session_is_configured_resumed_and_closed() {
    let world = World::new().await;
    let (_, made) = world.post(&world.sessions(), "{}").await;
    let id = made["id"].as_str().unwrap();
    let path = format!("{}/{id}", world.sessions());
    let changes = r#"{"name":"talk","permissions":"STRICT","permissionMode":"plan"}"#;
    let (status, changed) = world.patch(&path, changes).await;
    assert_eq!(status, 200, "{changed}");
    for (field, value) in [
        ("name", "talk"),
        ("permissions", "STRICT"),
        ("permissionMode", "plan"),
    ] {
        assert_eq!(changed[field], value);
    }
    let (_, changed) = world.patch(&path, "{}").await;
    assert_eq!(
        (&changed["name"], &changed["permissionMode"]),
        (&json!("talk"), &json!("plan"))
    );
    let (status, problem) = world.patch(&path, r#"{"colour":"red"}"#).await;
    assert_eq!((status, &problem["code"]), (422, &json!("invalid")));

    assert_eq!(world.core.sessions().processes().len(), 0);
    let (status, problem) = world.get(&format!("{path}/capabilities")).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
    let (status, resumed) = world.post(&format!("{path}/resume"), "").await;
    assert_eq!((status, &resumed["status"]), (200, &json!("RUNNING")));
    let running = world.core.sessions().processes();
    assert_eq!(running.len(), 1);
    let process = format!("/proc/{}", running[0].0);
    assert!(std::path::Path::new(&process).exists());
    let offers = format!("{path}/capabilities");
    let offered = world.until(&offers, |it| it["commands"].is_array()).await;
    assert_eq!(offered["commands"][0]["name"], "cost");
    let (status, closed) = world.post(&format!("{path}/close"), "").await;
    assert_eq!((status, &closed["status"]), (200, &json!("IDLE")));
    assert!(!std::path::Path::new(&process).exists());
    let (_, offered) = world.get(&offers).await;
    assert_eq!(offered["models"][0]["value"], "default");
    world.core.shutdown().await;
}

#[tokio::test]
async fn what_waits_for_an_answer_is_listed_by_session_and_workspace() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for prompt in ["ask", "question"] {
        let body = json!({"prompt": prompt, "permissions": "STRICT"}).to_string();
        let (_, session) = world.post(&world.sessions(), &body).await;
        let id = session["id"].as_str().unwrap().to_owned();
        world.until_activity(&id, "waiting_for_user").await;
        ids.push(id);
    }
    let all = format!("/api/workspaces/{}/requests", world.workspace);
    let waiting = async || {
        let (status, found) = world.get(&all).await;
        assert_eq!(status, 200);
        let items = found["items"].as_array().unwrap().clone();
        let kinds: Vec<_> = items
            .iter()
            .map(|item| item["kind"].as_str().unwrap().to_owned())
            .collect();
        (items, kinds)
    };
    let (items, kinds) = waiting().await;
    assert_eq!(kinds, ["permission", "question"]);
    let of_session = format!("{}/{}/requests", world.sessions(), ids[1]);
    let (_, found) = world.get(&of_session).await;
    assert_eq!(found["items"], json!([items[1]]));
    let answer = json!({"requestId": items[0]["requestId"], "allow": true}).to_string();
    let answers = format!("{}/{}/answers", world.sessions(), ids[0]);
    assert_eq!(world.post(&answers, &answer).await.0, 204);
    assert_eq!(waiting().await.1, ["question"]);
    world.core.shutdown().await;
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
            &format!("{}/nobody/resume", world.sessions()),
            "",
            404,
            "not_found",
        ),
        (
            &format!("{}/nobody/close", world.sessions()),
            "",
            404,
            "not_found",
        ),
        (
            &format!("{}/nobody/interrupt", world.sessions()),
            "{",
            400,
            "bad_request",
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
    let nobody = format!("{}/nobody", world.sessions());
    for path in ["", "/messages", "/requests", "/capabilities"] {
        let (status, problem) = world.get(&format!("{nobody}{path}")).await;
        assert_eq!(
            (status, &problem["code"]),
            (404, &json!("not_found")),
            "{path}"
        );
    }
    for path in [unknown, "/api/workspaces/nobody/requests"] {
        let (status, problem) = world.get(path).await;
        assert_eq!(
            (status, &problem["code"]),
            (404, &json!("not_found")),
            "{path}"
        );
    }
}
