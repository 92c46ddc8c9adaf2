use serde_json::{Value, json};

use super::super::protocol::parse;
use super::*;

fn line(turn: &mut Turn, line: Value) -> Option<Finished> {
    turn.line(&parse(line.to_string().as_bytes()).unwrap())
}

fn init() -> Value {
    json!({"type":"system","subtype":"init","session_id":"s"})
}

fn result(uuids: &[&str], is_error: bool, text: &str) -> Value {
    json!({"type":"result","subtype":"success","is_error":is_error,"result":text,
        "terminal_reason":"completed","user_message_uuids":uuids})
}

fn aborted(uuid: &str) -> Value {
    json!({"type":"result","subtype":"error_during_execution","is_error":true,
        "errors":["cut"],"terminal_reason":"aborted_tools","user_message_uuids":[uuid]})
}

fn started(uuid: &str) -> Turn {
    let mut turn = Turn::default();
    turn.prompt_sent(uuid);
    turn
}

#[test]
fn a_turn_completes_with_its_text() {
    let mut turn = started("u");
    assert_eq!(turn.activity(0), Activity::Working);
    assert_eq!(line(&mut turn, init()), None);
    let end = line(&mut turn, result(&["u"], false, "done")).unwrap();
    let expected = Finished {
        prompt: Some("u".into()),
        result: Some("done".into()),
        ..Finished::of(TurnOutcome::Completed)
    };
    assert_eq!(end, expected);
    assert!(turn.is_quiet());
    assert_eq!(turn.activity(0), Activity::Idle);
}

#[test]
fn success_with_is_error_is_a_failure() {
    let mut turn = started("u");
    let end = line(&mut turn, result(&["u"], true, "API Error: 529")).unwrap();
    assert_eq!(end.outcome, TurnOutcome::Failed);
    let reason = "API Error: 529 (the API has too much to do: send the message again later)";
    assert_eq!(end.reason.as_deref(), Some(reason));
}

#[test]
fn a_missing_login_names_the_command() {
    let mut turn = started("u");
    line(
        &mut turn,
        json!({"type":"assistant","message":{},"error":"authentication_failed"}),
    );
    let end = line(&mut turn, result(&["u"], true, "API Error: 401")).unwrap();
    assert_eq!(
        end.reason.as_deref(),
        Some("API Error: 401 (run `claude auth login` in a terminal)")
    );
}

#[test]
fn a_cut_turn_keeps_the_first_cause() {
    for (cuts, outcome) in [
        (vec![Cut::Interrupt, Cut::Limit], TurnOutcome::Interrupted),
        (vec![Cut::Limit, Cut::Interrupt], TurnOutcome::TimedOut),
        (vec![], TurnOutcome::Interrupted),
    ] {
        let mut turn = started("u");
        cuts.into_iter().for_each(|cut| turn.cut(cut));
        assert_eq!(line(&mut turn, aborted("u")).unwrap().outcome, outcome);
    }
}

#[test]
fn an_interrupt_that_came_too_late_does_not_spoil_a_completed_turn() {
    let mut turn = started("u");
    turn.cut(Cut::Interrupt);
    let end = line(&mut turn, result(&["u"], false, "done")).unwrap();
    assert_eq!(end.outcome, TurnOutcome::Completed);
}

#[test]
fn the_death_of_the_process_ends_the_turn() {
    let mut turn = started("u");
    let end = turn.process_ended("killed by signal 9").unwrap();
    assert_eq!(end.outcome, TurnOutcome::Interrupted);
    assert_eq!(end.reason.as_deref(), Some("killed by signal 9"));
    assert_eq!(turn.process_ended("again"), None);

    let mut turn = started("u");
    turn.cut(Cut::Limit);
    assert_eq!(
        turn.process_ended("killed").unwrap().outcome,
        TurnOutcome::TimedOut
    );
}

