//! Who is killed, and when.

use std::fmt;

use crate::chaos::random::Random;

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Victim {
    /// The agent of a VM, and with it its container.
    Agent,
    /// An agent whose machine, and so whose CLI, outlives it.
    BareAgent,
    /// The server.
    Server,
    /// The CLI of the session.
    Cli,
}

/// What is under way meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// A message was sent and nobody has said that it came.
    PromptUnacknowledged,
    /// The model has said half of its answer.
    MidDelta,
    /// A tool has begun and does not end.
    ToolRunning,
    /// The user is asked for leave.
    PermissionOpen,
    /// The user has answered, and nothing has come of it.
    AnswerSent,
    /// The CLI is through with the turn, and the journal does not say so.
    ResultUnwritten,
}

impl Victim {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Agent, Self::Server, Self::Cli, Self::BareAgent];

    /// Whether the turn that runs is lost with it.
    pub fn cuts(self) -> bool {
        self != Self::Server
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::BareAgent => "bare-agent",
            Self::Server => "server",
            Self::Cli => "cli",
        }
    }
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::PromptUnacknowledged,
        Self::MidDelta,
        Self::ToolRunning,
        Self::PermissionOpen,
        Self::AnswerSent,
        Self::ResultUnwritten,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::PromptUnacknowledged => "prompt-unacknowledged",
            Self::MidDelta => "mid-delta",
            Self::ToolRunning => "tool-running",
            Self::PermissionOpen => "permission-open",
            Self::AnswerSent => "answer-sent",
            Self::ResultUnwritten => "result-unwritten",
        }
    }
}

/// One kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kill {
    /// Whose.
    pub victim: Victim,
    /// When.
    pub moment: Moment,
    /// Moments can be brought about in two ways; which.
    pub other_way: bool,
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.other_way { "/2" } else { "/1" };
        write!(f, "{}@{}{way}", self.victim.name(), self.moment.name())
    }
}

/// Each of these victims so many times in each moment, in an order of chance; the ways take turns,
/// and chance says which is first. A bare agent needs another machine, so its kills are last.
pub fn plan(victims: &[Victim], rounds: usize, random: &mut Random) -> Vec<Kill> {
    let mut all = Vec::new();
    for &victim in victims {
        for moment in Moment::ALL {
            let first = random.below(2);
            all.extend((first..first + rounds).map(|nth| Kill {
                victim,
                moment,
                other_way: nth % 2 == 1,
            }));
        }
    }
    random.shuffle(&mut all);
    all.sort_by_key(|kill| kill.victim == Victim::BareAgent);
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_pair_comes_as_often_and_bare_agents_last() {
        let plan = plan(&Victim::ALL, 5, &mut Random::new(3));
        assert_eq!(plan.len(), 4 * 6 * 5);
        for victim in Victim::ALL {
            for moment in Moment::ALL {
                let these = plan
                    .iter()
                    .filter(|kill| kill.victim == victim && kill.moment == moment);
                let other = these.clone().filter(|kill| kill.other_way).count();
                assert_eq!(these.count(), 5);
                assert!((2..=3).contains(&other));
            }
        }
        let bare = plan
            .iter()
            .position(|kill| kill.victim == Victim::BareAgent);
        assert_eq!(bare, Some(90));
    }

    #[test]
    fn a_seed_gives_the_same_plan_again() {
        let plan = |seed| plan(&Victim::ALL, 1, &mut Random::new(seed));
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
        assert_eq!(plan(7).iter().collect::<BTreeSet<_>>().len(), 24);
    }
}
