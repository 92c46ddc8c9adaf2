//! Frames of the workspace socket: whatever one says comes back, whatever else comes is refused.
//!
//! A case that failed once is kept in `proptest-regressions` and tried first ever after.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;

use ff_protocol::session::{EntryKind, JournalEntry};
use ff_protocol::socket::{ClientFrame, DeltaKind, WorkspaceFrame};
use ff_protocol::{ClientId, ErrorCode, Problem, RequestId, SessionId, WorkspaceId};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{FileFailurePersistence, TestCaseResult, TestRunner};
use serde_json::{Value, json};

/// How often something was generated.
#[derive(Default)]
struct Counts(RefCell<BTreeMap<String, u32>>);

impl Counts {
    fn add(&self, what: &str) {
        *self.0.borrow_mut().entry(what.to_owned()).or_default() += 1;
    }

    /// Prints them. Fails if one of `needed` never came: then the cases show less than they claim.
    fn told(&self, name: &str, needed: &[&str]) {
        let counts = self.0.borrow();
        println!("{name}: {counts:?}");
        for what in needed {
            assert!(counts.contains_key(*what), "{name}: never {what}");
        }
    }
}

fn check<S: Strategy<Value: Debug>>(
    cases: u32,
    strategy: S,
    test: impl Fn(S::Value) -> TestCaseResult,
) {
    let config = ProptestConfig {
        cases,
        source_file: Some(file!()),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    };
    if let Err(error) = TestRunner::new(config).run(&strategy, test) {
        panic!("{error}");
    }
}

