use ff_protocol::close;
use ff_protocol::terminal::{decode_frame, encode_frame};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::world::{Socket, World, close_code, closed, next, next_json, say};

/// Opens a terminal; its path, and where its output begins.
pub(crate) async fn open(world: &World) -> (String, String) {
    let path = format!("/api/vms/{}/terminals", world.vm);
    let (status, terminal) = world
        .post(&path, r#"{"size":{"cols":100,"rows":30}}"#)
        .await;
    assert_eq!(status, 201, "{terminal}");
    let (id, incarnation) = (&terminal["id"], &terminal["incarnation"]);
    let path = format!("{path}/{}", id.as_str().unwrap());
    (path, format!("{}:0", incarnation.as_str().unwrap()))
}

/// What a viewer has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) output: Vec<u8>,
    pub(crate) acked: u64,
}

impl Seen {
    pub(crate) async fn until(&mut self, socket: &mut Socket, wanted: &str) {
        while !String::from_utf8_lossy(&self.output).contains(wanted) {
            match next(socket).await {
                Message::Binary(frame) => {
                    let (offset, bytes) = decode_frame(&frame).unwrap();
                    assert_eq!(offset, self.output.len() as u64);
                    self.output.extend_from_slice(bytes);
                }
                Message::Text(text) => self.control(&text),
                other => panic!(
                    "{other:?} after {:?}",
                    String::from_utf8_lossy(&self.output)
                ),
            }
        }
    }

    fn control(&mut self, text: &str) {
        let control: Value = serde_json::from_str(text).unwrap();
        if control["type"] == "ack" {
            self.acked = control["offset"].as_u64().unwrap();
        }
    }
}

