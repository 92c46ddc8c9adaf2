use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use serde_json::{Value, json};
use uuid::Uuid;

use super::reply::{Block, Gate};

const TEXT_CHUNK: usize = 64;
const JSON_CHUNK: usize = 24;
const MAX_CHUNKS: usize = 64;
/// Lets what was streamed reach the client before the connection breaks.
const CUT_PAUSE: Duration = Duration::from_millis(50);
const SIGNATURE: &str = "c3RhbmQtaW4=";

/// One assistant message, ready to be sent whole or as server-sent events.
pub(super) struct Message {
    id: String,
    model: String,
    input_tokens: usize,
    blocks: Vec<(Option<String>, Block)>,
}

/// An event and what comes before it.
struct Step {
    pause: Pause,
    event: Value,
}

/// What an event waits for.
enum Pause {
    None,
    Time(Duration),
    Gate(Gate),
}

impl Pause {
    async fn over(self) {
        match self {
            Self::None => {}
            Self::Time(time) => tokio::time::sleep(time).await,
            Self::Gate(gate) => gate.passed().await,
        }
    }
}

impl Message {
    pub(super) fn new(model: &str, input_tokens: usize, blocks: Vec<Block>) -> Self {
        let blocks = blocks
            .into_iter()
            .map(|block| {
                let is_tool = matches!(block, Block::ToolUse { .. });
                (is_tool.then(|| new_id("toolu")), block)
            })
            .collect();
        Self {
            id: new_id("msg"),
            model: model.to_owned(),
            input_tokens,
            blocks,
        }
    }

    pub(super) fn into_json(self) -> Value {
        let content: Vec<Value> = self.blocks.iter().map(whole_block).collect();
        let mut message = self.envelope();
        message["usage"]["output_tokens"] = self.output_tokens().into();
        message["stop_reason"] = self.stop_reason().into();
        message["content"] = content.into();
        message
    }

    /// The events as a streamed body; with `cut`, the connection breaks after half of them.
    pub(super) fn into_stream(self, cut: bool) -> Body {
        let mut steps: VecDeque<Step> = self.steps().into();
        if cut {
            steps.truncate(steps.len() / 2);
        }
        Body::from_stream(futures_util::stream::unfold(
            (steps, cut),
            move |(mut steps, cut)| async move {
                let Some(step) = steps.pop_front() else {
                    if !cut {
                        return None;
                    }
                    tokio::time::sleep(CUT_PAUSE).await;
                    return Some((Err(io::ErrorKind::ConnectionAborted.into()), (steps, false)));
                };
                step.pause.over().await;
                Some((Ok::<_, io::Error>(encode(&step.event)), (steps, cut)))
            },
        ))
    }

    fn envelope(&self) -> Value {
        json!({
            "id": self.id, "type": "message", "role": "assistant", "model": self.model, "content": [],
            "stop_reason": null, "stop_sequence": null,
            "usage": {
                "input_tokens": self.input_tokens, "output_tokens": 1,
                "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            },
        })
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = vec![now(
            json!({"type": "message_start", "message": self.envelope()}),
        )];
        steps.push(now(json!({"type": "ping"})));
        for (index, block) in self.blocks.iter().enumerate() {
            let start = json!({"type": "content_block_start", "index": index, "content_block": empty_block(block)});
            steps.push(now(start));
            for (pause, delta) in deltas(&block.1) {
                let event = json!({"type": "content_block_delta", "index": index, "delta": delta});
                steps.push(Step { pause, event });
            }
            steps.push(now(json!({"type": "content_block_stop", "index": index})));
        }
        steps.push(now(json!({
            "type": "message_delta",
            "delta": {"stop_reason": self.stop_reason(), "stop_sequence": null},
            "usage": {"output_tokens": self.output_tokens()},
        })));
        steps.push(now(json!({"type": "message_stop"})));
        steps
    }

    fn stop_reason(&self) -> &'static str {
        if self.blocks.iter().any(|(id, _)| id.is_some()) {
            "tool_use"
        } else {
            "end_turn"
        }
    }

    fn output_tokens(&self) -> usize {
        let length: usize = self.blocks.iter().map(|(_, block)| length(block)).sum();
        1 + length / 4
    }
}

/// An id in the API's style.
pub(super) fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", &Uuid::new_v4().simple().to_string()[..24])
}

fn now(event: Value) -> Step {
    Step {
        pause: Pause::None,
        event,
    }
}

