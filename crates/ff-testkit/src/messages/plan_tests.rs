use super::*;

fn turn(prompt: &str, results: &[(&str, bool)]) -> Turn {
    Turn {
        prompt: prompt.to_owned(),
        results: results
            .iter()
            .map(|(text, is_error)| ToolOutcome {
                text: (*text).to_owned(),
                is_error: *is_error,
                ..ToolOutcome::default()
            })
            .collect(),
        tools: vec!["Bash".to_owned(), "Write".to_owned()],
        ..Turn::default()
    }
}

fn reply(turn: &Turn) -> Vec<Block> {
    PromptPlan.reply(turn).blocks
}

fn text(text: &str) -> Block {
    Block::Text(text.to_owned())
}

fn tool(name: &str, input: Value) -> Block {
    Block::ToolUse {
        name: name.to_owned(),
        input,
    }
}

const PLAN: &str = "please\nSAY first\nTOOL Write {\"file_path\":\"a\"}\nSAY between\nTOOL Bash {\"command\":\"ls\"}\nSAY last";

#[test]
fn one_tool_per_message_then_the_results_verbatim() {
    assert_eq!(
        reply(&turn(PLAN, &[])),
        [text("first"), tool("Write", json!({"file_path": "a"}))]
    );
    let one = turn(PLAN, &[("made\n it", false)]);
    assert_eq!(
        reply(&one),
        [text("between"), tool("Bash", json!({"command": "ls"}))]
    );
    let two = turn(PLAN, &[("made\n it", false), ("no", true)]);
    assert_eq!(
        reply(&two),
        [
            text("last"),
            text("results:\n[1 ok] made\n it\n[2 error] no")
        ]
    );
}

#[test]
fn free_text_lists_the_files() {
    let asked = reply(&turn("What files are in this repo?", &[]));
    assert!(
        matches!(&asked[..], [Block::ToolUse { name, input }] if name == "Bash" && input["command"] == "ls -A")
    );
    let done = turn("What files are in this repo?", &[("README.md", false)]);
    assert_eq!(reply(&done), [text("results:\n[1 ok] README.md")]);
}

#[test]
fn side_requests_get_plain_text() {
    let mut side = turn("ERR 500\nTOOL Bash {}", &[]);
    side.tools.clear();
    assert_eq!(PromptPlan.reply(&side), Reply::text(SIDE_REPLY));
    let mut summary = turn("TOOL Bash {}", &[]);
    summary.text_only = true;
    assert_eq!(PromptPlan.reply(&summary), Reply::text(SUMMARY));
}

#[test]
fn a_tool_that_is_not_offered_is_never_requested() {
    let plan = turn("TOOL Nope {}\nTOOL Bash {\"command\":\"ls\"}", &[]);
    assert_eq!(
        reply(&plan),
        [
            text("The tool Nope is not offered."),
            tool("Bash", json!({"command": "ls"}))
        ]
    );
    let done = turn(
        "TOOL Nope {}\nTOOL Bash {\"command\":\"ls\"}",
        &[("x", false)],
    );
    assert_eq!(reply(&done), [text("results:\n[1 ok] x")]);
}

#[test]
fn errors_and_slow_streams_come_at_their_place() {
    let plan = turn("SLOW 3\nTOOL Bash {}\nERR 529", &[]);
    assert!(
        matches!(&reply(&plan)[..], [Block::SlowText { chunks, .. }, Block::ToolUse { .. }] if chunks.len() == 3)
    );
    let after = turn("SLOW 3\nTOOL Bash {}\nERR 529", &[("x", false)]);
    assert_eq!(PromptPlan.reply(&after).error, Some(529));
}

#[test]
fn what_cannot_be_read_is_said() {
    let Block::Text(said) = &reply(&turn("TOOL Bash {not json", &[]))[0] else {
        panic!("no text")
    };
    assert!(said.contains("TOOL Bash {not json"));
}

#[test]
fn messages_sent_mid_turn_extend_the_plan_or_are_quoted() {
    let mut mid = turn("TOOL Bash {}", &[("x", false)]);
    mid.interjections = vec!["TOOL Write {}".to_owned(), "hurry".to_owned()];
    assert_eq!(reply(&mid), [tool("Write", json!({}))]);
    mid.results.push(ToolOutcome {
        text: "y".to_owned(),
        ..ToolOutcome::default()
    });
    assert_eq!(
        reply(&mid),
        [text("results:\n[1 ok] x\n[2 ok] y\nheard: hurry")]
    );
}

#[test]
fn quotes_are_whole_up_to_the_limit() {
    let long = "x".repeat(MAX_QUOTE);
    assert_eq!(quote(&long), long);
    assert!(quote(&format!("{long}é")).ends_with("bytes in all)"));
}
