//! What a live session is busy with, and what it holds.

use ff_protocol::agent::{Cause, CauseKind};
use ff_protocol::{SessionId, Timestamp};

/// Why sessions keep a machine from sleeping or from being stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Causes {
    /// What works.
    pub working: Vec<Cause>,
    /// What would be lost by a stop though nothing works.
    pub holding: Vec<Cause>,
}

/// A request that waits for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Question or permission.
    pub(super) kind: CauseKind,
    /// What is asked, for people.
    pub(super) what: String,
    /// Since when.
    pub(super) since: Timestamp,
}

/// What a live session is busy with; each since when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// The session's name.
    pub(super) name: Option<String>,
    /// A turn runs, or is about to.
    pub(super) turn: Option<Timestamp>,
    /// The CLI runs tasks in the background.
    pub(super) background: Option<Timestamp>,
    /// Messages wait for their turn.
    pub(super) queued: Option<Timestamp>,
    /// What waits for the user.
    pub(super) asked: Vec<Asked>,
    /// The CLI's number.
    pub(super) process: Option<(u32, Timestamp)>,
}

/// What is new about a load: a beginning or an end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Busy {
    /// A turn runs, or is about to.
    pub(super) turn: bool,
    /// The CLI runs tasks in the background.
    pub(super) background: bool,
    /// Messages wait for their turn.
    pub(super) queued: bool,
}

impl Load {
    /// Notes what is so `now`; what was so before keeps its beginning.
    pub(super) fn note(&mut self, busy: Busy, now: Timestamp) {
        let note = |since: &mut Option<Timestamp>, is: bool| match is {
            true => drop(since.get_or_insert(now)),
            false => *since = None,
        };
        note(&mut self.turn, busy.turn);
        note(&mut self.background, busy.background);
        note(&mut self.queued, busy.queued);
    }

    /// Whether anything is under way, waiting for the user or not.
    pub(super) fn is_busy(&self) -> bool {
        self.turn.or(self.background).or(self.queued).is_some()
    }

    /// The session, for people.
    pub(super) fn label(&self, id: &SessionId) -> String {
        match &self.name {
            Some(name) => format!("session {name} ({id})"),
            None => format!("session {id}"),
        }
    }

    /// Adds its causes. A turn that waits for the user does not work, and neither do the messages
    /// behind it, however long that takes.
    pub(super) fn causes(&self, id: &SessionId, causes: &mut Causes) {
        let label = self.label(id);
        let cause = |kind, name: String, since| Cause { kind, name, since };
        for asked in &self.asked {
            let name = format!("{} in {label}", asked.what);
            causes.holding.push(cause(asked.kind, name, asked.since));
        }
        if let Some(since) = self.background {
            let working = cause(CauseKind::BackgroundTask, label.clone(), since);
            causes.working.push(working);
        }
        if self.asked.is_empty() {
            let turn = self.turn.map(|since| (CauseKind::Turn, since));
            let queued = self.queued.map(|since| (CauseKind::QueuedMessage, since));
            let works = [turn, queued].into_iter().flatten();
            causes
                .working
                .extend(works.map(|(kind, since)| cause(kind, label.clone(), since)));
        }
        if let (false, Some((_, since))) = (self.is_busy(), self.process) {
            causes.holding.push(cause(CauseKind::IdleCli, label, since));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    const NOTHING: Busy = Busy {
        turn: false,
        background: false,
        queued: false,
    };
    const ALL: Busy = Busy {
        turn: true,
        background: true,
        queued: true,
    };

    fn kinds(load: &Load) -> (Vec<CauseKind>, Vec<CauseKind>) {
        let mut causes = Causes::default();
        load.causes(&SessionId::generate(), &mut causes);
        let kinds = |causes: Vec<Cause>| causes.into_iter().map(|cause| cause.kind).collect();
        (kinds(causes.working), kinds(causes.holding))
    }

    #[test]
    fn what_goes_on_keeps_its_beginning() {
        let (mut load, first) = (Load::default(), clock::now());
        let later = first + Duration::from_secs(60);
        load.note(ALL, first);
        load.note(ALL, later);
        assert_eq!((load.turn, load.queued), (Some(first), Some(first)));
        load.note(NOTHING, later);
        load.note(ALL, later);
        assert_eq!(load.turn, Some(later));
    }

    #[test]
    fn a_turn_works_and_one_that_asks_holds() {
        use CauseKind::{BackgroundTask, IdleCli, Permission, QueuedMessage, Turn};
        let now = clock::now();
        let mut load = Load {
            process: Some((7, now)),
            ..Load::default()
        };
        assert_eq!(kinds(&load), (vec![], vec![IdleCli]));
        load.note(ALL, now);
        assert_eq!(
            kinds(&load),
            (vec![BackgroundTask, Turn, QueuedMessage], vec![])
        );
        load.asked.push(Asked {
            kind: Permission,
            what: "permission for Bash".into(),
            since: now,
        });
        assert_eq!(kinds(&load), (vec![BackgroundTask], vec![Permission]));
        let quiet = Busy {
            background: false,
            ..ALL
        };
        load.note(quiet, now);
        assert_eq!(kinds(&load), (vec![], vec![Permission]));
        assert!(load.is_busy());
        load.process = None;
        load.asked.clear();
        load.note(NOTHING, now);
        assert_eq!(kinds(&load), (vec![], vec![]));
    }

    #[test]
    fn causes_name_the_session() {
        let id = SessionId::generate();
        let mut load = Load::default();
        assert_eq!(load.label(&id), format!("session {id}"));
        load.name = Some("fix it".into());
        assert_eq!(load.label(&id), format!("session fix it ({id})"));
    }
}
