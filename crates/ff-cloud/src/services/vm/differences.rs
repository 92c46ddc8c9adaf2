//! What differs between rows and what the provider has. Pure.

use std::collections::{HashMap, HashSet};

use ff_protocol::vm::VmState;
use ff_protocol::{Timestamp, VmId};
use serde::Serialize;

use super::action::{Action, Facts, action};
use super::failure;
use super::view::word;
use crate::compute::{Belonging, BelongingKind, Machine, Power};
use crate::db::entity::vm::Model;

/// Kinds of [`Difference`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A container with this server's label belongs to no VM.
    UnknownContainer,
    /// A VM that should have a container that runs has none.
    ContainerMissing,
    /// A container does something else than its VM's row says.
    ContainerDiffers,
    /// A home with this server's label belongs to no VM.
    UnknownHome,
    /// A VM's home is gone.
    HomeLost,
    /// A network with this server's label belongs to no VM.
    StrayNetwork,
    /// A VM's state has lasted beyond its deadline.
    Stuck,
}

impl Kind {
    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownContainer => "unknown_container",
            Self::ContainerMissing => "container_missing",
            Self::ContainerDiffers => "container_differs",
            Self::UnknownHome => "unknown_home",
            Self::HomeLost => "home_lost",
            Self::StrayNetwork => "stray_network",
            Self::Stuck => "stuck",
        }
    }
}

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// What kind of thing it is.
    pub code: Kind,
    /// The VM, or the provider's name of what belongs to none.
    pub object: String,
    /// Whether the reconciler puts it right.
    pub mends: bool,
    /// What differs, and what becomes of it.
    pub text: String,
}

impl Difference {
    /// Whether it is the same thing, whatever is said of it.
    pub fn is(&self, other: &Self) -> bool {
        (self.code, &self.object) == (other.code, &other.object)
    }

    fn new(code: Kind, object: impl ToString, mends: bool, text: impl Into<String>) -> Self {
        Self {
            code,
            object: object.to_string(),
            mends,
            text: text.into(),
        }
    }
}

/// Compares the rows of live VMs with what the provider has. What was listed must be older than
/// the rows, so that what was made in between is not taken for a stranger.
pub fn differences(
    rows: &[Model],
    machines: Vec<Machine>,
    belongings: &[Belonging],
    now: Timestamp,
) -> Vec<Difference> {
    let mut machines: HashMap<String, Machine> = machines
        .into_iter()
        .map(|machine| (machine.vm_id.to_string(), machine))
        .collect();
    let of = |kind| belongings.iter().filter(move |it| it.kind == kind);
    let homes: HashSet<&str> = of(BelongingKind::Home)
        .filter_map(|home| home.vm_id.as_ref().map(VmId::as_str))
        .collect();
    let known: HashSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let strange = |it: &&Belonging| {
        let vm = it.vm_id.as_ref().map(VmId::as_str);
        vm.is_none_or(|vm| !known.contains(vm))
    };

    let mut found: Vec<Difference> = rows
        .iter()
        .filter_map(|row| {
            let power = machines.remove(&row.id).map(|machine| machine.power);
            of_row(row, power, homes.contains(row.id.as_str()), now)
        })
        .collect();
    let mut unknown: Vec<_> = machines.into_values().collect();
    unknown.sort_by(|one, other| one.vm_id.as_str().cmp(other.vm_id.as_str()));
    found.extend(unknown.iter().map(|machine| {
        let text = format!(
            "container {} belongs to no VM this server knows; it is stopped and removed after a time (--stranger-grace), and its home stays",
            machine.id
        );
        Difference::new(Kind::UnknownContainer, &machine.vm_id, true, text)
    }));
    found.extend(of(BelongingKind::Home).filter(strange).map(|home| {
        let text = "this home belongs to no VM this server knows; nothing removes it by itself: look into it, then remove it by hand";
        Difference::new(Kind::UnknownHome, &home.id, false, text)
    }));
    found.extend(of(BelongingKind::Network).filter(strange).map(|network| {
        let text = "this network belongs to no VM this server knows, and is removed";
        Difference::new(Kind::StrayNetwork, &network.id, true, text)
    }));
    found
}

