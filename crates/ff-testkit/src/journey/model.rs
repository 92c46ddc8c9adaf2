//! The scripted model of the journey.
//!
//! It knows neither the note nor its file: it asks for tools, and everything it says or writes is
//! taken from what the real CLI sent back.

use std::time::Duration;

use serde_json::json;

use super::fixture::NOTE_PREFIX;
use crate::messages::{Block, Reply, Scripted, Turn};

/// Marks the second prompt, which asks for no work.
pub(super) const RECALL: &str = "What did you write down?";

/// Pause before each streamed word of the last answer.
const PAUSE: Duration = Duration::from_millis(40);

pub(super) struct NoteTaker;

impl Scripted for NoteTaker {
    fn reply(&self, turn: &Turn) -> Reply {
        if turn.is_side_request() || !turn.offers("Bash") {
            return Reply::text("Noted.");
        }
        if turn.prompt.contains(RECALL) {
            return Reply::text(format!("I was sent {} messages so far.", turn.n_messages));
        }
        let results: Vec<&str> = turn
            .results
            .iter()
            .map(|result| result.text.trim())
            .collect();
        if let Some(failed) = turn.results.iter().find(|result| result.is_error) {
            return Reply::text(format!("a tool failed: {}", failed.text));
        }
        match results.as_slice() {
            [] => bash("pwd; ls"),
            [listing] => match note_in(listing) {
                Some(file) => bash(&format!("cat {file}")),
                None => Reply::text(format!("there is no note in: {listing}")),
            },
            [listing, note] => match (listing.lines().next(), note_in(listing)) {
                (Some(dir), Some(file)) => Reply::tool(
                    "Write",
                    json!({"file_path": format!("{dir}/answer-to-{file}"), "content": format!("I read: {note}\n")}),
                ),
                _ => Reply::text(format!("there is no directory in: {listing}")),
            },
            [_, _, _] => bash(
                "git add --all && git commit --quiet --message 'Answer the note' && git rev-parse HEAD",
            ),
            [_, note, _, commit, ..] => slowly(&format!(
                "The note says: {note} and my answer is commit {commit} ."
            )),
        }
    }
}

fn note_in(listing: &str) -> Option<&str> {
    listing
        .lines()
        .map(str::trim)
        .find(|name| name.starts_with(NOTE_PREFIX))
}

fn bash(command: &str) -> Reply {
    Reply::tool(
        "Bash",
        json!({"command": command, "description": "work on the note"}),
    )
}

fn slowly(text: &str) -> Reply {
    let chunks = text.split_inclusive(' ').map(str::to_owned).collect();
    Reply::blocks(vec![Block::SlowText {
        chunks,
        pause: PAUSE,
    }])
}
