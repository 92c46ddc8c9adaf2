use super::*;

fn row(id: &str, user: &str, state: &str) -> Row {
    let lives = state != "TERMINATED";
    Row {
        id: id.to_owned(),
        user_id: Some(user.to_owned()),
        live_user_id: lives.then(|| user.to_owned()),
        state: state.to_owned(),
        reason_code: None,
        has_home: 1,
        limits_pending: 0,
        cpus: None,
        machine_start: None,
        restarts: 0,
        token_generation: 1,
    }
}

fn interval(kind: &str, from: &str, to: Option<&str>) -> Interval {
    Interval {
        vm_id: "a".to_owned(),
        kind: kind.to_owned(),
        started_at: from.to_owned(),
        ended_at: to.map(str::to_owned),
    }
}

fn container(id: &str, vm: &str, state: &str) -> Container {
    Container {
        id: id.to_owned(),
        vm: vm.to_owned(),
        state: state.to_owned(),
    }
}

/// One VM that runs, and has been frozen.
fn well() -> Seen {
    Seen {
        rows: vec![row("a", "ada", "RUNNING"), row("z", "ada", "TERMINATED")],
        intervals: vec![
            interval("awake", "1", Some("2")),
            interval("frozen", "2", Some("3")),
            interval("awake", "3", None),
        ],
        containers: vec![container("c", "a", "running")],
        volumes: vec!["ff-home-a".to_owned()],
        networks: vec!["a".to_owned()],
        inhabited: ["c".to_owned(), "other".to_owned()].into(),
        known: ["c".to_owned(), "old".to_owned()].into(),
        servers: 1,
    }
}

#[test]
fn what_is_well_is_left_alone() {
    assert_eq!(faults(&well()), [""; 0]);
}

#[test]
fn each_fault_is_seen() {
    type Breaks = fn(&mut Seen);
    let broken: [(&str, Breaks); 17] = [
        ("still RESUMING", |it| it.rows[0].state = "RESUMING".into()),
        ("has two VMs", |it| {
            it.rows.push(row("b", "ada", "STOPPED"));
        }),
        ("may have another", |it| it.rows[0].live_user_id = None),
        ("keeps its user's place", |it| {
            it.rows[1].live_user_id = Some("ada".into());
        }),
        ("belongs to no VM: x", |it| {
            it.containers.push(container("d", "x", "exited"));
        }),
        ("belongs to no VM: z", |it| {
            it.containers.push(container("d", "z", "exited"));
        }),
        ("has two containers", |it| {
            it.containers.push(container("d", "a", "running"));
        }),
        ("is RUNNING, and its container None", |it| {
            it.containers.clear();
        }),
        ("and its container Some(\"paused\")", |it| {
            it.containers[0].state = "paused".into();
        }),
        ("is FROZEN, and its container Some(\"running\")", |it| {
            it.rows[0].state = "FROZEN".into();
        }),
        ("a network belongs to no VM", |it| {
            it.networks.push("z".into());
        }),
        ("outlive it", |it| {
            it.inhabited.insert("old".into());
        }),
        ("the home of VM a is gone", |it| it.volumes.clear()),
        ("has a new home", |it| {
            it.rows[0].reason_code = Some("volume_missing".into());
        }),
        ("volume ff-home-z belongs to no VM", |it| {
            it.volumes.push("ff-home-z".into());
        }),
        ("has a gap", |it| {
            it.intervals[1].started_at = "2.5".into();
        }),
        ("its account says", |it| {
            it.intervals[2].ended_at = Some("4".into());
        }),
    ];
    for (word, break_it) in broken {
        let mut seen = well();
        break_it(&mut seen);
        let said = faults(&seen);
        assert!(said.iter().any(|it| it.contains(word)), "{word}: {said:?}");
    }
}
