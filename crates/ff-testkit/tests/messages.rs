//! The Messages API stand-in over HTTP, as a client sees it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use ff_testkit::messages::{Block, Credential, Fault, Gate, MessagesApi, Reply, Sequence, Turn};
use futures_util::StreamExt as _;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

async fn start() -> Result<MessagesApi> {
    MessagesApi::start("127.0.0.1:0".parse()?).await
}

fn post(api: &MessagesApi, body: &Value) -> RequestBuilder {
    let url = format!("{}/v1/messages?beta=true", api.url());
    Client::new()
        .post(url)
        .header("x-api-key", api.api_key())
        .header("x-claude-code-session-id", "s1")
        .json(body)
}

fn ask(prompt: &str, stream: bool) -> Value {
    let tools = json!([{"name": "Bash"}, {"name": "Write"}]);
    json!({"model": "m", "stream": stream, "tools": tools, "messages": [{"role": "user", "content": prompt}]})
}

async fn events(response: Response) -> Result<Vec<Value>> {
    let text = response.text().await?;
    let mut events = Vec::new();
    for event in text.split_terminator("\n\n") {
        let (name, data) = event.split_once('\n').context("an event has two lines")?;
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").context("data")?)?;
        assert_eq!(
            name,
            format!("event: {}", data["type"].as_str().unwrap_or_default())
        );
        events.push(data);
    }
    Ok(events)
}

#[tokio::test]
async fn a_streamed_reply_has_the_events_the_cli_needs() -> Result<()> {
    let api = start().await?;
    let prompt = "SAY hello\nTOOL Bash {\"command\":\"echo 1 2 3 4 5 6 7 8 9\"}";
    let response = post(&api, &ask(prompt, true)).send().await?;
    assert_eq!(
        response.headers()["content-type"],
        "text/event-stream; charset=utf-8"
    );
    assert!(response.headers().contains_key("request-id"));
    let events = events(response).await?;
    let mut kinds: Vec<&str> = events
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    kinds.dedup();
    let block = [
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
    ];
    assert_eq!(
        kinds,
        [
            &["message_start", "ping"],
            &block[..],
            &block,
            &["message_delta", "message_stop"]
        ]
        .concat()
    );
    assert_eq!(events[2]["content_block"]["type"], "text");
    let input: String = events
        .iter()
        .filter_map(|event| event["delta"]["partial_json"].as_str())
        .collect();
    assert_eq!(
        serde_json::from_str::<Value>(&input)?["command"],
        "echo 1 2 3 4 5 6 7 8 9"
    );
    assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "tool_use");
    let logged = api.requests();
    assert_eq!((logged.len(), logged[0].status), (1, 200));
    assert_eq!(logged[0].session.as_deref(), Some("s1"));
    assert_eq!(
        (logged[0].credential, logged[0].authorized),
        (Credential::ApiKey, true)
    );
    assert_eq!(logged[0].path, "/v1/messages?beta=true");
    assert_eq!(logged[0].body["model"], "m");
    Ok(())
}

