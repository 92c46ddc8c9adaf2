//! The words for calls of tools and what came of them. Pure.

use serde_json::Value;

use super::look::Look;
use crate::clean::{clean, clean_line, cut};

/// Most lines of a change of a file.
const CHANGE: usize = 40;

/// A line for each tool call among the blocks of a message.
pub fn tool_lines(content: &Value) -> Vec<String> {
    let calls = blocks(content).filter(|block| block["type"] == "tool_use");
    calls
        .map(|call| {
            let name = call["name"].as_str().unwrap_or("tool");
            cut(&format!(
                "> {}: {}",
                clean_line(name),
                summary(&call["input"])
            ))
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
    let question = || input["questions"][0]["question"].as_str();
    let telling = TELLING.iter().find_map(|key| input[*key].as_str());
    let telling = telling.or_else(question);
    clean_line(&telling.map_or_else(|| input.to_string(), str::to_owned))
}

/// The lines for the results of tools in an entry of the CLI's: a change of a file as a diff,
/// other results by their beginning.
pub fn result_lines(payload: &Value, look: Look) -> Vec<String> {
    let results = blocks(&payload["message"]["content"]).filter(|b| b["type"] == "tool_result");
    results
        .flat_map(|result| {
            let failed = result["is_error"] == true;
            let text = result_text(&result["content"]);
            if failed {
                return vec![look.removed(&cut(&format!("  ! {}", beginning(&text))))];
            }
            let change = change(&payload["tool_use_result"], look);
            match change.is_empty() {
                true => vec![look.dim(&cut(&format!("  < {}", beginning(&text))))],
                false => change,
            }
        })
        .collect()
}

/// The change that an `Edit` or `Write` made, as the CLI tells it.
fn change(result: &Value, look: Look) -> Vec<String> {
    let hunks = array(&result["structuredPatch"]);
    let fresh = match (hunks.is_empty(), result["type"].as_str()) {
        (true, Some("create")) => result["content"].as_str(),
        _ => None,
    };
    let patch = hunks.iter().flat_map(|hunk| array(&hunk["lines"]));
    let lines: Vec<String> = match fresh {
        Some(content) => content.lines().map(|line| format!("+{line}")).collect(),
        None => patch
            .filter_map(|line| line.as_str().map(str::to_owned))
            .collect(),
    };
    let painted = |line: &String| {
        let line = cut(&format!("  {}", clean(line).replace('\n', " ")));
        match line.trim_start().chars().next() {
            Some('+') => look.added(&line),
            Some('-') => look.removed(&line),
            _ => look.dim(&line),
        }
    };
    let mut shown: Vec<String> = lines.iter().take(CHANGE).map(painted).collect();
    if lines.len() > CHANGE {
        let rest = format!("  ... {} more lines", lines.len() - CHANGE);
        shown.push(look.dim(&rest));
    }
    shown
}

fn result_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        _ => {
            let texts = blocks(content).filter_map(|block| block["text"].as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
    }
}

/// The first line that says something, and how many follow.
fn beginning(text: &str) -> String {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = clean_line(lines.next().unwrap_or("(nothing)"));
    match lines.count() {
        0 => first,
        more => format!("{first} (+{more} lines)"),
    }
}

fn blocks(content: &Value) -> impl Iterator<Item = &Value> {
    array(content).iter()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
