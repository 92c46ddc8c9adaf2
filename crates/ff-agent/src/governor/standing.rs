//! Whether the machine is ours to govern.

use std::fs;
use std::path::Path;

/// Whether this agent is the one that a VM's container was started for. As a plain process of a
/// developer's machine it must leave the other processes alone, and no number it sees is its
/// VM's.
///
/// In a container of ours the first process is the image's `tini`, started with the agent as its
/// command, and the agent is its child. The `process` provider marks its agents (`marked`).
pub(super) fn is_ours(proc: &Path, marked: bool) -> bool {
    let parent = fs::read_to_string(proc.join("self/stat")).ok();
    let parent = parent.as_deref().and_then(parent_of);
    !marked && parent == Some(1) && first_runs_agent(proc)
}

fn first_runs_agent(proc: &Path) -> bool {
    let line = fs::read(proc.join("1/cmdline")).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0);
    let ends = |word: Option<&[u8]>, name: &str| {
        word.and_then(|word| word.rsplit(|byte| *byte == b'/').next()) == Some(name.as_bytes())
    };
    let tini = ends(words.next(), "tini");
    let mut command = words.skip_while(|word| word.starts_with(b"-"));
    tini && ends(command.next(), "ff-agent") && command.next() == Some(b"serve")
}

fn parent_of(stat: &str) -> Option<i32> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    fields.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn machine(first: &str, parent: i32) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (pid, file, text) in [
            ("self", "stat", format!("7 (ff-agent) S {parent} 7 7 0")),
            ("1", "cmdline", first.replace(' ', "\0")),
        ] {
            fs::create_dir_all(dir.path().join(pid)).unwrap();
            fs::write(dir.path().join(pid).join(file), text).unwrap();
        }
        dir
    }

    #[rstest]
    #[case::a_vm("/usr/bin/tini -- ff-agent serve ", 1, false, true)]
    #[case::with_a_path("/usr/bin/tini -- /usr/local/bin/ff-agent serve ", 1, false, true)]
    #[case::by_the_process_provider("/usr/bin/tini -- ff-agent serve ", 1, true, false)]
    #[case::by_hand_in_a_vm("/usr/bin/tini -- ff-agent serve ", 30, false, false)]
    #[case::a_developers_container("/usr/bin/tini -- sleep infinity ", 1, false, false)]
    #[case::a_machine("/sbin/init ", 1, false, false)]
    #[case::hidden("", 1, false, false)]
    fn only_a_vm_is_ours(
        #[case] first: &str,
        #[case] parent: i32,
        #[case] marked: bool,
        #[case] ours: bool,
    ) {
        let dir = machine(first, parent);
        assert_eq!(is_ours(dir.path(), marked), ours);
    }

    #[test]
    fn the_machine_of_this_test_is_not_ours() {
        assert!(!is_ours(Path::new("/proc"), false));
        assert!(!is_ours(Path::new("/nowhere"), false));
    }
}
