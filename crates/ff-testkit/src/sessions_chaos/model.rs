//! The model of the suite: it does in each conversation what it was told to, and notes what it was
//! asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;

use crate::messages::{Block, Gate, Reply, Scripted, Turn};

/// What it says before the gate of [`Act::Stream`].
pub const FIRST_HALF: &str = "the first half, ";
/// What it says after it.
pub const SECOND_HALF: &str = "and the second";

/// What the model does with whatever it is asked.
#[derive(Debug, Clone)]
pub enum Act {
    /// It says a word.
    Say,
    /// It stops in the middle of its answer until the gate is open.
    Stream(Gate),
    /// It runs a command, then says what came of it.
    Tool(String),
}

/// The model. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Model(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    acts: HashMap<String, Act>,
    /// The newest message of each request that began with it: no tool had run since.
    asked: Vec<String>,
}

impl Model {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on it does this in a conversation, by the CLI's id.
    pub fn act(&self, conversation: &str, act: Act) {
        self.inner().acts.insert(conversation.to_owned(), act);
    }

    /// How often this was the newest message of a request, no tool having run since.
    pub fn asked(&self, text: &str) -> usize {
        let inner = self.inner();
        inner.asked.iter().filter(|it| *it == text).count()
    }
}

impl Scripted for Model {
    fn reply(&self, turn: &Turn) -> Reply {
        if turn.is_side_request() {
            return Reply::text("Noted.");
        }
        let mut inner = self.inner();
        if turn.results.is_empty() {
            inner.asked.push(turn.prompt.clone());
        }
        let conversation = turn.session_id.as_deref().unwrap_or_default();
        match inner.acts.get(conversation) {
            None | Some(Act::Say) => Reply::text("Said."),
            Some(Act::Stream(gate)) => Reply::blocks(vec![Block::HeldText {
                before: FIRST_HALF.to_owned(),
                gate: gate.clone(),
                after: SECOND_HALF.to_owned(),
            }]),
            Some(Act::Tool(command)) => match turn.results.as_slice() {
                [] => Reply::tool(
                    "Bash",
                    json!({"command": command, "description": "append a line"}),
                ),
                [.., last] => Reply::text(format!("The tool said {:?}.", last.text)),
            },
        }
    }
}
