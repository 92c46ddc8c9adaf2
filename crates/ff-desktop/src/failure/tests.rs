use anyhow::Context as _;

use super::*;

fn asked() -> Asked {
    Asked {
        command: "ff send demo".into(),
        workspace: Some("demo".into()),
    }
}

#[test]
fn every_code_has_an_exit_code_and_a_next_command() {
    for code in ErrorCode::ALL {
        let error = anyhow::Error::new(Problem::new(*code, "it did not work"));
        let failure = explain(&error, &asked());
        assert_ne!(failure.exit as u8, 0);
        let next = failure.next.expect("a next command");
        assert!(!next.is_empty(), "{code:?}");
        assert!(failure.text.contains("it did not work"));
    }
}

#[test]
fn a_hint_that_names_a_command_is_enough() {
    let problem = Problem::new(ErrorCode::LoginRequired, "not logged in")
        .with_hint("run `ff cloud setup`, then send again");
    let failure = explain(&anyhow::Error::new(problem), &asked());
    assert_eq!(failure.next, None);
    assert_eq!(
        failure.render(),
        "error: not logged in\n  run `ff cloud setup`, then send again"
    );
}

#[test]
fn context_and_causes_are_told_once_and_in_order() {
    let error = ClientError::Refused {
        address: "localhost:1".into(),
    };
    let error: anyhow::Result<()> = Err(error).context("starting the hand-off");
    let failure = explain(&error.unwrap_err(), &asked());
    assert_eq!(
        failure.text,
        "starting the hand-off: nothing listens at localhost:1"
    );
    assert_eq!(failure.exit, Exit::Unreachable);
}

#[test]
fn an_error_behind_a_fault_keeps_its_cause() {
    let source = std::io::Error::other("disk on fire");
    let error = anyhow::Error::new(ff_core::Error::io("cannot write x", source));
    let failure = explain(&error, &asked());
    assert_eq!(failure.text, "cannot write x: disk on fire");
    assert_eq!(failure.exit, Exit::Failed);
    assert_eq!(failure.next.as_deref(), Some("ff send demo"));
}

#[test]
fn a_failure_of_our_own_is_told_as_it_is() {
    let own = Failure::new(Exit::NotFound, "no workspace `x`").next("ff workspace list");
    let failure = explain(&anyhow::Error::new(own.clone()), &asked());
    assert_eq!(failure, own);
}

#[test]
fn what_is_to_be_tried_fits_what_was_asked() {
    let next = |command: &str, workspace: Option<&str>, code| {
        let asked = Asked {
            command: command.into(),
            workspace: workspace.map(str::to_owned),
        };
        explain(&Problem::new(code, "no").into(), &asked)
            .next
            .unwrap()
    };
    use ErrorCode as C;
    let new = "ff workspace new --issue URL";
    for (command, workspace, code, expected) in [
        ("ff send w", Some("w"), C::Conflict, "ff send w"),
        (
            "ff workspace archive w",
            Some("w"),
            C::Conflict,
            "ff workspace show w",
        ),
        (new, None, C::Conflict, "ff workspace list"),
        (new, None, C::NotFound, "ff workspace new --help"),
        (new, None, C::LoginRequired, "gh auth login"),
        (
            "ff workspace new x --cloud",
            None,
            C::LoginRequired,
            "ff cloud setup",
        ),
        (
            "ff terminal close w --name x",
            Some("w"),
            C::NotFound,
            "ff terminal list",
        ),
        ("ff project add .", None, C::NotFound, "ff workspace list"),
    ] {
        assert_eq!(
            next(command, workspace, code),
            expected,
            "{command} {code:?}"
        );
    }
    let asked = Asked {
        command: "ff cloud connect http://localhost --user No/Id".into(),
        workspace: None,
    };
    let error = "No/Id".parse::<ff_protocol::UserId>().unwrap_err();
    let failure = explain(&error.into(), &asked);
    assert_eq!(failure.next.as_deref(), Some("ff cloud connect --help"));
}