#[tokio::test]
async fn a_viewer_types_sees_comes_back_and_hears_the_end() {
    let world = World::new().await;
    let (path, begin) = open(&world).await;
    let first = format!("{path}/socket?viewer=me&from={begin}");
    let mut socket = world.connect(&first).await;
    let attached = next_json(&mut socket).await;
    assert_eq!(attached["type"], "attached");
    assert_eq!(
        (&attached["offset"], &attached["inputOffset"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(attached["size"], json!({"cols": 100, "rows": 30}));
    let incarnation = attached["incarnation"].as_str().unwrap();

    let resize = r#"{"type":"resize","size":{"cols":90,"rows":20}}"#;
    say(&mut socket, Message::text(resize)).await;
    let line = b"echo \"<$(stty size)> in $PWD\"\n";
    say(&mut socket, Message::binary(encode_frame(0, line))).await;
    let mut seen = Seen::default();
    seen.until(
        &mut socket,
        &format!("<20 90> in {}", world.home().display()),
    )
    .await;
    assert_eq!(seen.acked, line.len() as u64);
    drop(socket);

    let from = format!(
        "{path}/socket?viewer=me&from={incarnation}:{}",
        seen.output.len()
    );
    let mut socket = world.connect(&from).await;
    let attached = next_json(&mut socket).await;
    assert_eq!(attached["offset"], seen.output.len());
    assert_eq!(attached["inputOffset"], line.len());
    // The part sent again is dropped.
    let again = [line.as_slice(), b"echo on''ce; exit 5\n"].concat();
    say(&mut socket, Message::binary(encode_frame(0, &again))).await;
    seen.until(&mut socket, "once\r\n").await;
    loop {
        let message = next(&mut socket).await;
        if message.is_text() && message.to_text().unwrap().contains("exited") {
            assert_eq!(message.to_text().unwrap(), r#"{"type":"exited","code":5}"#);
            break;
        }
    }
    let (code, reason) = closed(&mut socket).await;
    assert_eq!(
        (code, reason.as_str()),
        (close::DONE, "the shell ended with exit code 5")
    );
    assert_eq!(
        String::from_utf8_lossy(&seen.output)
            .matches("<20 90>")
            .count(),
        1
    );

    let (_, list) = world.get(&format!("/api/vms/{}/terminals", world.vm)).await;
    let listed = &list["items"][0];
    assert!(path.ends_with(listed["id"].as_str().unwrap()));
    assert_eq!(
        (&listed["exitCode"], &listed["exitSignal"]),
        (&json!(5), &Value::Null)
    );
}

#[tokio::test]
async fn a_terminal_of_a_workspace_is_in_its_worktree_and_nowhere_else() {
    let world = World::new().await;
    let path = format!("/api/workspaces/{}/terminals", world.workspace);
    let (status, terminal) = world.post(&path, r#"{"name":"build"}"#).await;
    assert_eq!(
        (status, &terminal["workspaceId"]),
        (201, &json!(world.workspace))
    );
    let id = terminal["id"].as_str().unwrap();
    let begin = terminal["incarnation"].as_str().unwrap();
    let socket = format!("{path}/{id}/socket?from={begin}:0");
    let mut socket = world.connect(&socket).await;
    next_json(&mut socket).await;
    say(
        &mut socket,
        Message::binary(encode_frame(0, b"echo [$PWD]\n")),
    )
    .await;
    let worktree = world.home().join("work");
    Seen::default()
        .until(&mut socket, &format!("[{}]", worktree.display()))
        .await;

    let elsewhere = format!("/api/vms/{}/terminals/{id}", world.vm);
    assert_eq!(world.delete(&elsewhere).await.0, 404);
    assert_eq!(world.patch(&elsewhere, r#"{"name":"x"}"#).await.0, 404);
    let mut nothing = world.connect(&format!("{elsewhere}/socket")).await;
    assert_eq!(close_code(&mut nothing).await, close::NOT_FOUND);
    let (_, at_home) = world.get(&format!("/api/vms/{}/terminals", world.vm)).await;
    assert_eq!(at_home["items"], json!([]));

    let (status, renamed) = world
        .patch(&format!("{path}/{id}"), r#"{"name":" tests "}"#)
        .await;
    assert_eq!(
        (status, &renamed["name"]),
        (200, &json!("tests")),
        "{renamed}"
    );
    let (status, taken) = world.post(&path, r#"{"name":"tests"}"#).await;
    assert_eq!(
        (status, &taken["code"]),
        (409, &json!("conflict")),
        "{taken}"
    );
    assert_eq!(
        world.delete(&format!("{path}/{id}")).await,
        (204, Value::Null)
    );
    assert_eq!(close_code(&mut socket).await, close::DONE);
    let (_, list) = world.get(&path).await;
    let ended = &list["items"][0];
    let signal = ended["exitSignal"].as_i64().unwrap();
    assert_eq!(ended["exitCode"].as_i64().unwrap(), 128 + signal);
}

#[tokio::test]
async fn frames_that_break_the_rules_close_the_socket() {
    let world = World::new().await;
    let (path, _) = open(&world).await;
    for (message, code) in [
        (Message::binary(vec![0, 1, 2]), close::POLICY),
        (Message::binary(encode_frame(7, b"x")), close::FAULT),
        (
            Message::text(r#"{"type":"resize","size":{"cols":0,"rows":5}}"#),
            close::POLICY,
        ),
    ] {
        let mut socket = world.connect(&format!("{path}/socket")).await;
        // A kind of frame that this engine does not know yet.
        say(&mut socket, Message::text(r#"{"type":"brand_new"}"#)).await;
        say(&mut socket, message.clone()).await;
        assert_eq!(close_code(&mut socket).await, code, "{message:?}");
    }
    world.core.shutdown().await;
}

#[tokio::test]
async fn bad_requests_are_problems_with_a_code() {
    let world = World::new().await;
    let place = format!("/api/vms/{}/terminals", world.vm);
    for (path, body, status, code) in [
        (
            place.as_str(),
            r#"{"size":{"cols":0,"rows":5}}"#,
            422,
            "invalid",
        ),
        (
            place.as_str(),
            r#"{"size":{"cols":99999,"rows":5}}"#,
            422,
            "invalid",
        ),
        ("/api/vms/another/terminals", "{}", 404, "not_found"),
        ("/api/workspaces/nobody/terminals", "{}", 404, "not_found"),
    ] {
        let (found, problem) = world.post(path, body).await;
        assert_eq!(
            (found, &problem["code"]),
            (status, &json!(code)),
            "{path} {body}: {problem}"
        );
    }
    assert_eq!(world.delete(&format!("{place}/nobody")).await.0, 404);
    let (path, _) = open(&world).await;
    let (status, problem) = world.patch(&path, r#"{"name":""}"#).await;
    assert_eq!((status, &problem["code"]), (422, &json!("invalid")));
    for query in [
        "from=nonsense",
        "from=a:b",
        "viewer=NOT%20AN%20ID",
        "readonly=maybe",
    ] {
        assert!(
            world
                .try_connect(&format!("{path}/socket?{query}"))
                .await
                .is_err(),
            "{query}"
        );
    }
    world.core.shutdown().await;
}