fn id<T: std::str::FromStr<Err: Debug> + Debug>() -> impl Strategy<Value = T> {
    "[a-z0-9-]{1,64}".prop_map(|text| text.parse().unwrap())
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((".{0,8}", inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn said() -> impl Strategy<Value = ClientFrame> {
    let answers =
        || proptest::option::of(proptest::collection::btree_map(".{0,12}", ".{0,12}", 0..4));
    let by = || proptest::option::of(".{0,12}");
    prop_oneof![
        (id(), id(), ".{0,300}").prop_map(|(id, session_id, text)| ClientFrame::UserMessage {
            id,
            session_id,
            text
        }),
        (id(), id(), id(), answers(), answers(), by()).prop_map(
            |(id, session_id, request_id, answers, other, by)| {
                ClientFrame::QuestionResponse {
                    id,
                    session_id,
                    request_id,
                    answers,
                    other,
                    by,
                }
            }
        ),
        (id(), id(), id(), any::<bool>(), by(), by()).prop_map(
            |(id, session_id, request_id, allow, message, by)| {
                ClientFrame::PermissionResponse {
                    id,
                    session_id,
                    request_id,
                    allow,
                    message,
                    by,
                }
            }
        ),
        (id(), id()).prop_map(|(id, session_id)| ClientFrame::Interrupt { id, session_id }),
    ]
}

fn entry() -> impl Strategy<Value = JournalEntry> {
    let kind = prop_oneof![
        Just(EntryKind::UserMessage),
        Just(EntryKind::ClaudeMessage),
        Just(EntryKind::TurnEnded),
        Just(EntryKind::Request),
        Just(EntryKind::Answer),
        Just(EntryKind::Status),
    ];
    let payload = prop_oneof![json_value(), Just(json!({ "kind": "question" }))];
    (any::<u64>(), id(), kind, payload).prop_map(|(seq, session_id, kind, payload)| JournalEntry {
        seq,
        session_id,
        kind,
        payload,
        created_at: chrono::DateTime::UNIX_EPOCH,
    })
}

fn told() -> impl Strategy<Value = WorkspaceFrame> {
    let kind = prop_oneof![Just(DeltaKind::Text), Just(DeltaKind::Thinking)];
    let entries = proptest::collection::vec(entry(), 0..4);
    let problem = ".{0,40}".prop_map(|detail| Problem::new(ErrorCode::Conflict, detail));
    prop_oneof![
        4 => entry().prop_map(WorkspaceFrame::of_entry),
        1 => (id::<WorkspaceId>(), ".{0,20}", entries).prop_map(|(workspace_id, journal, messages)| {
            WorkspaceFrame::MessagesSnapshot { workspace_id, journal, messages, sessions: Vec::new() }
        }),
        1 => (id::<SessionId>(), kind, ".{0,200}").prop_map(|(session_id, kind, text)| {
            WorkspaceFrame::Delta { session_id, kind, text }
        }),
        1 => id().prop_map(|workspace_id| WorkspaceFrame::WorkspaceChanged { workspace_id }),
        1 => id().prop_map(|id| WorkspaceFrame::Accepted { id }),
        1 => (proptest::option::of(id::<ClientId>()), problem).prop_map(|(id, problem)| {
            WorkspaceFrame::Rejected { id, problem }
        }),
        1 => Just(WorkspaceFrame::Lagged),
    ]
}

/// Changes one field, takes one away, or adds one.
#[derive(Debug, Clone)]
enum Edit {
    Set(Index, Value),
    Drop(Index),
    Add(String, Value),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        (any::<Index>(), json_value()).prop_map(|(at, value)| Edit::Set(at, value)),
        any::<Index>().prop_map(Edit::Drop),
        ("[a-zA-Z_]{1,9}", json_value()).prop_map(|(key, value)| Edit::Add(key, value)),
    ];
    proptest::collection::vec(edit, 1..3)
}

fn edit(frame: &mut Value, edits: &[Edit]) {
    let fields = frame.as_object_mut().unwrap();
    for edit in edits {
        let keys: Vec<String> = fields.keys().cloned().collect();
        match edit {
            Edit::Set(at, value) if !keys.is_empty() => {
                fields.insert(keys[at.index(keys.len())].clone(), value.clone());
            }
            Edit::Drop(at) if !keys.is_empty() => drop(fields.remove(&keys[at.index(keys.len())])),
            Edit::Add(key, value) => drop(fields.insert(key.clone(), value.clone())),
            _ => {}
        }
    }
}

fn name(frame: &Value) -> String {
    frame["type"].as_str().unwrap_or("no type").to_owned()
}

#[test]
fn what_a_client_says_comes_back_as_it_was() {
    let counts = Counts::default();
    check(2_000, said(), |frame| {
        let text = serde_json::to_string(&frame).unwrap();
        prop_assert!(!text.contains('\n'));
        prop_assert_eq!(&serde_json::from_str::<ClientFrame>(&text).unwrap(), &frame);
        counts.add(&name(&serde_json::to_value(&frame).unwrap()));
        Ok(())
    });
    let kinds = [
        "user_message",
        "question_response",
        "permission_response",
        "interrupt",
    ];
    counts.told("client frames", &kinds);
}

#[test]
fn what_a_server_tells_comes_back_as_it_was() {
    let counts = Counts::default();
    check(2_000, told(), |frame| {
        let value = serde_json::to_value(&frame).unwrap();
        let back: WorkspaceFrame = serde_json::from_str(&value.to_string()).unwrap();
        prop_assert_eq!(&serde_json::to_value(&back).unwrap(), &value);
        prop_assert_eq!(back.entry(), frame.entry());
        counts.add(&name(&value));
        Ok(())
    });
    let kinds = [
        "messages_snapshot",
        "claude_message",
        "user_question",
        "permission_request",
        "delta",
        "workspace_changed",
        "accepted",
        "rejected",
        "lagged",
    ];
    counts.told("workspace frames", &kinds);
}

/// A frame that is read after a change says all that the changed JSON says: nothing is passed over.
#[test]
fn a_changed_frame_of_a_client_is_read_whole_or_refused() {
    let counts = Counts::default();
    check(3_000, (said(), edits()), |(frame, edits)| {
        let mut value = serde_json::to_value(&frame).unwrap();
        edit(&mut value, &edits);
        match serde_json::from_value::<ClientFrame>(value.clone()) {
            Err(_) => counts.add("refused"),
            Ok(read) => {
                counts.add("read");
                let again = serde_json::to_value(&read).unwrap();
                for (key, said) in value.as_object().unwrap() {
                    prop_assert_eq!(&again[key], said, "{} was passed over", key);
                }
            }
        }
        Ok(())
    });
    counts.told("changed client frames", &["read", "refused"]);
}

#[test]
fn broken_frames_panic_nobody() {
    let counts = Counts::default();
    let bytes = proptest::collection::vec(any::<(Index, u8)>(), 0..4);
    let strategy = (
        prop_oneof![
            said().prop_map(|frame| serde_json::to_vec(&frame).unwrap()),
            told().prop_map(|frame| serde_json::to_vec(&frame).unwrap()),
            any::<Vec<u8>>()
        ],
        bytes,
        any::<Index>(),
        any::<bool>(),
    );
    check(4_000, strategy, |(mut text, hits, end, cut)| {
        for (at, byte) in hits {
            if !text.is_empty() {
                let at = at.index(text.len());
                text[at] = byte;
            }
        }
        if cut {
            text.truncate(end.index(text.len() + 1));
        }
        let said = serde_json::from_slice::<ClientFrame>(&text);
        let told = serde_json::from_slice::<WorkspaceFrame>(&text);
        counts.add(match (&said, &told) {
            (Ok(_), Ok(_)) => "both",
            (Ok(_), Err(_)) => "of a client",
            (Err(_), Ok(_)) => "of a server",
            (Err(_), Err(_)) => "neither",
        });
        prop_assert!(said.is_err() || told.is_err(), "one frame is of both sides");
        if let Ok(frame) = told {
            let _ = frame.entry();
        }
        Ok(())
    });
    counts.told("broken frames", &["of a client", "of a server", "neither"]);
}

#[test]
fn ids_are_what_they_say_or_refused() {
    let counts = Counts::default();
    check(3_000, prop_oneof!["[a-z0-9-]{0,70}", ".{0,70}"], |text| {
        let fine = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let read = serde_json::from_value::<RequestId>(json!(text));
        prop_assert_eq!(read.is_ok(), fine, "{}", text);
        counts.add(if fine { "an id" } else { "none" });
        Ok(())
    });
    counts.told("ids", &["an id", "none"]);
}