fn of_row(row: &Model, power: Option<Power>, home: bool, now: Timestamp) -> Option<Difference> {
    let state = VmState::from(row.state);
    let facts = Facts {
        state,
        power,
        home_lost: row.has_home && !home,
        orphan: false,
        overdue: row.deadline_at.is_some_and(|deadline| deadline < now),
        unanswered: failure::unanswered(row),
    };
    let off = matches!(power, None | Some(Power::Off { .. }));
    let settled = matches!(state, VmState::Running | VmState::Frozen | VmState::Stopped);
    let differs = |code, mends, text| Some(Difference::new(code, &row.id, mends, text));
    if facts.home_lost && settled {
        let text = "its home is gone, and with it what the user had: bring it back from a backup, or delete the VM; it is FAILED with `volume_missing` until then";
        return differs(Kind::HomeLost, off, text.to_owned());
    }
    if facts.overdue {
        let text = format!("it has been {} for longer than that may last", word(state));
        return differs(Kind::Stuck, true, text);
    }
    match (action(facts), power) {
        // Removals, and what somebody works on, take their time.
        (Action::Nothing | Action::Watch | Action::Remove | Action::Drive, _) => None,
        (Action::TryAgain, _) => None,
        (Action::NoteEnded | Action::NoteStopped, None) => {
            let text = format!(
                "it is {} and has no container; one is made on its home",
                word(state)
            );
            differs(Kind::ContainerMissing, true, text)
        }
        (_, power) => {
            let does = match power {
                Some(Power::On) => "runs",
                Some(Power::Frozen) => "is frozen",
                Some(Power::Off { .. }) | None => "does not run",
            };
            let text = format!("it is {}, and its container {does}", word(state));
            differs(Kind::ContainerDiffers, true, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::clock;
    use crate::db::entity::vm::State;

    fn row(vm: &VmId, state: State) -> Model {
        let now = clock::now();
        Model {
            id: vm.to_string(),
            user_id: Some("u".to_owned()),
            live_user_id: Some("u".to_owned()),
            state,
            reason_code: None,
            reason: None,
            image: "ff-vm".to_owned(),
            container_id: None,
            address: None,
            machine_start: None,
            token_generation: 1,
            has_home: true,
            deadline_at: None,
            last_health_check: None,
            last_active_at: None,
            created_at: now,
            updated_at: now,
            state_since: None,
            image_id: None,
            previous_image_id: None,
            holding: "[]".to_owned(),
            next_wake_at: None,
            restart_at: None,
            restarts: 0,
            cpus: None,
            memory: None,
            pids: None,
            limits_pending: false,
            notices: "[]".to_owned(),
        }
    }

    fn machine(vm: &VmId, power: Power) -> Machine {
        Machine {
            vm_id: vm.clone(),
            id: format!("c-{vm}"),
            power,
            start: "1".to_owned(),
            address: None,
            image_id: "i".to_owned(),
        }
    }

    fn belonging(kind: BelongingKind, id: &str, vm: Option<&VmId>) -> Belonging {
        Belonging {
            kind,
            id: id.to_owned(),
            vm_id: vm.cloned(),
        }
    }

    fn codes(found: &[Difference]) -> Vec<(Kind, &str, bool)> {
        let codes = found.iter();
        codes
            .map(|it| (it.code, it.object.as_str(), it.mends))
            .collect()
    }

    /// What is said of one VM with a home, in this state and with this machine.
    fn of(state: State, power: Option<Power>) -> Option<Kind> {
        let vm = VmId::generate();
        let machines = power.map(|power| machine(&vm, power)).into_iter().collect();
        let homes = [belonging(BelongingKind::Home, "h", Some(&vm))];
        let found = differences(&[row(&vm, state)], machines, &homes, clock::now());
        assert!(found.len() <= 1);
        found.first().map(|it| it.code)
    }

    #[test]
    fn a_vm_is_compared_with_its_container() {
        let (on, frozen, off) = (Some(Power::On), Some(Power::Frozen), Some(Power::OFF));
        for (state, power) in [
            (State::Running, on),
            (State::Pooled, on),
            (State::Frozen, frozen),
            (State::Stopped, off),
            (State::Stopped, None),
            (State::Failed, None),
            (State::Provisioning, None),
            (State::Resuming, off),
            (State::Terminating, None),
        ] {
            assert_eq!(of(state, power), None, "{state:?} {power:?}");
        }
        for state in [State::Running, State::Frozen, State::Pooled] {
            assert_eq!(of(state, None), Some(Kind::ContainerMissing));
            assert_eq!(of(state, off), Some(Kind::ContainerDiffers));
        }
        assert_eq!(of(State::Stopped, on), Some(Kind::ContainerDiffers));
        assert_eq!(of(State::Running, frozen), Some(Kind::ContainerDiffers));
    }

    #[test]
    fn what_belongs_to_nobody_is_named_and_homes_are_never_mended() {
        let (known, stranger) = (VmId::generate(), VmId::generate());
        let belongings = [
            belonging(BelongingKind::Home, "h-known", Some(&known)),
            belonging(BelongingKind::Home, "h-stranger", Some(&stranger)),
            belonging(BelongingKind::Home, "h-nobody", None),
            belonging(BelongingKind::Network, "n-known", Some(&known)),
            belonging(BelongingKind::Network, "n-nobody", None),
        ];
        let machines = vec![machine(&known, Power::On), machine(&stranger, Power::OFF)];
        let rows = [row(&known, State::Running)];
        let found = differences(&rows, machines, &belongings, clock::now());
        let expected = [
            (Kind::UnknownContainer, stranger.as_str(), true),
            (Kind::UnknownHome, "h-stranger", false),
            (Kind::UnknownHome, "h-nobody", false),
            (Kind::StrayNetwork, "n-nobody", true),
        ];
        assert_eq!(codes(&found), expected);
    }

    #[test]
    fn a_lost_home_and_a_stuck_row_are_named_before_anything_else() {
        let vm = VmId::generate();
        let now = clock::now();
        let found = differences(&[row(&vm, State::Stopped)], Vec::new(), &[], now);
        assert_eq!(codes(&found), [(Kind::HomeLost, vm.as_str(), true)]);
        let home = [belonging(BelongingKind::Home, "h", Some(&vm))];
        for (left, expected) in [(-1, Some(Kind::Stuck)), (60, None)] {
            let mut row = row(&vm, State::Resuming);
            row.deadline_at = Some(now + TimeDelta::seconds(left));
            let found = differences(&[row], Vec::new(), &home, now);
            assert_eq!(found.first().map(|it| it.code), expected);
        }
    }

    #[test]
    fn codes_on_the_wire_are_those_that_are_printed() {
        for kind in [
            Kind::UnknownContainer,
            Kind::ContainerMissing,
            Kind::ContainerDiffers,
            Kind::UnknownHome,
            Kind::HomeLost,
            Kind::StrayNetwork,
            Kind::Stuck,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.code());
        }
    }
}