#[tokio::test]
async fn a_whole_reply_quotes_the_results_it_was_sent() -> Result<()> {
    let api = start().await?;
    let output = "line\n".repeat(2_000);
    let mut body = ask("list", false);
    body["messages"] = json!([
        {"role": "user", "content": "list"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": output}]},
    ]);
    let reply: Value = post(&api, &body).send().await?.json().await?;
    assert_eq!(
        reply["content"][0]["text"],
        format!("results:\n[1 ok] {output}")
    );
    assert_eq!(reply["stop_reason"], "end_turn");
    Ok(())
}

#[tokio::test]
async fn requests_without_the_key_are_refused() -> Result<()> {
    let api = start().await?;
    let url = format!("{}/v1/messages", api.url());
    let client = Client::new();
    for request in [
        client.post(&url),
        client.post(&url).header("x-api-key", "sk-ant-other"),
    ] {
        let response = request.json(&ask("x", true)).send().await?;
        assert_eq!(response.status(), 401);
        assert_eq!(
            response.json::<Value>().await?["error"]["type"],
            "authentication_error"
        );
    }
    let bearer = client
        .post(&url)
        .bearer_auth(api.api_key())
        .json(&ask("SAY x", false))
        .send()
        .await?;
    assert_eq!(bearer.status(), 200);
    let kinds: Vec<_> = api
        .requests()
        .iter()
        .map(|r| (r.credential, r.authorized))
        .collect();
    assert_eq!(
        kinds,
        [
            (Credential::None, false),
            (Credential::ApiKey, false),
            (Credential::Bearer, true)
        ]
    );
    Ok(())
}

#[tokio::test]
async fn the_small_endpoints_answer() -> Result<()> {
    let api = start().await?;
    let client = Client::new();
    for path in ["/", "/api/hello"] {
        assert_eq!(
            client
                .head(format!("{}{path}", api.url()))
                .send()
                .await?
                .status(),
            200
        );
    }
    let count = client
        .post(format!("{}/v1/messages/count_tokens", api.url()))
        .header("x-api-key", api.api_key());
    let counted: Value = count.json(&ask("x", false)).send().await?.json().await?;
    assert!(counted["input_tokens"].as_u64() > Some(1));
    assert_eq!(
        client
            .get(format!("{}/v1/other", api.url()))
            .send()
            .await?
            .status(),
        404
    );
    Ok(())
}

#[tokio::test]
async fn faults_last_until_they_are_unset() -> Result<()> {
    let api = start().await?;
    for (status, kind) in [
        (500, "api_error"),
        (429, "rate_limit_error"),
        (529, "overloaded_error"),
    ] {
        api.set_fault(Some(Fault::Status(status)));
        let response = post(&api, &ask("SAY x", true)).send().await?;
        assert_eq!(response.status(), status);
        assert_eq!(response.json::<Value>().await?["error"]["type"], kind);
    }
    api.set_fault(Some(Fault::Hang));
    let hung = tokio::time::timeout(
        Duration::from_millis(200),
        post(&api, &ask("SAY x", true)).send(),
    )
    .await;
    assert!(hung.is_err());
    api.set_fault(Some(Fault::CutStream));
    let cut = post(&api, &ask("SAY x", true)).send().await?;
    assert!(cut.text().await.is_err());
    api.set_fault(None);
    assert_eq!(post(&api, &ask("SAY x", true)).send().await?.status(), 200);
    Ok(())
}

#[tokio::test]
async fn slow_replies_stream_and_end_with_the_server() -> Result<()> {
    let api = start().await?;
    let mut slow = post(&api, &ask("SLOW 100", true))
        .send()
        .await?
        .bytes_stream();
    assert!(slow.next().await.context("a first chunk")?.is_ok());
    let started = Instant::now();
    api.shutdown().await;
    while let Some(Ok(_)) = slow.next().await {}
    assert!(started.elapsed() < Duration::from_secs(3));
    Ok(())
}

#[tokio::test]
async fn scripts_can_be_replaced() -> Result<()> {
    let api = start().await?;
    api.set_script(Sequence::new([
        Reply::text("one"),
        Reply::tool("Nope", json!({})),
        Reply::error(400),
    ]));
    let mut side = ask("title?", false);
    side["tools"] = json!([]);
    assert_eq!(
        post(&api, &side).send().await?.json::<Value>().await?["content"][0]["text"],
        "Noted."
    );
    assert_eq!(
        post(&api, &ask("x", false))
            .send()
            .await?
            .json::<Value>()
            .await?["content"][0]["text"],
        "one"
    );
    let unknown_tool: Value = post(&api, &ask("x", false)).send().await?.json().await?;
    assert_eq!(unknown_tool["content"][0]["type"], "text");
    assert_eq!(post(&api, &ask("x", false)).send().await?.status(), 400);
    api.set_script(|turn: &Turn| {
        let thought = Block::Thinking("hm".to_owned());
        Reply::blocks(vec![
            thought,
            Block::Text(format!("{} of {}", turn.prompt, turn.model)),
        ])
    });
    let reply: Value = post(&api, &ask("hi", false)).send().await?.json().await?;
    assert_eq!(reply["content"][0]["thinking"], "hm");
    assert_eq!(reply["content"][1]["text"], "hi of m");
    Ok(())
}

#[tokio::test]
async fn a_held_text_stops_in_its_middle_until_its_gate_is_open() -> Result<()> {
    let api = start().await?;
    let gate = Gate::default();
    let block = Block::HeldText {
        before: "first".into(),
        gate: gate.clone(),
        after: "second".into(),
    };
    api.set_script(move |_: &Turn| Reply::blocks(vec![block.clone()]));
    let mut stream = post(&api, &ask("go", true)).send().await?.bytes_stream();
    let mut text = String::new();
    while !text.contains("first") {
        let piece = stream.next().await.context("the stream has ended")??;
        text += std::str::from_utf8(&piece)?;
    }
    let more = tokio::time::timeout(Duration::from_millis(100), stream.next()).await;
    assert!(more.is_err(), "it did not wait: {more:?}");
    gate.open();
    while let Some(piece) = stream.next().await {
        text += std::str::from_utf8(&piece?)?;
    }
    assert!(text.contains("second") && text.contains("message_stop"));
    Ok(())
}
