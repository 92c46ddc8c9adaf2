use std::collections::HashMap;

use serde_json::Value;

const MID_TURN_MARK: &str = "The user sent a new message while you were working:";
const MID_TURN_ENDS: [&str; 2] = ["\n\nThis is how Claude Code surfaces", "</system-reminder>"];
const NOT_A_PROMPT: [&str; 6] = [
    "[Request interrupted",
    "<local-command-",
    "<command-name>",
    "<command-message>",
    "<bash-",
    "Caveat: The messages below",
];
const TEXT_ONLY_MARKS: [&str; 2] = ["Do NOT call any tools", "Respond with TEXT ONLY"];

/// One request to the model, reduced to what a script decides on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// The last text the user really typed.
    pub prompt: String,
    /// The tool results that came since that prompt, in order.
    pub results: Vec<ToolOutcome>,
    /// What the user sent while this turn was running, in order.
    pub interjections: Vec<String>,
    /// How many messages the request carries.
    pub n_messages: usize,
    /// The CLI's session id.
    pub session_id: Option<String>,
    /// The model asked for.
    pub model: String,
    /// The names of the tools offered.
    pub tools: Vec<String>,
    /// The request forbids tool calls in words (the CLI's summaries do).
    pub text_only: bool,
}

/// The result of one tool call, as the CLI sent it back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolOutcome {
    /// The id of the tool call.
    pub tool_use_id: String,
    /// The tool's name, when its call is in the conversation.
    pub name: Option<String>,
    /// The result's text, verbatim.
    pub text: String,
    /// Whether the tool failed or was refused.
    pub is_error: bool,
}

impl Turn {
    /// Reads a request body of the Messages API.
    pub fn from_body(body: &Value, session_header: Option<&str>) -> Self {
        let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
        let mut turn = Self {
            n_messages: messages.len(),
            session_id: session_header
                .map(str::to_owned)
                .or_else(|| session_in_metadata(body)),
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            tools: names_of_tools(body),
            ..Self::default()
        };
        let mut calls = HashMap::new();
        for message in messages {
            match message["role"].as_str() {
                Some("assistant") => {
                    for block in blocks_of(&message["content"]) {
                        remember_call(block, &mut calls);
                    }
                }
                Some("system") => turn.read_system(&message["content"]),
                _ => turn.read_user(&message["content"], &calls),
            }
        }
        turn.text_only = TEXT_ONLY_MARKS
            .iter()
            .any(|mark| turn.prompt.contains(mark));
        turn
    }

    /// Whether the tool may be requested.
    pub fn offers(&self, tool: &str) -> bool {
        !self.text_only && self.tools.iter().any(|name| name == tool)
    }

    /// Whether this is the CLI's own request beside the conversation (a title, a summary), where no tool may be used.
    pub fn is_side_request(&self) -> bool {
        self.text_only || self.tools.is_empty()
    }

    fn read_user(&mut self, content: &Value, calls: &HashMap<String, String>) {
        if let Some(text) = content.as_str() {
            return self.read_text(text);
        }
        for block in blocks_of(content) {
            match block["type"].as_str() {
                Some("text") => self.read_text(block["text"].as_str().unwrap_or_default()),
                Some("tool_result") => self.results.push(outcome(block, calls)),
                _ => {}
            }
        }
    }

    fn read_text(&mut self, text: &str) {
        if text.contains(MID_TURN_MARK) {
            return self.interjections.extend(interjections(text));
        }
        let text = without_reminders(text);
        if text.is_empty() || NOT_A_PROMPT.iter().any(|mark| text.starts_with(mark)) {
            return;
        }
        self.prompt = text;
        self.results.clear();
        self.interjections.clear();
    }

    fn read_system(&mut self, content: &Value) {
        let texts = content.as_str().into_iter().map(str::to_owned);
        let blocks = blocks_of(content)
            .iter()
            .filter_map(|block| block["text"].as_str().map(str::to_owned));
        for text in texts.chain(blocks) {
            self.interjections.extend(interjections(&text));
        }
    }
}

fn session_in_metadata(body: &Value) -> Option<String> {
    let metadata: Value = serde_json::from_str(body["metadata"]["user_id"].as_str()?).ok()?;
    Some(metadata["session_id"].as_str()?.to_owned())
}

fn names_of_tools(body: &Value) -> Vec<String> {
    let tools = body["tools"].as_array().map_or(&[][..], Vec::as_slice);
    tools
        .iter()
        .filter_map(|tool| tool["name"].as_str().map(str::to_owned))
        .collect()
}

fn blocks_of(content: &Value) -> &[Value] {
    content.as_array().map_or(&[], Vec::as_slice)
}

fn remember_call(block: &Value, calls: &mut HashMap<String, String>) {
    if let (Some("tool_use"), Some(id), Some(name)) = (
        block["type"].as_str(),
        block["id"].as_str(),
        block["name"].as_str(),
    ) {
        calls.insert(id.to_owned(), name.to_owned());
    }
}

fn outcome(block: &Value, calls: &HashMap<String, String>) -> ToolOutcome {
    let tool_use_id = block["tool_use_id"].as_str().unwrap_or_default().to_owned();
    ToolOutcome {
        name: calls.get(&tool_use_id).cloned(),
        tool_use_id,
        text: text_of(&block["content"]),
        is_error: block["is_error"].as_bool().unwrap_or(false),
    }
}

fn text_of(content: &Value) -> String {
    if let Some(text) = content.as_str() {
        return text.to_owned();
    }
    let parts: Vec<String> = blocks_of(content)
        .iter()
        .map(|block| match block["text"].as_str() {
            Some(text) => text.to_owned(),
            None => format!("[{}]", block["type"].as_str().unwrap_or("unknown")),
        })
        .collect();
    parts.join("\n")
}

/// The user's texts inside the CLI's notes about messages sent mid-turn; one block may hold several notes.
fn interjections(text: &str) -> impl Iterator<Item = String> {
    text.split(MID_TURN_MARK).skip(1).map(|note| {
        let end = MID_TURN_ENDS
            .iter()
            .filter_map(|mark| note.find(mark))
            .min();
        note[..end.unwrap_or(note.len())].trim().to_owned()
    })
}

fn without_reminders(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<system-reminder>") {
        kept.push_str(before);
        rest = after
            .split_once("</system-reminder>")
            .map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept.trim().to_owned()
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
