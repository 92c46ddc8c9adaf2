//! The words for what a session does: text as it is written, each tool call on a line. Pure.

use ff_protocol::SessionId;
use ff_protocol::session::{EntryKind, JournalEntry};
use serde_json::Value;

use super::Happening;
use super::request::Request;

/// Longest line for a tool call, in characters.
const LINE: usize = 120;

/// What to show for a happening.
#[derive(Debug, Default, PartialEq)]
pub struct Shown {
    /// Text of the model, for stdout.
    pub text: String,
    /// Lines beside it, for stderr.
    pub lines: Vec<String>,
    /// A request the user has to answer.
    pub request: Option<Request>,
}

/// Shows one session and leaves out the others of its workspace.
#[derive(Debug)]
pub struct Render {
    session: SessionId,
    /// Entries up to this one are old.
    after: u64,
    /// Text of the message being written that was shown already.
    streamed: String,
    mid_line: bool,
}

impl Render {
    /// Shows what comes after this entry in this session.
    pub fn new(session: SessionId, after: u64) -> Self {
        Self {
            session,
            after,
            streamed: String::new(),
            mid_line: false,
        }
    }

    /// What to show for this.
    pub fn show(&mut self, happening: &Happening) -> Shown {
        match happening {
            Happening::Delta(session, text) if *session == self.session => {
                self.streamed.push_str(text);
                self.text(text.clone())
            }
            Happening::Entry(entry)
                if entry.session_id == self.session && entry.seq > self.after =>
            {
                self.after = entry.seq;
                self.entry(entry)
            }
            Happening::Note(note) => Shown {
                lines: vec![format!("note: {note}")],
                ..Shown::default()
            },
            Happening::Delta(..) | Happening::Entry(_) | Happening::Status(_) => Shown::default(),
        }
    }

    /// What ends the last line.
    pub fn end(&mut self) -> &'static str {
        if std::mem::take(&mut self.mid_line) {
            "\n"
        } else {
            ""
        }
    }

    fn text(&mut self, text: String) -> Shown {
        if !text.is_empty() {
            self.mid_line = !text.ends_with('\n');
        }
        Shown {
            text,
            ..Shown::default()
        }
    }

    fn entry(&mut self, entry: &JournalEntry) -> Shown {
        match entry.kind {
            EntryKind::ClaudeMessage if entry.payload["type"] == "assistant" => {
                self.assistant(entry)
            }
            EntryKind::ClaudeMessage if entry.payload["type"] == "login_required" => {
                let reason = entry.payload["reason"].as_str().unwrap_or_default();
                let line = format!(
                    "note: waits for a login ({reason}): run `claude auth login` in a terminal there"
                );
                Shown {
                    text: self.end().to_owned(),
                    lines: vec![line],
                    request: None,
                }
            }
            EntryKind::Request => Shown {
                text: self.end().to_owned(),
                request: Request::of(&entry.payload),
                lines: Vec::new(),
            },
            _ => Shown::default(),
        }
    }

    fn assistant(&mut self, entry: &JournalEntry) -> Shown {
        let whole = entry.text();
        let streamed = std::mem::take(&mut self.streamed);
        let mut shown = match whole.strip_prefix(streamed.as_str()) {
            Some(rest) => self.text(rest.to_owned()),
            // Deltas of another message, or some were lost: what stands there already stays.
            None => Shown::default(),
        };
        if !whole.is_empty() {
            shown.text.push_str(self.end());
        }
        shown.lines = tool_lines(&entry.payload["message"]["content"]);
        if !shown.lines.is_empty() {
            shown.text.push_str(self.end());
        }
        shown
    }
}

/// A line for each tool call among the blocks of a message.
pub fn tool_lines(content: &Value) -> Vec<String> {
    let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
    let calls = blocks.iter().filter(|block| block["type"] == "tool_use");
    calls
        .map(|call| {
            let name = call["name"].as_str().unwrap_or("tool");
            cut(&format!("> {name}: {}", summary(&call["input"])))
        })
        .collect()
}

/// What a tool call is about, on one line.
pub fn summary(input: &Value) -> String {
    const TELLING: [&str; 8] = [
        "command",
        "file_path",
        "path",
        "pattern",
        "url",
        "query",
        "description",
        "prompt",
    ];
    let telling = TELLING.iter().find_map(|key| input[*key].as_str());
    let text = telling.map_or_else(|| input.to_string(), str::to_owned);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cut(line: &str) -> String {
    if line.chars().count() <= LINE {
        return line.to_owned();
    }
    let head: String = line.chars().take(LINE - 3).collect();
    format!("{head}...")
}
