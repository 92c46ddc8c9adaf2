//! What became of a message that was given to a CLI which is gone: its transcript decides.
//!
//! The CLI enters a message in its transcript under the uuid we gave it, before it asks the model
//! (2.1.330, measured; `command_lifecycle: started` on its output comes before that and proves
//! nothing). Its own lines there carry the uuids they had on its output.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::transcript::transcript_files;

/// Longest line that is looked at, in bytes: the CLI's longest, and what it puts around it.
const LONGEST: u64 = 64 << 20;
/// Most lines of a turn that are taken over.
const MOST: usize = 5_000;
/// Why the model stopped of itself.
const LAST_WORDS: [&str; 4] = ["end_turn", "stop_sequence", "max_tokens", "refusal"];

/// What became of a message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fate {
    /// The CLI never had it: it can be sent.
    Absent,
    /// Its turn began and was cut. Its lines so far.
    Begun(Vec<Value>),
    /// Its turn ended. Its lines, and the model's final text.
    Finished(Vec<Value>, String),
}

/// Looks a message up in the transcript of its conversation. Reads files: not for the runtime's
/// threads.
pub(super) fn fate(home: &Path, cwd: &Path, conversation: &str, uuid: &str) -> Fate {
    let files = transcript_files(home, cwd, conversation);
    let Some((_, path)) = files.first() else {
        return Fate::Absent;
    };
    match lines_from(path, uuid) {
        Some(lines) => judge(lines),
        None => Fate::Absent,
    }
}

/// Of what the turn has said, what nobody has entered yet.
pub(super) fn missing(lines: Vec<Value>, known: &HashSet<String>) -> Vec<Value> {
    let fresh = |line: &Value| {
        let uuid = line["uuid"].as_str();
        uuid.is_some_and(|uuid| !known.contains(uuid))
    };
    lines.into_iter().filter(fresh).collect()
}

/// The lines after the message with this uuid; `None` when it is not there. The last line may be
/// half-written.
fn lines_from(path: &PathBuf, uuid: &str) -> Option<Vec<Value>> {
    let mut reader = BufReader::new(File::open(path).ok()?);
    let mark = format!("\"{uuid}\"");
    let mut found: Option<Vec<Value>> = None;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut bytes);
        if !matches!(read, Ok(1..)) {
            return found;
        }
        let text = String::from_utf8_lossy(&bytes);
        match &mut found {
            None if !text.contains(&mark) => {}
            None => {
                let line: Value = serde_json::from_str(&text).unwrap_or_default();
                found = (line["type"] == "user" && line["uuid"] == uuid).then(Vec::new);
            }
            Some(lines) => {
                if let Ok(line) = serde_json::from_str(&text)
                    && is_said(&line)
                    && lines.len() < MOST
                {
                    lines.push(line);
                }
            }
        }
    }
}

/// Whether a line is part of the conversation, as the CLI's output has it.
fn is_said(line: &Value) -> bool {
    let kind = matches!(line["type"].as_str(), Some("assistant" | "user"));
    kind && line["isSidechain"] != true && line["isMeta"] != true
}

fn judge(lines: Vec<Value>) -> Fate {
    let Some(last) = lines.last() else {
        return Fate::Begun(Vec::new());
    };
    let message = &last["message"];
    let stop = message["stop_reason"].as_str().unwrap_or_default();
    let ended = last["type"] == "assistant" && LAST_WORDS.contains(&stop);
    let text = final_text(message);
    let lines = lines.iter().map(as_output).collect();
    match ended {
        true => Fate::Finished(lines, text),
        false => Fate::Begun(lines),
    }
}

fn final_text(message: &Value) -> String {
    let blocks = message["content"].as_array().map(Vec::as_slice);
    let texts = blocks.unwrap_or_default().iter();
    let texts: Vec<_> = texts.filter_map(|block| block["text"].as_str()).collect();
    texts.join("\n")
}

/// A line of the transcript as the CLI's output would have had it.
fn as_output(line: &Value) -> Value {
    let mut output = json!({
        "type": line["type"],
        "message": line["message"],
        "uuid": line["uuid"],
        "session_id": line["sessionId"],
        "parent_tool_use_id": null,
        "recovered": true,
    });
    if let Some(result) = line.get("toolUseResult") {
        output["tool_use_result"] = result.clone();
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::transcript::transcript_dir;

    fn fate_of(lines: &[&str]) -> Fate {
        let tmp = tempfile::tempdir().unwrap();
        let (home, cwd) = (tmp.path(), tmp.path().join("work"));
        let dir = transcript_dir(home, &cwd);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("c-1.jsonl"), lines.join("\n")).unwrap();
        fate(home, &cwd, "c-1", "u-1")
    }

    const QUEUED: &str = r#"{"type":"queue-operation","operation":"enqueue","content":"hi u-1"}"#;
    const USER: &str = r#"{"type":"user","uuid":"u-1","message":{"role":"user","content":"hi"}}"#;
    const SAID: &str = r#"{"type":"assistant","uuid":"a-1","sessionId":"c-1","message":{"content":[{"type":"text","text":"done"}],"stop_reason":"end_turn"}}"#;
    const TOOL: &str = r#"{"type":"assistant","uuid":"a-2","message":{"content":[{"type":"tool_use","id":"t"}],"stop_reason":"tool_use"}}"#;
    const RAN: &str = r#"{"type":"user","uuid":"a-3","toolUseResult":{"stdout":"x"},"message":{"content":[{"type":"tool_result","tool_use_id":"t"}]}}"#;

    #[test]
    fn a_message_that_is_not_there_was_never_had() {
        assert_eq!(fate_of(&[]), Fate::Absent);
        assert_eq!(fate_of(&[QUEUED, SAID]), Fate::Absent);
        let parent = r#"{"type":"assistant","parentUuid":"u-1","uuid":"a"}"#;
        assert_eq!(fate_of(&[parent]), Fate::Absent);
        assert_eq!(
            fate(Path::new("/nowhere"), Path::new("/x"), "c-1", "u-1"),
            Fate::Absent
        );
    }

    #[test]
    fn a_turn_without_last_words_was_cut() {
        assert_eq!(fate_of(&[QUEUED, USER]), Fate::Begun(vec![]));
        let Fate::Begun(lines) = fate_of(&[USER, TOOL, RAN, r#"{"type":"assis"#]) else {
            panic!("not begun");
        };
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1]["tool_use_result"]["stdout"], "x");
        assert!(matches!(fate_of(&[USER, SAID, TOOL]), Fate::Begun(_)));
    }

    #[test]
    fn a_turn_with_last_words_ended_and_what_is_known_is_not_taken_twice() {
        let side = r#"{"type":"assistant","isSidechain":true,"uuid":"s","message":{}}"#;
        let Fate::Finished(lines, text) = fate_of(&[USER, TOOL, RAN, SAID, side, "not json"])
        else {
            panic!("not finished");
        };
        assert_eq!(text, "done");
        assert_eq!(lines[2]["session_id"], "c-1");
        let known = HashSet::from(["a-2".to_owned(), "a-3".to_owned()]);
        let missing = missing(lines, &known);
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0]["uuid"], "a-1");
    }
}