#[test]
fn background_work_keeps_the_session_working_between_turns() {
    let tasks = |ids: &[&str]| {
        let tasks: Vec<Value> = ids.iter().map(|id| json!({"task_id": id})).collect();
        json!({"type":"system","subtype":"background_tasks_changed","tasks":tasks})
    };
    let mut turn = started("u");
    line(&mut turn, tasks(&["b"]));
    line(&mut turn, result(&["u"], false, "started it"));
    assert!(!turn.is_running() && turn.takes_prompt() && !turn.is_quiet());
    assert_eq!(turn.activity(0), Activity::Working);
    assert_eq!(turn.activity(1), Activity::WaitingForUser);

    line(
        &mut turn,
        json!({"type":"system","subtype":"task_notification","task_id":"b"}),
    );
    line(&mut turn, tasks(&[]));
    assert!(turn.awaits_follow_up() && !turn.takes_prompt());
    assert_eq!(turn.activity(0), Activity::Working);

    line(&mut turn, init());
    assert!(turn.is_running());
    let own = json!({"type":"result","subtype":"success","is_error":false,"result":"noted",
        "origin":{"kind":"task-notification"}});
    assert_eq!(
        line(&mut turn, own).unwrap().outcome,
        TurnOutcome::Completed
    );
    assert!(turn.is_quiet());
}

#[test]
fn a_follow_up_that_never_comes_is_given_up() {
    let mut turn = Turn::default();
    line(
        &mut turn,
        json!({"type":"system","subtype":"task_notification","task_id":"b"}),
    );
    assert!(!turn.is_quiet());
    turn.follow_up_missed();
    assert!(turn.is_quiet());
}

#[test]
fn the_result_of_another_turn_does_not_end_ours() {
    let mut turn = started("mine");
    let other = json!({"type":"result","subtype":"success","is_error":false,"result":"noted",
        "origin":{"kind":"task-notification"}});
    assert_eq!(line(&mut turn, other), None);
    assert_eq!(line(&mut turn, result(&["theirs"], false, "x")), None);
    assert!(line(&mut turn, result(&["theirs", "mine"], false, "x")).is_some());
}

#[test]
fn an_older_cli_names_no_messages() {
    let mut turn = started("u");
    let plain = json!({"type":"result","subtype":"success","is_error":false,"result":"x"});
    assert!(line(&mut turn, plain).is_some());
}

#[test]
fn a_dropped_message_ends_its_turn_and_a_stray_result_is_nothing() {
    let mut turn = started("u");
    let cancelled =
        |uuid: &str| json!({"type":"command_lifecycle","command_uuid":uuid,"state":"cancelled"});
    assert_eq!(line(&mut turn, cancelled("other")), None);
    assert_eq!(
        line(&mut turn, cancelled("u")).unwrap().outcome,
        TurnOutcome::Interrupted
    );
    assert_eq!(line(&mut turn, result(&["u"], false, "late")), None);
}

#[test]
fn a_message_whose_answer_was_never_heard_can_be_taken_back() {
    let mut turn = started("u");
    line(&mut turn, init());
    assert!(!turn.is_heard());
    assert_eq!(turn.prompt(), Some("u"));
    assert_eq!(turn.take_back().as_deref(), Some("u"));
    assert!(!turn.is_running());
    let mut turn = started("u");
    line(
        &mut turn,
        json!({"type":"stream_event","event":{"type":"message_start"}}),
    );
    assert!(turn.is_heard());
    let mut own = Turn::default();
    line(&mut own, init());
    assert_eq!(own.take_back(), None);
    assert!(own.is_running());
}

#[test]
fn a_tool_runs_until_its_result() {
    let mut turn = started("u");
    let block = |kind: &str, id: &str| json!([{"type": kind, "id": id, "tool_use_id": id}]);
    line(
        &mut turn,
        json!({"type":"assistant","message":{"content": block("tool_use", "t")}}),
    );
    assert!(turn.runs_tool());
    line(
        &mut turn,
        json!({"type":"user","message":{"content": block("tool_result", "other")}}),
    );
    assert!(turn.runs_tool());
    line(
        &mut turn,
        json!({"type":"user","message":{"content": block("tool_result", "t")}}),
    );
    assert!(!turn.runs_tool());
}

#[test]
fn an_end_tells_what_it_used_and_what_kept_it_from_completing() {
    let mut turn = started("u");
    let mut end = result(&["u"], true, "API Error: 429 slow down");
    end["api_error_status"] = json!(429);
    end["usage"] = json!({"input_tokens": 7, "output_tokens": 2});
    end["total_cost_usd"] = json!(0.25);
    let end = line(&mut turn, end).unwrap();
    assert_eq!(end.failure, Some(TurnFailure::RateLimited));
    assert!(
        end.reason
            .unwrap()
            .contains("the account's limit is reached")
    );
    assert_eq!(
        end.usage
            .map(|usage| (usage.input_tokens, usage.output_tokens)),
        Some((7, 2))
    );
    assert_eq!(end.total_cost_usd, Some(0.25));
}
