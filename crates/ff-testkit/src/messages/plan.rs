use std::time::Duration;

use serde_json::{Value, json};

use super::reply::{Block, Reply, Scripted};
use super::turn::{ToolOutcome, Turn};

/// The reply to the CLI's side requests.
const SIDE_REPLY: &str = "Noted.";

/// The reply when the CLI asks for a summary of the conversation.
const SUMMARY: &str =
    "<analysis>Nothing to add.</analysis>\n<summary>The conversation so far.</summary>";

const SLOW_PAUSE: Duration = Duration::from_millis(100);
const MAX_QUOTE: usize = 64 * 1024;

/// The default script: the user's prompt carries the plan, one directive per line.
///
/// - `TOOL <Name> <json>` requests that tool; the next directive follows only after its result arrived
/// - `SAY <text>` says a text
/// - `SLOW <n>` streams n chunks, one every 100 ms
/// - `ERR <status>` answers with that HTTP status
///
/// Other lines are ignored; a prompt without any directive asks Bash for `ls -A`. The last message quotes every
/// tool result as the CLI sent it, as `results:` and lines `[1 ok] <text>` or `[2 error] <text>`. What the user sends
/// while the turn runs is appended to the plan, or quoted when it holds no directive.
#[derive(Clone, Copy, Debug, Default)]
pub struct PromptPlan;

#[derive(Clone, Debug, PartialEq)]
enum Directive {
    Tool { name: String, input: Value },
    Say(String),
    Slow(usize),
    Err(u16),
}

impl Scripted for PromptPlan {
    fn reply(&self, turn: &Turn) -> Reply {
        if turn.is_side_request() || turn.prompt.starts_with("<task-notification>") {
            return side_reply(turn);
        }
        let (plan, heard) = plan_of(turn);
        let (step, last) = step_after(&plan, turn.results.len());
        let mut blocks = Vec::new();
        for directive in step {
            match directive {
                Directive::Tool { name, input } => {
                    blocks.push(Block::ToolUse {
                        name: name.clone(),
                        input: input.clone(),
                    });
                }
                Directive::Say(text) => blocks.push(Block::Text(text.clone())),
                Directive::Slow(n) => blocks.push(slow(*n)),
                Directive::Err(status) => return Reply::error(*status),
            }
        }
        if last {
            blocks.extend(answer(&turn.results, &heard).map(Block::Text));
        }
        if blocks.is_empty() {
            blocks.push(Block::Text("Done.".to_owned()));
        }
        Reply::blocks(blocks)
    }
}

/// A plain text for a request in which no tool may be used.
pub(super) fn side_reply(turn: &Turn) -> Reply {
    Reply::text(if turn.text_only { SUMMARY } else { SIDE_REPLY })
}

fn plan_of(turn: &Turn) -> (Vec<Directive>, Vec<String>) {
    let mut plan = parse(&turn.prompt);
    if plan.is_empty() {
        let input = json!({"command": "ls -A", "description": "List the files"});
        plan.push(Directive::Tool {
            name: "Bash".to_owned(),
            input,
        });
    }
    let mut heard = Vec::new();
    for text in &turn.interjections {
        let more = parse(text);
        if more.is_empty() {
            heard.push(text.clone());
        }
        plan.extend(more);
    }
    for directive in &mut plan {
        if let Directive::Tool { name, .. } = directive
            && !turn.offers(name)
        {
            *directive = Directive::Say(format!("The tool {name} is not offered."));
        }
    }
    (plan, heard)
}

fn parse(prompt: &str) -> Vec<Directive> {
    prompt
        .lines()
        .filter_map(|line| parse_line(line.trim()))
        .collect()
}

fn parse_line(line: &str) -> Option<Directive> {
    let (word, rest) = line.split_once(char::is_whitespace)?;
    let rest = rest.trim();
    let broken = || Directive::Say(format!("Not a directive I can read: {line}"));
    Some(match word {
        "TOOL" => {
            let (name, input) = rest.split_once(char::is_whitespace).unwrap_or((rest, "{}"));
            match serde_json::from_str(input) {
                Ok(input) => Directive::Tool {
                    name: name.to_owned(),
                    input,
                },
                Err(_) => broken(),
            }
        }
        "SAY" => Directive::Say(rest.to_owned()),
        "SLOW" => rest.parse().map_or_else(|_| broken(), Directive::Slow),
        "ERR" => rest.parse().map_or_else(|_| broken(), Directive::Err),
        _ => return None,
    })
}

/// The directives of the message that follows `done` tool results, and whether it is the last message.
fn step_after(plan: &[Directive], done: usize) -> (&[Directive], bool) {
    let is_tool = |directive: &Directive| matches!(directive, Directive::Tool { .. });
    let ends: Vec<usize> = plan
        .iter()
        .enumerate()
        .filter(|(_, d)| is_tool(d))
        .map(|(i, _)| i + 1)
        .collect();
    let start = match done {
        0 => 0,
        _ => ends.get(done - 1).copied().unwrap_or(plan.len()),
    };
    match ends.get(done) {
        Some(end) => (&plan[start..*end], false),
        None => (&plan[start..], true),
    }
}

fn slow(n: usize) -> Block {
    let chunks = (1..=n).map(|i| format!("slow {i}/{n}\n")).collect();
    Block::SlowText {
        chunks,
        pause: SLOW_PAUSE,
    }
}

fn answer(results: &[ToolOutcome], heard: &[String]) -> Option<String> {
    let mut parts = Vec::new();
    if !results.is_empty() {
        parts.push("results:".to_owned());
    }
    for (i, result) in results.iter().enumerate() {
        let word = if result.is_error { "error" } else { "ok" };
        parts.push(format!("[{} {word}] {}", i + 1, quote(&result.text)));
    }
    parts.extend(heard.iter().map(|text| format!("heard: {}", quote(text))));
    (!parts.is_empty()).then(|| parts.join("\n"))
}

fn quote(text: &str) -> String {
    if text.len() <= MAX_QUOTE {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(MAX_QUOTE);
    format!("{}… ({} bytes in all)", &text[..end], text.len())
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
