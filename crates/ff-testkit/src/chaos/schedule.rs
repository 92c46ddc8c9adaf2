//! What is done, and where the server is killed in it.

use super::random::Random;

/// Something that makes the server come to crash points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A first VM is asked for, and the pool is empty.
    Create,
    /// The same with an image whose agent does not come up.
    CreateBad,
    /// A first VM is asked for, and the pool has one.
    Claim,
    /// The pool is filled.
    Refill,
    /// A VM that runs is frozen.
    Freeze,
    /// A VM that runs is stopped.
    Stop,
    /// A frozen VM is asked for a terminal.
    Thaw,
    /// The same for a stopped one.
    Start,
    /// The same for a stopped one whose limits have changed.
    StartChanged,
    /// A frozen VM is stopped.
    Deepen,
    /// A VM is deleted.
    Delete,
    /// Its user's account is.
    Erase,
    /// A VM's limits are changed.
    Limits,
    /// A VM is stopped, and there is a new image.
    Upgrade,
    /// The same, and the new image's agent does not come up.
    UpgradeBad,
    /// A VM's container is killed by hand.
    Kill,
    /// A VM's container is removed by hand.
    Remove,
    /// A VM's container and volume were removed while the server was down.
    Lose,
}

/// What an operation needs before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The user has no VM.
    None,
    /// The user's VM runs.
    Running,
    /// It is frozen.
    Frozen,
    /// It is stopped.
    Stopped,
}

impl Operation {
    /// What it needs before.
    pub fn need(self) -> Need {
        use Operation::*;
        match self {
            Create | CreateBad | Claim | Refill => Need::None,
            Freeze | Stop | Delete | Erase | Limits | Upgrade | UpgradeBad | Kill | Remove
            | Lose => Need::Running,
            Thaw | Deepen => Need::Frozen,
            Start | StartChanged => Need::Stopped,
        }
    }

    /// VMs the pool holds meanwhile.
    pub fn pool(self) -> u32 {
        u32::from(matches!(self, Self::Claim | Self::Refill))
    }

    /// Whether the VM is not there or of no more use afterwards.
    pub fn ends_vm(self) -> bool {
        matches!(self, Self::Delete | Self::Erase | Self::Lose)
    }
}

/// What reaches a point; nothing for one that is unknown here.
pub fn reaching(point: &str) -> &'static [Operation] {
    use Operation::*;
    match point {
        "up.entered" => &[Create, Refill],
        "up.home_made" | "up.machine_made" | "up.token_numbered" | "up.token_written"
        | "up.machine_started" => &[Create, Refill, Start, Kill, Remove],
        "up.agent_answered" => &[Create, Refill, Thaw, Start, Kill, Remove],
        "up.unfit_gone" => &[StartChanged],
        "up.cleaned_up" => &[CreateBad],
        "claim.committed" => &[Claim],
        "resume.marked" => &[Thaw, Start, Kill, Remove],
        "resume.thawed" | "resume.released" => &[Thaw],
        "suspend.marked" | "suspend.quiesced" => &[Freeze, Stop],
        "suspend.frozen" => &[Freeze],
        "suspend.stopped" => &[Stop],
        "deepen.thawed" | "deepen.released" | "deepen.quiesced" | "deepen.stopped" => &[Deepen],
        "remove.marked" | "remove.machine_gone" | "remove.home_gone" | "remove.rows_gone" => {
            &[Delete]
        }
        "erase.begun" | "erase.vm_gone" => &[Erase],
        "upgrade.images_kept"
        | "upgrade.old_gone"
        | "upgrade.new_made"
        | "upgrade.new_proved"
        | "upgrade.new_stopped" => &[Upgrade],
        "upgrade.new_gone" | "upgrade.old_made" => &[UpgradeBad],
        "limits.noted" | "limits.applied" => &[Limits],
        "loss.marked" | "loss.stopped" => &[Lose],
        _ => &[],
    }
}

/// One kill of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The point.
    pub point: String,
    /// What is done.
    pub operation: Operation,
}

/// So many schedules; each point comes before any comes again.
pub fn plan(points: &[String], count: usize, random: &mut Random) -> Vec<Schedule> {
    let mut all = Vec::new();
    while all.len() < count && !points.is_empty() {
        let mut round = points.to_vec();
        random.shuffle(&mut round);
        for point in round.into_iter().take(count - all.len()) {
            let operations = reaching(&point);
            if let Some(operation) = operations.get(random.below(operations.len())) {
                let operation = *operation;
                all.push(Schedule { point, operation });
            }
        }
        if points.iter().all(|point| reaching(point).is_empty()) {
            break;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_point_comes_before_any_comes_again() {
        let points: Vec<String> = ["up.entered", "resume.marked", "limits.noted"]
            .map(str::to_owned)
            .into();
        let plan = plan(&points, 7, &mut Random::new(5));
        assert_eq!(plan.len(), 7);
        for round in plan.chunks(3).take(2) {
            let seen: HashSet<_> = round.iter().map(|it| it.point.clone()).collect();
            assert_eq!(seen, points.iter().cloned().collect());
        }
        assert!(
            plan.iter()
                .all(|it| reaching(&it.point).contains(&it.operation))
        );
    }

    #[test]
    fn points_that_nothing_reaches_do_not_go_on_for_ever() {
        let points = vec!["unknown".to_owned()];
        assert_eq!(plan(&points, 5, &mut Random::new(5)), []);
    }
}
