//! The words for what a session does: text as it is written, each tool call on a line. Pure.

use ff_protocol::SessionId;
use ff_protocol::session::{EntryKind, JournalEntry};
use ff_protocol::socket::DeltaKind;

use super::Happening;
use super::look::Look;
use super::request::Request;
use super::tools::{result_lines, tool_lines};
use crate::clean::{clean, clean_line};

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
    look: Look,
    text: Written,
    thinking: Written,
    mid_line: bool,
    last: DeltaKind,
}

/// What was shown of a message still being written.
#[derive(Debug, Default)]
struct Written {
    text: String,
    /// The next piece begins with all of it.
    again: bool,
}

impl Written {
    /// The part of a piece that was not shown yet.
    fn news(&mut self, piece: &str) -> String {
        if !std::mem::take(&mut self.again) {
            self.text.push_str(piece);
            return piece.to_owned();
        }
        let before = std::mem::replace(&mut self.text, piece.to_owned());
        rest_after(&before, piece)
    }
}

impl Render {
    /// Shows what comes after this entry in this session.
    pub fn new(session: SessionId, after: u64, look: Look) -> Self {
        Self {
            session,
            after,
            look,
            text: Written::default(),
            thinking: Written::default(),
            mid_line: false,
            last: DeltaKind::Text,
        }
    }

    /// What to show for this.
    pub fn show(&mut self, happening: &Happening) -> Shown {
        match happening {
            Happening::Delta(session, kind, piece) if *session == self.session => {
                self.piece(*kind, piece)
            }
            Happening::Entry(entry) if self.is_news(entry) => {
                self.after = entry.seq;
                self.entry(entry)
            }
            Happening::CaughtUp => {
                self.text.again = true;
                self.thinking.again = true;
                Shown::default()
            }
            Happening::Note(note) => self.beside(vec![format!("note: {}", clean_line(note))]),
            Happening::Asleep => self.beside(vec![
                "note: the VM went to sleep; what you say wakes it".into(),
            ]),
            Happening::Delta(..)
            | Happening::Entry(_)
            | Happening::Status(_)
            | Happening::Changed => Shown::default(),
        }
    }

    /// Whether this is an entry of its session that was not shown yet.
    pub fn is_news(&self, entry: &JournalEntry) -> bool {
        entry.session_id == self.session && entry.seq > self.after
    }

    /// What is new in a piece of a message of its session.
    pub fn news(&mut self, kind: DeltaKind, piece: &str) -> String {
        match kind {
            DeltaKind::Thinking => self.thinking.news(piece),
            DeltaKind::Text => self.text.news(piece),
        }
    }

    /// Whether the last line is not over.
    pub fn is_mid_line(&self) -> bool {
        self.mid_line
    }

    /// What ends the last line.
    pub fn end(&mut self) -> &'static str {
        if std::mem::take(&mut self.mid_line) {
            "\n"
        } else {
            ""
        }
    }

    fn piece(&mut self, kind: DeltaKind, piece: &str) -> Shown {
        let thinks = kind == DeltaKind::Thinking;
        if thinks && !self.look.detail {
            return Shown::default();
        }
        let news = self.news(kind, piece);
        self.write(kind, &news)
    }

    fn write(&mut self, kind: DeltaKind, text: &str) -> Shown {
        if text.is_empty() {
            return Shown::default();
        }
        let mut shown = String::new();
        if std::mem::replace(&mut self.last, kind) != kind {
            shown.push_str(self.end());
        }
        self.mid_line = !text.ends_with('\n');
        match kind {
            DeltaKind::Text => shown.push_str(&clean(text)),
            DeltaKind::Thinking => shown.push_str(&self.look.dim(&clean(text))),
        }
        Shown {
            text: shown,
            ..Shown::default()
        }
    }

    fn beside(&mut self, lines: Vec<String>) -> Shown {
        let text = match lines.is_empty() {
            true => "",
            false => self.end(),
        };
        Shown {
            text: text.to_owned(),
            lines,
            request: None,
        }
    }

    fn entry(&mut self, entry: &JournalEntry) -> Shown {
        let payload = &entry.payload;
        match entry.kind {
            EntryKind::ClaudeMessage => match payload["type"].as_str() {
                // A subagent's message comes between the pieces of ours.
                Some("assistant") if payload["parent_tool_use_id"].is_string() => {
                    let calls = tool_lines(&payload["message"]["content"]);
                    self.beside(calls.iter().map(|line| format!("  {line}")).collect())
                }
                Some("assistant") => self.assistant(entry),
                Some("login_required") => {
                    let reason = payload["reason"].as_str().unwrap_or_default();
                    self.beside(vec![format!(
                        "note: waits for a login ({reason}): run `claude auth login` in a terminal there"
                    )])
                }
                Some("user") if self.look.detail => {
                    let lines = result_lines(payload, self.look);
                    self.beside(lines)
                }
                Some("system") if self.look.detail => {
                    let note = system_note(payload);
                    self.beside(note.into_iter().collect())
                }
                _ => Shown::default(),
            },
            EntryKind::Request => Shown {
                text: self.end().to_owned(),
                request: Request::of(payload),
                lines: Vec::new(),
            },
            EntryKind::TurnEnded => {
                self.text = Written::default();
                self.thinking = Written::default();
                let end = self.end().to_owned();
                Shown {
                    text: end,
                    ..Shown::default()
                }
            }
            EntryKind::UserMessage | EntryKind::Answer | EntryKind::Status => Shown::default(),
        }
    }

    fn assistant(&mut self, entry: &JournalEntry) -> Shown {
        let whole = entry.text();
        self.thinking = Written::default();
        let mut shown = Shown::default();
        if !whole.is_empty() {
            let written = std::mem::take(&mut self.text).text;
            shown = self.write(DeltaKind::Text, &rest_after(&written, &whole));
            shown.text.push_str(self.end());
        }
        shown.lines = tool_lines(&entry.payload["message"]["content"]);
        if !shown.lines.is_empty() {
            shown.text.push_str(self.end());
        }
        shown
    }
}

/// What follows in `whole` on what of it stands there already. Where they part, the rest begins
/// on a line of its own: nothing is left out.
fn rest_after(shown: &str, whole: &str) -> String {
    let common = shown
        .char_indices()
        .zip(whole.chars())
        .find(|((_, a), b)| a != b)
        .map_or(shown.len().min(whole.len()), |((at, _), _)| at);
    let rest = whole.get(common..).unwrap_or_default();
    match common < shown.len() && !rest.is_empty() {
        true => format!("\n{rest}"),
        false => rest.to_owned(),
    }
}

/// The words for a note of the CLI's own.
fn system_note(payload: &serde_json::Value) -> Option<String> {
    let text = |key: &str| payload[key].as_str().map(clean_line);
    Some(match payload["subtype"].as_str()? {
        "api_retry" => format!(
            "note: the API does not answer ({}); attempt {} of {}",
            clean_line(&payload["error_status"].to_string()),
            payload["attempt"],
            payload["max_retries"]
        ),
        "compact_boundary" => "note: the conversation so far was compacted".into(),
        "permission_denied" => format!(
            "note: {} was refused: {}",
            text("tool_name").unwrap_or_default(),
            text("message").unwrap_or_default()
        ),
        "informational" => format!("note: {}", text("content").or_else(|| text("message"))?),
        _ => return None,
    })
}
