use ff_protocol::ErrorCode;

use super::super::decision::no_longer_open;
use super::*;

fn tool(name: &str) -> ToolUse {
    ToolUse {
        tool_name: name.into(),
        input: json!({"questions": [
            {"question": "Which?", "options": [{"label": "This"}, {"label": "That"}]},
        ]}),
        tool_use_id: None,
        description: None,
        requires_user_interaction: false,
    }
}

fn answer(record: &RequestRecord, allow: bool) -> Answer {
    Answer {
        request_id: record.id.clone(),
        allow,
        message: None,
        answers: None,
        other: None,
        id: None,
        by: Some("somebody".into()),
    }
}

fn to_user(requests: &mut Requests, cli_id: &str, name: &str) -> RequestRecord {
    let session = crate::session::tests::world::session();
    match requests.put(&session, cli_id.into(), tool(name)) {
        Put::ToUser(record) => record,
        Put::Answered(..) => panic!("answered"),
    }
}

#[test]
fn presets_leave_people_their_questions() {
    use PermissionPreset::{Relaxed, Strict, Yolo};
    for (preset, name, allowed) in [
        (Strict, "Bash", false),
        (Relaxed, "Bash", true),
        (Yolo, "Write", true),
        (Relaxed, QUESTION, false),
        (Yolo, PLAN, false),
    ] {
        assert_eq!(
            allowed_by(preset, &tool(name)),
            allowed,
            "{preset:?} {name}"
        );
    }
    let asks = ToolUse {
        requires_user_interaction: true,
        ..tool("New")
    };
    assert!(!allowed_by(Yolo, &asks));
}

#[test]
fn a_request_takes_one_answer() {
    let mut requests = Requests::default();
    let record = to_user(&mut requests, "cli-1", "Bash");
    assert_eq!(
        (record.kind, requests.open_count()),
        (RequestKind::Permission, 1)
    );
    let taken = requests.answer(&answer(&record, false)).unwrap().unwrap();
    let Taken::Now(record, cli_id, decision) = taken else {
        panic!("{taken:?}")
    };
    assert_eq!(cli_id, "cli-1");
    let message = "The user refused.".into();
    assert_eq!(decision, Decision::Deny { message });
    assert!(requests.answer(&answer(&record, true)).unwrap().is_none());
    let refusal = no_longer_open(&record).to_string();
    assert!(
        refusal.contains("answered already: refused by somebody at 20"),
        "{refusal}"
    );
}

fn labels(label: &str) -> Option<BTreeMap<String, String>> {
    Some(BTreeMap::from([("Which?".into(), label.into())]))
}

#[test]
fn a_question_carries_its_answers_and_stays_open_without() {
    let mut requests = Requests::default();
    let record = to_user(&mut requests, "cli-1", QUESTION);
    let mut given = answer(&record, true);
    let mut refused = |given: &Answer, words: &str| {
        let error = requests.answer(given).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Invalid);
        let hint = error.problem().hint.unwrap();
        assert!(hint.contains(words), "{error}: {hint}");
        assert_eq!(requests.open_count(), 1);
    };
    refused(&given, "`answers`");
    given.answers = labels("Other");
    refused(&given, "This | That");
    given.other = labels("mine");
    given.answers = labels("This");
    refused(&given, "or in `other`");
    given.other = None;
    let taken = requests.answer(&given).unwrap().unwrap();
    let Taken::Now(record, _, Decision::Allow { input }) = taken else {
        panic!("{taken:?}")
    };
    assert_eq!(input["answers"], json!({"Which?": "This"}));
    assert_eq!(input["questions"][0]["question"], "Which?");
    let told = no_longer_open(&record).to_string();
    assert!(told.contains("with `Which?`: This"), "{told}");
}

#[test]
fn a_question_takes_a_text_of_the_users_own() {
    let mut requests = Requests::default();
    let record = to_user(&mut requests, "cli-1", QUESTION);
    let mut given = answer(&record, true);
    given.other = labels("neither");
    let taken = requests.answer(&given).unwrap().unwrap();
    let Taken::Now(_, _, Decision::Allow { input }) = taken else {
        panic!("{taken:?}")
    };
    assert_eq!(input["answers"], json!({"Which?": "neither"}));
}

#[test]
fn what_is_no_question_takes_no_choice() {
    for (name, allow) in [("Bash", true), ("Bash", false), (PLAN, true)] {
        let mut requests = Requests::default();
        let record = to_user(&mut requests, "cli-1", name);
        let mut given = answer(&record, allow);
        given.answers = labels("This");
        let error = requests.answer(&given).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Invalid, "{name}");
        assert_eq!(requests.open_count(), 1, "{name}");
        given.answers = None;
        assert!(requests.answer(&given).unwrap().is_some());
    }
}

#[test]
fn a_request_outlives_its_cli_and_is_taken_up_by_the_next() {
    let mut requests = Requests::default();
    let first = to_user(&mut requests, "cli-1", "Bash");
    let second = to_user(&mut requests, "cli-2", "Write");
    assert!(requests.cancel("cli-9").is_none());
    assert_eq!(requests.cancel("cli-1").unwrap().id, first.id);
    let orphaned = requests.orphan_all();
    assert_eq!((orphaned.len(), &orphaned[0].id), (1, &second.id));
    assert_eq!(answer_entry(&orphaned[0])["outcome"], "orphaned");
    assert_eq!(requests.open_count(), 0);
    let again = to_user(&mut requests, "cli-3", "Write");
    assert_eq!((again.id, requests.open_count()), (second.id, 1));
}

#[test]
fn a_late_answer_counts_for_the_same_request_only() {
    let mut requests = Requests::default();
    let record = to_user(&mut requests, "cli-1", "Write");
    requests.orphan_all();
    let taken = requests.answer(&answer(&record, true)).unwrap().unwrap();
    let Taken::Carried(carried) = taken else {
        panic!("{taken:?}")
    };
    assert!(carried.carried);
    let other = to_user(&mut requests, "cli-2", "Bash");
    assert_ne!(other.id, record.id);
    let session = crate::session::tests::world::session();
    let put = requests.put(&session, "cli-3".into(), tool("Write"));
    assert!(
        matches!(put, Put::Answered(it, Decision::Allow { .. }) if it.id == record.id && !it.carried)
    );
    // It counts once.
    assert_ne!(to_user(&mut requests, "cli-4", "Write").id, record.id);
}

#[test]
fn what_a_completed_turn_did_not_ask_again_is_moot() {
    let mut requests = Requests::default();
    let (old, answered) = (
        to_user(&mut requests, "cli-1", "Write"),
        to_user(&mut requests, "cli-2", "Bash"),
    );
    requests.orphan_all();
    requests.answer(&answer(&answered, true)).unwrap();
    let open = to_user(&mut requests, "cli-3", "Edit");
    let (cancelled, dropped) = requests.settle();
    assert_eq!((cancelled.len(), &cancelled[0].id), (1, &old.id));
    assert_eq!(
        (dropped.len(), &dropped[0].id, dropped[0].carried),
        (1, &answered.id, false)
    );
    assert_eq!(requests.open().next().unwrap().id, open.id);
}

#[test]
fn what_a_cli_had_open_when_it_died_outlives_the_turn_it_had_completed() {
    let open = to_user(&mut Requests::default(), "cli-1", "Write");
    let mut requests = Requests::left(vec![open.clone()], Vec::new());
    assert!(requests.settle().0.is_empty());
    assert_eq!(requests.orphan_all()[0].id, open.id);
    assert!(requests.answer(&answer(&open, true)).unwrap().is_some());
}
