use chrono::TimeDelta;

use super::*;

const HOUR: i64 = 3_600_000;

fn start() -> Timestamp {
    Timestamp::from_timestamp_millis(1_800_000_000_000).unwrap()
}

/// So many seconds after the start, on both clocks.
fn at(seconds: u32) -> Now {
    Now {
        wall: start() + TimeDelta::seconds(seconds.into()),
        awake: Duration::from_secs(seconds.into()),
    }
}

/// A login that is valid for so long from the start.
fn valid(millis: i64) -> Expiry {
    Expiry::At(start().timestamp_millis() + millis)
}

fn refused() -> LoggedOut {
    let reason = "API Error: 401".to_owned();
    LoggedOut {
        reason,
        absent: false,
    }
}

fn absent() -> LoggedOut {
    let reason = "Not logged in".to_owned();
    LoggedOut {
        reason,
        absent: true,
    }
}

fn seen(expiry: Expiry) -> Policy {
    let mut policy = Policy::default();
    policy.see(expiry, at(0));
    policy
}

fn reason(policy: &Policy, now: Now) -> Option<(String, Timestamp)> {
    match policy.state(now) {
        LoginState::Required(told) => Some((told.reason, told.since)),
        LoginState::Free | LoginState::Expiring => None,
    }
}

#[test]
fn far_from_the_expiry_everyone_gets_a_slot() {
    for mut policy in [seen(valid(HOUR)), seen(Expiry::Unknown)] {
        for _ in 0..5 {
            assert_eq!(policy.take(at(0)).unwrap().number, None);
        }
        assert_eq!(policy.state(at(0)), LoginState::Free);
    }
}

#[test]
fn near_the_expiry_there_is_one_slot() {
    let mut policy = seen(valid(HOUR));
    let near = at(3600 - 330);
    assert_eq!(policy.state(at(3600 - 331)), LoginState::Free);
    assert_eq!(policy.state(near), LoginState::Expiring);
    let first = policy.take(near).unwrap();
    assert_eq!(policy.take(near), None);
    policy.give_back(first.number.unwrap() + 1, true, near);
    assert_eq!(
        policy.take(near),
        None,
        "another's number gives nothing back"
    );
    policy.give_back(first.number.unwrap(), false, near);
    let second = policy.take(near).unwrap();
    assert_ne!(second.number, first.number);

    policy.see(valid(3 * HOUR), near);
    assert_eq!(policy.state(near), LoginState::Free);
    let free = policy.take(near).unwrap();
    assert_eq!((free.number, free.login), (None, first.login + 1));
}

#[test]
fn a_slot_that_is_kept_too_long_goes_to_the_next() {
    let mut policy = seen(valid(HOUR));
    let near = 3600 - 200;
    let late = policy.take(at(near)).unwrap();
    policy.see(valid(HOUR), at(near + 59));
    assert_eq!(policy.take(at(near + 59)), None);
    policy.see(valid(HOUR), at(near + 60));
    let next = policy.take(at(near + 60)).unwrap();
    policy.give_back(late.number.unwrap(), true, at(near + 61));
    assert_eq!(
        policy.take(at(near + 61)),
        None,
        "the next one still holds it"
    );
    policy.give_back(next.number.unwrap(), true, at(near + 62));
    assert!(policy.take(at(near + 62)).is_some());
}

#[test]
fn time_asleep_does_not_count_for_a_slot_but_for_the_login() {
    let mut policy = seen(valid(HOUR));
    let awake = |seconds: u64, wall: u32| Now {
        wall: at(wall).wall,
        awake: Duration::from_secs(seconds),
    };
    assert_eq!(policy.state(awake(1, 7200)), LoginState::Expiring);
    policy.take(awake(1, 7200)).unwrap();
    policy.see(valid(HOUR), awake(2, 9000));
    assert_eq!(policy.take(awake(2, 9000)), None);
}

#[test]
fn a_lost_login_is_told_once_and_ends_with_the_next() {
    let mut policy = seen(valid(HOUR));
    let passes: Vec<_> = (0..5).map(|_| policy.take(at(0)).unwrap()).collect();
    for (second, pass) in (10..).zip(&passes) {
        policy.logged_out(pass.login, refused(), at(second));
    }
    let told = Some(("API Error: 401".to_owned(), at(10).wall));
    assert_eq!(reason(&policy, at(20)), told);
    assert_eq!(policy.take(at(20)), None);
    policy.see(valid(HOUR), at(30));
    assert_eq!(reason(&policy, at(30)), told, "the same login as before");

    policy.see(valid(9 * HOUR), at(40));
    assert_eq!(policy.state(at(40)), LoginState::Free);
    policy.logged_out(passes[0].login, refused(), at(41));
    assert_eq!(
        policy.state(at(41)),
        LoginState::Free,
        "that was the login before"
    );
    let pass = policy.take(at(42)).unwrap();
    policy.logged_out(pass.login, refused(), at(43));
    assert_eq!(reason(&policy, at(43)).unwrap().1, at(43).wall);
}

