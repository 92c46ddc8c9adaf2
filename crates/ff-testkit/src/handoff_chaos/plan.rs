//! What is done to whom, and when.

use std::fmt;

use crate::chaos::random::Random;

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// A workspace goes to the cloud.
    Send,
    /// It comes back.
    Pull,
    /// A send that was cut is given up.
    AbortSend,
    /// A pull that was cut is given up.
    AbortPull,
}

/// Who comes to a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// `ff`.
    Desktop,
    /// The server or the agent.
    Cloud,
}

/// A way through the connections between `ff` and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// To the server.
    Up,
    /// From it.
    Down,
}

/// Who dies when a stream is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Victim {
    /// Nobody: only the connection ends.
    Nobody,
    /// `ff`.
    Desktop,
    /// The server.
    Server,
    /// The agent.
    Agent,
}

/// Who comes to points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `ff`.
    Desktop,
    /// `ff-cloud`.
    Server,
    /// `ff-agent`.
    Agent,
}

/// A crash point that a side comes to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// Who comes to it.
    pub side: Side,
    /// Its name.
    pub name: String,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// Whoever comes to a point is killed there.
    Killed(Point),
    /// The disk of whoever comes to a point has no room left from there on, for a while.
    Full(Point),
    /// The stream is cut in one way, and somebody may die of it.
    Cut(Way, Victim),
}

/// One schedule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Schedule {
    /// What is under way.
    pub operation: Operation,
    /// What goes wrong meanwhile.
    pub harm: Harm,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Send, Self::Pull, Self::AbortSend, Self::AbortPull];

    /// Whether a workspace leaves the desktop, or was about to.
    pub fn is_send(self) -> bool {
        matches!(self, Self::Send | Self::AbortSend)
    }

    /// Whether the workspace stays where it was.
    pub fn is_abort(self) -> bool {
        matches!(self, Self::AbortSend | Self::AbortPull)
    }

    /// Whether the workspace is in the cloud afterwards.
    pub fn ends_in_cloud(self) -> bool {
        self.is_send() != self.is_abort()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Pull => "pull",
            Self::AbortSend => "send-abort",
            Self::AbortPull => "pull-abort",
        }
    }
}

impl Point {
    /// Whose point it is: the server's own have a prefix.
    pub fn program(&self) -> Program {
        match self.side {
            Side::Desktop => Program::Desktop,
            Side::Cloud if self.name.starts_with("handoff.") => Program::Server,
            Side::Cloud => Program::Agent,
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Desktop => "desktop",
            Side::Cloud => "cloud",
        };
        write!(f, "{side}:{}", self.name)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.operation.name();
        match &self.harm {
            Harm::Killed(point) => write!(f, "{operation}@{point}/killed"),
            Harm::Full(point) => write!(f, "{operation}@{point}/full"),
            Harm::Cut(way, victim) => {
                let (way, victim) = (format!("{way:?}"), format!("{victim:?}"));
                let name = format!("{operation}@{way}/{victim}");
                f.write_str(&name.to_lowercase())
            }
        }
    }
}

/// Everything that can go wrong, in an operation that comes to these points.
pub fn all(operation: Operation, points: &[Point], with_full_disks: bool) -> Vec<Schedule> {
    let mut harms: Vec<Harm> = points.iter().cloned().map(Harm::Killed).collect();
    if with_full_disks {
        harms.extend(points.iter().cloned().map(Harm::Full));
    }
    if !operation.is_abort() {
        let victims = [
            Victim::Nobody,
            Victim::Desktop,
            Victim::Server,
            Victim::Agent,
        ];
        for way in [Way::Up, Way::Down] {
            harms.extend(victims.map(|victim| Harm::Cut(way, victim)));
        }
    }
    let schedule = |harm| Schedule { operation, harm };
    harms.into_iter().map(schedule).collect()
}

/// So many schedules in an order of chance: each comes before any comes again.
pub fn deal(all: &[Schedule], count: usize, random: &mut Random) -> Vec<Schedule> {
    let (mut dealt, mut round) = (Vec::new(), all.to_vec());
    while !round.is_empty() && dealt.len() < count {
        random.shuffle(&mut round);
        dealt.extend(round.iter().cloned());
    }
    dealt.truncate(count);
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> Vec<Point> {
        let point = |side, name: &str| Point {
            side,
            name: name.to_owned(),
        };
        vec![
            point(Side::Desktop, "move.begun"),
            point(Side::Cloud, "both.ended"),
        ]
    }

    #[test]
    fn each_comes_before_any_comes_again_and_a_seed_gives_the_same_order() {
        let all = all(Operation::Send, &points(), true);
        assert_eq!(all.len(), 2 + 2 + 8);
        let dealt = |seed| deal(&all, 30, &mut Random::new(seed));
        assert_eq!(dealt(1), dealt(1));
        assert_ne!(dealt(1), dealt(2));
        let (mut first, mut sorted) = (dealt(3), all.clone());
        first.truncate(all.len());
        first.sort();
        sorted.sort();
        assert_eq!(first, sorted);
        assert_eq!(dealt(3).len(), 30);
    }

    #[test]
    fn what_is_given_up_is_not_cut() {
        let all = all(Operation::AbortPull, &points(), false);
        let names: Vec<_> = all.iter().map(Schedule::to_string).collect();
        assert_eq!(
            names,
            [
                "pull-abort@desktop:move.begun/killed",
                "pull-abort@cloud:both.ended/killed"
            ]
        );
        assert!(Operation::AbortPull.ends_in_cloud() && !Operation::Pull.ends_in_cloud());
    }
}
