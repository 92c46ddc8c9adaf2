use ff_protocol::session::TurnFailure;
use rstest::rstest;
use serde_json::json;

use super::*;

fn message(line: Value) -> Message {
    parse(line.to_string().as_bytes()).unwrap().message
}

#[test]
fn reads_the_lines_of_a_turn() {
    assert_eq!(
        message(json!({"type":"system","subtype":"init","session_id":"s","tools":["Bash"]})),
        Message::System(System::Init {
            session_id: "s".into()
        })
    );
    assert_eq!(
        message(json!({"type":"system","subtype":"status","status":null})),
        Message::System(System::Status { status: None })
    );
    assert_eq!(
        message(
            json!({"type":"system","subtype":"background_tasks_changed","tasks":[{"task_id":"b1","x":1}]})
        ),
        Message::System(System::BackgroundTasksChanged {
            tasks: vec![BackgroundTask {
                task_id: "b1".into()
            }]
        })
    );
    assert_eq!(
        message(json!({"type":"user","message":{"role":"user","content":[]}})),
        Message::User(Tools::default())
    );
    assert_eq!(
        message(json!({"type":"command_lifecycle","command_uuid":"u","state":"started"})),
        Message::CommandLifecycle(CommandLifecycle {
            command_uuid: "u".into(),
            state: "started".into()
        })
    );
    assert_eq!(
        message(json!({"type":"conversation_reset","new_conversation_id":"n"})),
        Message::ConversationReset {
            new_conversation_id: "n".into()
        }
    );
    assert_eq!(
        message(json!({"type":"control_cancel_request","request_id":"r"})),
        Message::ControlCancel {
            request_id: "r".into()
        }
    );
}

#[test]
fn text_and_thinking_of_the_main_conversation_are_deltas() {
    let delta = |parent: Value, kind: &str| {
        let line = json!({"type":"stream_event","parent_tool_use_id":parent,
            "event":{"type":"content_block_delta","delta":{"type":kind,"text":"hi","thinking":"hm"}}});
        match message(line) {
            Message::StreamEvent(event) => {
                event.delta().map(|(kind, text)| (kind, text.to_owned()))
            }
            other => panic!("{other:?}"),
        }
    };
    let text = (DeltaKind::Text, "hi".to_owned());
    let thinking = (DeltaKind::Thinking, "hm".to_owned());
    assert_eq!(delta(Value::Null, "text_delta"), Some(text));
    assert_eq!(delta(Value::Null, "thinking_delta"), Some(thinking));
    assert_eq!(delta(json!("toolu_1"), "text_delta"), None);
    assert_eq!(delta(Value::Null, "input_json_delta"), None);
}

#[test]
fn calls_of_tools_are_followed_to_their_results() {
    let line = json!({"type":"assistant","message":{"content":[
        {"type":"text","text":"x"},{"type":"tool_use","id":"t-1","name":"Bash"}]}});
    let Message::Assistant(line) = message(line) else {
        panic!("not a line of the model")
    };
    assert_eq!(line.tools.begun, ["t-1"]);
    let line = json!({"type":"user","message":{"content":[
        {"type":"tool_result","tool_use_id":"t-1"}]}});
    let Message::User(tools) = message(line) else {
        panic!("not a line of the user")
    };
    assert_eq!((tools.begun, tools.ended), (vec![], vec!["t-1".to_owned()]));
    let text = message(json!({"type":"user","message":{"content":"text"}}));
    assert_eq!(text, Message::User(Tools::default()));
}

#[test]
fn a_permission_request_and_an_unknown_request() {
    let line = json!({"type":"control_request","request_id":"r","request":{"subtype":"can_use_tool",
        "tool_name":"Bash","input":{"command":"ls"},"tool_use_id":"toolu_1"}});
    let Message::ControlRequest(ControlRequest {
        request_id,
        request,
    }) = message(line)
    else {
        panic!("not a control request");
    };
    assert_eq!(request_id, "r");
    let ControlRequestBody::CanUseTool(tool) = request else {
        panic!("not can_use_tool")
    };
    assert_eq!(
        (tool.tool_name.as_str(), &tool.input["command"]),
        ("Bash", &json!("ls"))
    );
    assert!(!tool.requires_user_interaction);

    let line =
        json!({"type":"control_request","request_id":"r","request":{"subtype":"hook_callback"}});
    let Message::ControlRequest(request) = message(line) else {
        panic!("not a control request")
    };
    assert_eq!(request.request, ControlRequestBody::Other);
}

#[test]
fn a_control_response_says_whether_it_worked() {
    let ok = json!({"type":"control_response","response":{"subtype":"success","request_id":"r","response":{"x":1}}});
    let refused = json!({"type":"control_response","response":{"subtype":"error","request_id":"r","error":"no"}});
    for (line, error, response) in [
        (ok, None, json!({"x": 1})),
        (refused, Some("no".to_owned()), Value::Null),
    ] {
        assert_eq!(
            message(line),
            Message::ControlResponse(ControlResponse {
                request_id: "r".into(),
                error,
                response
            })
        );
    }
}

#[rstest]
#[case::new_kind(json!({"type":"keep_alive","x":1}))]
#[case::kind_missing(json!({"hello":1}))]
#[case::not_an_object(json!([1,2]))]
#[case::field_missing(json!({"type":"control_cancel_request"}))]
#[case::field_of_another_type(json!({"type":"system","subtype":"init","session_id":7}))]
fn what_is_not_understood_is_kept(#[case] line: Value) {
    let read = parse(line.to_string().as_bytes()).unwrap();
    assert_eq!(read.message, Message::Unknown);
    assert_eq!(read.raw, line);
}

#[test]
fn an_unknown_system_line_is_other_and_garbage_is_an_error() {
    let line = json!({"type":"system","subtype":"brand_new"});
    assert_eq!(message(line), Message::System(System::Other));
    for garbage in ["", "{", "not json", "{\"a\":1} trailing", "\u{0}"] {
        assert!(parse(garbage.as_bytes()).is_err(), "{garbage:?} was read");
    }
    assert!(parse(b"\xff\xfe").is_err());
}

#[test]
fn a_result_is_read_with_the_type_anywhere() {
    let line = br#"{"duration_ms":3,"subtype":"success","is_error":true,"result":"Not logged in","type":"result","user_message_uuids":["u"],"origin":{"kind":"task-notification"}}"#;
    let Message::Result(result) = parse(line).unwrap().message else {
        panic!("not a result")
    };
    assert!(result.is_error && result.answers("u") && !result.answers("v"));
    assert_eq!(result.failure(), "Not logged in");
}

#[rstest]
#[case(json!({"api_error_status":401,"result":"API Error: 401 x"}), TurnFailure::LoggedOut)]
#[case(json!({"result":"Not logged in · Please run /login"}), TurnFailure::LoggedOut)]
#[case(json!({"api_error_status":429,"result":"API Error: 429"}), TurnFailure::RateLimited)]
#[case(json!({"api_error_status":529,"result":"API Error: 529"}), TurnFailure::Overloaded)]
#[case(json!({"api_error_status":404,"result":"API Error: 404"}), TurnFailure::Api)]
#[case(json!({"terminal_reason":"api_error","result":"API Error: Connection refused"}), TurnFailure::Unreachable)]
#[case(json!({"subtype":"error_max_turns"}), TurnFailure::Cli)]
fn failures_are_told_apart(#[case] mut line: Value, #[case] kind: TurnFailure) {
    line["type"] = json!("result");
    line["is_error"] = json!(true);
    let Message::Result(result) = message(line) else {
        panic!("not a result")
    };
    assert_eq!(result.kind(), Some(kind));
}