#[test]
fn what_the_cli_has_cleared_is_known_before_a_session_fails() {
    let mut policy = seen(valid(HOUR));
    let pass = policy.take(at(0)).unwrap();
    policy.see(Expiry::Ended, at(5));
    assert_eq!(reason(&policy, at(5)), Some((ENDED.to_owned(), at(5).wall)));
    policy.logged_out(pass.login, refused(), at(6));
    assert_eq!(reason(&policy, at(6)).unwrap().1, at(5).wall);
    assert_eq!(policy.take(at(100_000)), None, "there is nothing to try");
    assert!(policy.asks_the_cli());
    policy.see(valid(400_000_000), at(100_001));
    assert_eq!(policy.state(at(100_001)), LoginState::Free);
}

#[test]
fn a_login_that_was_refused_is_tried_now_and_then() {
    let mut policy = seen(valid(HOUR));
    let pass = policy.take(at(0)).unwrap();
    policy.logged_out(pass.login, refused(), at(0));
    let mut second = 0;
    for pause in [60, 120, 240, 480, 600, 600] {
        assert_eq!(policy.take(at(second + pause - 1)), None);
        second += pause;
        let trial = policy.take(at(second)).unwrap();
        assert_eq!(policy.take(at(second)), None, "one at a time");
        policy.logged_out(trial.login, refused(), at(second));
        policy.give_back(trial.number.unwrap(), false, at(second));
        assert_eq!(reason(&policy, at(second)).unwrap().1, at(0).wall);
    }
    let trial = policy.take(at(second + 600)).unwrap();
    policy.give_back(trial.number.unwrap(), true, at(second + 601));
    assert_eq!(reason(&policy, at(second + 601)), None);
}

#[test]
fn a_trial_that_is_never_given_back_is_followed_by_another() {
    let mut policy = seen(Expiry::Unknown);
    policy.logged_out(1, refused(), at(0));
    assert_eq!(policy.state(at(0)), LoginState::Free, "no such login");
    policy.logged_out(0, refused(), at(0));
    let first = policy.take(at(60)).unwrap();
    policy.see(Expiry::Unknown, at(120));
    let second = policy.take(at(120)).unwrap();
    assert_ne!(first.number, second.number);
}

#[test]
fn without_any_login_only_the_cli_can_tell() {
    let mut policy = seen(Expiry::Unknown);
    assert!(!policy.asks_the_cli());
    policy.logged_out(0, absent(), at(0));
    assert!(policy.asks_the_cli());
    assert_eq!(policy.take(at(100_000)), None);
    policy.login_found();
    assert_eq!(policy.state(at(1)), LoginState::Free);
    assert_eq!(policy.take(at(1)).unwrap().login, 1);
    policy.logged_out(0, absent(), at(2));
    assert_eq!(policy.state(at(2)), LoginState::Free);
    policy.logged_out(1, absent(), at(3));
    assert!(reason(&policy, at(3)).is_some());
    assert!(!policy.asks_the_cli(), "it would find the same again");
    assert!(policy.take(at(63)).is_some());
}

#[test]
fn an_api_key_beside_a_cleared_login_is_found() {
    let mut policy = seen(Expiry::Ended);
    assert!(reason(&policy, at(0)).is_some());
    policy.login_found();
    policy.see(Expiry::Ended, at(1));
    let pass = policy.take(at(1)).unwrap();
    assert_eq!(pass.number, None);
    policy.logged_out(pass.login, refused(), at(2));
    assert!(reason(&policy, at(2)).is_some() && !policy.asks_the_cli());
}

#[test]
fn logging_out_does_not_let_anyone_go_on() {
    let mut policy = seen(valid(HOUR));
    policy.logged_out(1, refused(), at(0));
    policy.see(Expiry::Unknown, at(1));
    assert!(reason(&policy, at(1)).is_some() && policy.asks_the_cli());
    policy.see(valid(2 * HOUR), at(2));
    assert_eq!(policy.state(at(2)), LoginState::Free);
}
