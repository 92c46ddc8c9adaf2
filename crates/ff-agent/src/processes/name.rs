//! Names of processes, for people.

use ff_core::terminal::Shell;

use super::proc::Process;

/// How far up a process's ancestors are followed.
const GENERATIONS: usize = 32;

/// The program's name, and the terminal or session it was started in where that is known.
pub(crate) fn name(
    process: &Process,
    living: &[Process],
    clis: &[(u32, String)],
    shells: &[Shell],
) -> String {
    let program = &process.name;
    if let Some(shell) = shells.iter().find(|shell| shell.pid == process.session) {
        return format!("{program} in {}", shell.name);
    }
    let mut parent = process.parent;
    for _ in 0..GENERATIONS {
        if let Some((_, session)) = clis.iter().find(|(pid, _)| *pid == parent) {
            return format!("{program} in {session}");
        }
        let Some(next) = living.iter().find(|process| process.pid == parent) else {
            break;
        };
        parent = next.parent;
    }
    program.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32, session: u32) -> Process {
        Process {
            pid,
            name: "make".into(),
            zombie: false,
            parent,
            group: pid,
            session,
            foreground: None,
            ticks: 0,
            began: 1,
        }
    }

    #[test]
    fn tells_the_terminal_or_the_session_where_it_is_known() {
        let shells = [Shell {
            terminal: ff_protocol::TerminalId::generate(),
            name: "terminal 1".into(),
            pid: 20,
        }];
        let clis = [(30, "session fix it".to_owned())];
        let living = [process(31, 30, 31), process(32, 31, 32)];
        let named = |process| name(&process, &living, &clis, &shells);
        assert_eq!(named(process(21, 1, 20)), "make in terminal 1");
        assert_eq!(named(process(33, 32, 33)), "make in session fix it");
        assert_eq!(named(process(40, 1, 40)), "make");
    }
}
