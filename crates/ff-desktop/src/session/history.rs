//! What was said before, for people.

use ff_protocol::session::{EntryKind, JournalEntry};

use crate::clean::clean;
use crate::session::follow::{Request, tool_lines};

/// The entries of the last exchange: from the user's last message on.
pub fn last_exchange(entries: &[JournalEntry]) -> &[JournalEntry] {
    let is_users = |entry: &JournalEntry| entry.kind == EntryKind::UserMessage;
    let from = entries.iter().rposition(is_users).unwrap_or_default();
    &entries[from..]
}

/// A message for people; entries without words for them are left out.
pub fn message(entry: &JournalEntry) -> Option<String> {
    match entry.kind {
        EntryKind::UserMessage => Some(format!("you: {}", clean(&entry.text()))),
        EntryKind::ClaudeMessage if entry.payload["type"] == "assistant" => {
            let text = entry.text();
            let mut lines = Vec::new();
            if !text.is_empty() {
                lines.push(format!("claude: {}", clean(text.trim_end())));
            }
            lines.extend(tool_lines(&entry.payload["message"]["content"]));
            (!lines.is_empty()).then(|| lines.join("\n"))
        }
        EntryKind::Request => {
            let request = Request::of(&entry.payload)?;
            let lines = request.lines().join("\n");
            Some(format!("{lines}\n  request {}", request.id))
        }
        EntryKind::ClaudeMessage | EntryKind::TurnEnded | EntryKind::Answer | EntryKind::Status => {
            None
        }
    }
}
