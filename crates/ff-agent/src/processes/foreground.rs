//! Programs in the foreground of terminals.

use std::collections::BTreeMap;

use ff_core::terminal::Shell;
use ff_protocol::agent::{Cause, CauseKind};
use ff_protocol::{TerminalId, Timestamp};

use super::proc;

/// Remembers since when a program is in the foreground.
#[derive(Debug, Default)]
pub(crate) struct Foregrounds {
    since: BTreeMap<TerminalId, (u32, Timestamp)>,
}

impl Foregrounds {
    /// Looks at each terminal: a group in the foreground that is not the login shell's own
    /// holds. Reads `/proc`.
    pub(crate) fn look(&mut self, shells: &[Shell], now: Timestamp) -> Vec<Cause> {
        let groups = shells.iter().filter_map(|shell| {
            let seen = proc::look(shell.pid)?;
            let group = seen.foreground.filter(|group| *group != seen.group)?;
            let name = proc::look(group).map_or("a program".to_owned(), |leader| leader.name);
            Some((shell, group, name))
        });
        let groups: Vec<_> = groups.collect();
        self.note(&groups, now)
    }

    fn note(&mut self, groups: &[(&Shell, u32, String)], now: Timestamp) -> Vec<Cause> {
        let before = std::mem::take(&mut self.since);
        let cause = |(shell, group, name): &(&Shell, u32, String)| {
            let known = before.get(&shell.terminal);
            let since = known
                .filter(|(known, _)| known == group)
                .map_or(now, |(_, since)| *since);
            self.since.insert(shell.terminal.clone(), (*group, since));
            Cause {
                kind: CauseKind::Foreground,
                name: format!("{name} in {}", shell.name),
                since,
            }
        };
        groups.iter().map(cause).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_program_holds_since_it_came_to_the_foreground() {
        let shell = Shell {
            terminal: TerminalId::generate(),
            name: "terminal 1".into(),
            pid: 4000,
        };
        let (mut foregrounds, first) = (Foregrounds::default(), ff_core::clock::now());
        let later = first + Duration::from_secs(60);
        let vim = [(&shell, 4001, "vim".to_owned())];
        let cause = &foregrounds.note(&vim, first)[0];
        assert_eq!((&*cause.name, cause.since), ("vim in terminal 1", first));
        assert_eq!(foregrounds.note(&vim, later)[0].since, first);
        let less = [(&shell, 4002, "less".to_owned())];
        assert_eq!(foregrounds.note(&less, later)[0].since, later);
        assert!(foregrounds.note(&[], later).is_empty());
        assert_eq!(foregrounds.note(&vim, later)[0].since, later);
    }
}
