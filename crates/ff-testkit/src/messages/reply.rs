use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::turn::Turn;

/// A place in a stream where the model waits until it is opened, once and for all. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Gate(CancellationToken);

impl Gate {
    /// Lets through whoever waits and whoever comes.
    pub fn open(&self) {
        self.0.cancel();
    }

    /// Returns once it is open.
    pub async fn passed(&self) {
        self.0.cancelled().await;
    }
}

/// Whether it is the same gate.
impl PartialEq for Gate {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

/// One content block of an assistant message.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Text, streamed at once.
    Text(String),
    /// Text streamed chunk by chunk with a pause before each.
    SlowText {
        /// The chunks, in order.
        chunks: Vec<String>,
        /// The pause before each chunk.
        pause: Duration,
    },
    /// Text that stops in its middle until a gate is open.
    HeldText {
        /// What is streamed at once.
        before: String,
        /// What it waits for.
        gate: Gate,
        /// The rest.
        after: String,
    },
    /// Extended thinking.
    Thinking(String),
    /// A request to run a tool.
    ToolUse {
        /// The tool's name.
        name: String,
        /// The tool's input.
        input: Value,
    },
}

/// What the model answers to one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// The content of the assistant message.
    pub blocks: Vec<Block>,
    /// How long to wait before the response starts.
    pub delay: Duration,
    /// Answer with this HTTP status and an API error instead of `blocks`.
    pub error: Option<u16>,
}

impl Reply {
    /// A message of these blocks.
    pub fn blocks(blocks: Vec<Block>) -> Self {
        Self {
            blocks,
            ..Self::default()
        }
    }

    /// A message of one text block.
    pub fn text(text: impl Into<String>) -> Self {
        Self::blocks(vec![Block::Text(text.into())])
    }

    /// A message that requests one tool.
    pub fn tool(name: impl Into<String>, input: Value) -> Self {
        Self::blocks(vec![Block::ToolUse {
            name: name.into(),
            input,
        }])
    }

    /// An API error with this HTTP status.
    pub fn error(status: u16) -> Self {
        Self {
            error: Some(status),
            ..Self::default()
        }
    }

    /// The same reply, started later.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

/// Decides what the model answers. Implemented by closures `Fn(&Turn) -> Reply`.
pub trait Scripted: Send + Sync + 'static {
    /// The answer to this request.
    fn reply(&self, turn: &Turn) -> Reply;
}

impl<F: Fn(&Turn) -> Reply + Send + Sync + 'static> Scripted for F {
    fn reply(&self, turn: &Turn) -> Reply {
        self(turn)
    }
}

/// A script that gives its replies one after the other, whatever is asked, then says so.
///
/// Requests that offer no tools are the CLI's own side requests: they get a plain text and use up nothing.
#[derive(Debug, Default)]
pub struct Sequence(Mutex<VecDeque<Reply>>);

impl Sequence {
    /// A script of these replies.
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self(Mutex::new(replies.into_iter().collect()))
    }
}

impl Scripted for Sequence {
    fn reply(&self, turn: &Turn) -> Reply {
        if turn.is_side_request() {
            return super::plan::side_reply(turn);
        }
        let next = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        next.unwrap_or_else(|| Reply::text("The script has no more replies."))
    }
}
