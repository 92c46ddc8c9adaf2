//! What was said in a session, from the CLI's own transcript or from the file the original left in
//! the worktree when the session was closed.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use ff_protocol::Timestamp;
use ff_protocol::session::EntryKind;
use serde_json::{Value, json};

use crate::session::transcript::transcript_files;
use crate::store::import::Said;

/// Longest line that is taken, in bytes.
const LONGEST: u64 = 16 << 20;
/// Most messages of a session that are taken: the last ones.
const MOST: usize = 20_000;
/// Largest file of a closed session, in bytes.
const LARGEST: u64 = 64 << 20;
/// Most that is taken of all sessions together, in bytes of their files.
const ALL: u64 = 256 << 20;

/// What is left of [`ALL`].
#[derive(Debug)]
pub(super) struct Budget(u64);

impl Default for Budget {
    fn default() -> Self {
        Self(ALL)
    }
}

impl Budget {
    /// Takes a file's size off; whether there was enough left.
    fn takes(&mut self, path: &Path) -> bool {
        let size = std::fs::metadata(path).map_or(u64::MAX, |meta| meta.len());
        let fits = size <= self.0;
        if fits {
            self.0 -= size;
        }
        fits
    }
}

/// What was found of a session.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Transcript {
    /// What was said, oldest first.
    pub(super) said: Vec<Said>,
    /// Why it is not all, where it is not.
    pub(super) cut: Option<&'static str>,
}

const TOO_MUCH: &str = "its transcript was left out: all transcripts together are too large";
const OLDER_LEFT_OUT: &str = "only the last 20000 messages of its transcript were taken";

/// Reads the CLI's transcript of a conversation in `cwd`; empty when there is none. Not for the
/// runtime's threads.
pub(super) fn of_cli(
    home: &Path,
    cwd: &Path,
    conversation: &str,
    budget: &mut Budget,
) -> Transcript {
    let files = transcript_files(home, cwd, conversation);
    let Some((_, path)) = files.first() else {
        return Transcript::default();
    };
    if !budget.takes(path) {
        return Transcript {
            cut: Some(TOO_MUCH),
            ..Transcript::default()
        };
    }
    let Ok(file) = File::open(path) else {
        return Transcript::default();
    };
    let mut reader = BufReader::new(file);
    let mut kept = VecDeque::new();
    let (mut bytes, mut count) = (Vec::new(), 0);
    loop {
        bytes.clear();
        let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut bytes);
        if !matches!(read, Ok(1..)) {
            break;
        }
        // A line that is half-written, or too long, is no JSON.
        let line = serde_json::from_slice::<Value>(&bytes);
        let Some(said) = line.ok().as_ref().and_then(said) else {
            continue;
        };
        count += 1;
        if kept.len() == MOST {
            kept.pop_front();
        }
        kept.push_back(said);
    }
    Transcript {
        said: kept.into(),
        cut: (count > MOST).then_some(OLDER_LEFT_OUT),
    }
}

/// A line of the CLI's transcript as an entry of the journal. What subagents and the CLI itself say
/// is none.
fn said(line: &Value) -> Option<Said> {
    if line["isSidechain"] == true || line["isMeta"] == true {
        return None;
    }
    let uuid = line["uuid"].as_str()?;
    let at = time(&line["timestamp"])?;
    let message = &line["message"];
    let (kind, payload) = match line["type"].as_str()? {
        "user" => match prompt(&message["content"]) {
            Some(text) => {
                let payload = json!({ "text": text, "uuid": uuid, "origin": "import" });
                (EntryKind::UserMessage, payload)
            }
            None => (EntryKind::ClaudeMessage, claude_message(line, uuid)),
        },
        "assistant" => (EntryKind::ClaudeMessage, claude_message(line, uuid)),
        _ => return None,
    };
    Some(Said { kind, payload, at })
}

/// The text of what the user said; none for the results of tools.
fn prompt(content: &Value) -> Option<String> {
    if let Some(text) = content.as_str() {
        return Some(text.to_owned());
    }
    let blocks = content.as_array()?;
    if blocks.iter().any(|block| block["type"] == "tool_result") {
        return None;
    }
    let texts: Vec<&str> = blocks
        .iter()
        .filter_map(|block| block["text"].as_str())
        .collect();
    Some(texts.join("\n"))
}

/// The line as the CLI's output would have had it.
fn claude_message(line: &Value, uuid: &str) -> Value {
    let mut message = json!({
        "type": line["type"],
        "message": line["message"],
        "uuid": uuid,
        "session_id": line["sessionId"],
        "parent_tool_use_id": null,
        "imported": true,
    });
    if let Some(result) = line.get("toolUseResult") {
        message["tool_use_result"] = result.clone();
    }
    message
}

/// Reads the file of a session that the original closed. Not for the runtime's threads.
pub(super) fn of_closed(path: &Path, budget: &mut Budget) -> Transcript {
    let too_large = std::fs::metadata(path).is_ok_and(|meta| meta.len() > LARGEST);
    if too_large || !budget.takes(path) {
        return Transcript {
            cut: Some(TOO_MUCH),
            ..Transcript::default()
        };
    }
    let file = std::fs::read(path).ok();
    let file: Option<Value> = file.and_then(|text| serde_json::from_slice(&text).ok());
    let messages = file.as_ref().and_then(|file| file["messages"].as_array());
    let messages = messages.map(Vec::as_slice).unwrap_or_default();
    let from = messages.len().saturating_sub(MOST);
    Transcript {
        said: messages[from..].iter().filter_map(said_then).collect(),
        cut: (from > 0).then_some(OLDER_LEFT_OUT),
    }
}

/// A message of a closed session's file as an entry of the journal.
fn said_then(message: &Value) -> Option<Said> {
    let id = message["id"].as_str()?;
    let at = time(&message["timestamp"])?;
    let (kind, payload) = match message["source"].as_str()? {
        "user" => {
            let text = message["text"].as_str().unwrap_or_default();
            let payload = json!({ "text": text, "uuid": id, "origin": "import" });
            (EntryKind::UserMessage, payload)
        }
        "agent" => {
            let mut payload = message["message"].clone();
            let fields = payload.as_object_mut()?;
            fields.insert("uuid".to_owned(), id.into());
            fields.insert("imported".to_owned(), true.into());
            (EntryKind::ClaudeMessage, payload)
        }
        _ => return None,
    };
    Some(Said { kind, payload, at })
}

fn time(value: &Value) -> Option<Timestamp> {
    let time = chrono::DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
    Some(time.to_utc())
}

#[cfg(test)]
#[path = "transcript_tests.rs"]
mod tests;