fn encode(event: &Value) -> Bytes {
    let name = event["type"].as_str().unwrap_or_default();
    format!("event: {name}\ndata: {event}\n\n").into()
}

fn length(block: &Block) -> usize {
    match block {
        Block::Text(text) | Block::Thinking(text) => text.len(),
        Block::SlowText { chunks, .. } => chunks.iter().map(String::len).sum(),
        Block::HeldText { before, after, .. } => before.len() + after.len(),
        Block::ToolUse { input, .. } => input.to_string().len(),
    }
}

fn whole_block((id, block): &(Option<String>, Block)) -> Value {
    match block {
        Block::Text(text) => json!({"type": "text", "text": text}),
        Block::SlowText { chunks, .. } => json!({"type": "text", "text": chunks.concat()}),
        Block::HeldText { before, after, .. } => {
            json!({"type": "text", "text": format!("{before}{after}")})
        }
        Block::Thinking(text) => {
            json!({"type": "thinking", "thinking": text, "signature": SIGNATURE})
        }
        Block::ToolUse { name, input } => {
            json!({"type": "tool_use", "id": id, "name": name, "input": input})
        }
    }
}

fn empty_block((id, block): &(Option<String>, Block)) -> Value {
    match block {
        Block::Text(_) | Block::SlowText { .. } | Block::HeldText { .. } => {
            json!({"type": "text", "text": ""})
        }
        Block::Thinking(_) => json!({"type": "thinking", "thinking": "", "signature": ""}),
        Block::ToolUse { name, .. } => {
            json!({"type": "tool_use", "id": id, "name": name, "input": {}})
        }
    }
}

fn deltas(block: &Block) -> Vec<(Pause, Value)> {
    let at_once = |values: Vec<Value>| {
        values
            .into_iter()
            .map(|value| (Pause::None, value))
            .collect()
    };
    let text_delta = |text: &str| json!({"type": "text_delta", "text": text});
    match block {
        Block::Text(text) => at_once(
            pieces(text, TEXT_CHUNK)
                .into_iter()
                .map(text_delta)
                .collect(),
        ),
        Block::SlowText { chunks, pause } => chunks
            .iter()
            .map(|chunk| (Pause::Time(*pause), text_delta(chunk)))
            .collect(),
        Block::HeldText {
            before,
            gate,
            after,
        } => vec![
            (Pause::None, text_delta(before)),
            (Pause::Gate(gate.clone()), text_delta(after)),
        ],
        Block::Thinking(text) => at_once(vec![
            json!({"type": "thinking_delta", "thinking": text}),
            json!({"type": "signature_delta", "signature": SIGNATURE}),
        ]),
        Block::ToolUse { input, .. } => at_once(
            pieces(&input.to_string(), JSON_CHUNK)
                .into_iter()
                .map(|part| json!({"type": "input_json_delta", "partial_json": part}))
                .collect(),
        ),
    }
}

/// Cuts a text at character boundaries into pieces of at least `size` bytes, and not too many of them.
fn pieces(text: &str, size: usize) -> Vec<&str> {
    let size = size.max(text.len() / MAX_CHUNKS);
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.ceil_char_boundary(size));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_text_and_respect_characters() {
        let text = "é世界".repeat(500);
        let cut = pieces(&text, 10);
        assert_eq!(cut.concat(), text);
        assert!(cut.len() <= MAX_CHUNKS + 1);
        assert!(pieces("", 10).is_empty());
    }

    #[test]
    fn a_tool_call_streams_its_input_as_json_and_stops_for_the_tool() {
        let input = json!({"command": "printf '%s' \"a long enough command line\""});
        let block = Block::ToolUse {
            name: "Bash".to_owned(),
            input: input.clone(),
        };
        let message = Message::new("m", 10, vec![block]);
        let events: Vec<Value> = message.steps().into_iter().map(|step| step.event).collect();
        let parts: String = events
            .iter()
            .filter_map(|e| e["delta"]["partial_json"].as_str())
            .collect();
        assert_eq!(serde_json::from_str::<Value>(&parts).unwrap(), input);
        let start = events
            .iter()
            .find(|e| e["type"] == "content_block_start")
            .unwrap();
        assert_eq!(start["content_block"]["input"], json!({}));
        assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "tool_use");
        assert_eq!(
            message.into_json()["content"][0]["id"],
            start["content_block"]["id"]
        );
    }
}
