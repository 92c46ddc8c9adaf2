use std::time::Duration;

use ff_protocol::WorkspaceId;

use super::*;

struct Nobody;

impl Witness for Nobody {
    async fn begun(&mut self, _process: &ProcessMark) -> Result<()> {
        Ok(())
    }

    async fn goes_on(&mut self) -> Result<()> {
        Ok(())
    }
}

struct Ran {
    outcome: std::result::Result<(), String>,
    output: String,
}

/// Runs a command in a directory of its own.
async fn ran(dir: &Path, id: &WorkspaceId, command: &str, seconds: u64) -> Ran {
    let place = Place {
        home: dir,
        worktree: dir,
        mark: &mark_of(id, "test"),
    };
    let all = Output::keeping(50 << 10);
    let errors = Output::beside(8 << 10, &all);
    let outputs = (all.clone(), errors);
    let what = What::Command(command.to_owned());
    let limit = Duration::from_secs(seconds);
    let outcome = run(&what, &place, limit, outputs, &mut Nobody)
        .await
        .unwrap();
    Ran {
        outcome,
        output: all.text(),
    }
}

/// Processes that carry a workspace's mark.
fn left(id: &WorkspaceId) -> usize {
    let mark = format!("{}={id}.test", marked::SCRIPT).into_bytes();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter(|entry| {
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|it| it == mark)
        })
        .count()
}

#[tokio::test]
async fn a_script_has_its_place_and_its_words_are_kept() {
    let (dir, id) = (tempfile::tempdir().unwrap(), WorkspaceId::generate());
    let command = "pwd; echo $WORKSPACE_PATH; echo err >&2";
    let ran = ran(dir.path(), &id, command, 30).await;
    assert_eq!(ran.outcome, Ok(()));
    let path = dir.path().canonicalize().unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(ran.output.matches(path).count(), 2, "{}", ran.output);
    assert!(ran.output.contains("err"));
}

#[tokio::test]
async fn what_a_failed_script_said_on_stderr_is_why() {
    let (dir, id) = (tempfile::tempdir().unwrap(), WorkspaceId::generate());
    let ran = ran(
        dir.path(),
        &id,
        "echo out; echo no such thing >&2; exit 3",
        30,
    )
    .await;
    let why = ran.outcome.unwrap_err();
    assert_eq!(why, "it ended with exit code 3: no such thing");
}

#[tokio::test]
async fn one_that_hangs_is_ended_with_all_it_started() {
    let (dir, id) = (tempfile::tempdir().unwrap(), WorkspaceId::generate());
    let command = "trap '' TERM; (setsid sleep 600 &) ; sleep 600 & echo up; wait; sleep 600";
    let ran = ran(dir.path(), &id, command, 1).await;
    assert_eq!(ran.outcome.unwrap_err(), "it took longer than 1 s");
    assert!(ran.output.contains("up"));
    assert_eq!(left(&id), 0);
}

#[tokio::test]
async fn what_one_leaves_behind_ends_with_it_and_holds_nothing_up() {
    let (dir, id) = (tempfile::tempdir().unwrap(), WorkspaceId::generate());
    let command = "(setsid sleep 600 &); sleep 600 & disown; echo done";
    let ran = ran(dir.path(), &id, command, 60).await;
    assert_eq!(ran.outcome, Ok(()));
    assert!(ran.output.contains("done"));
    assert_eq!(left(&id), 0);
}

#[tokio::test]
async fn one_that_forks_again_and_again_is_ended_whole() {
    let (dir, id) = (tempfile::tempdir().unwrap(), WorkspaceId::generate());
    // Each of at most eighty processes starts two more.
    let command = "f() { [ $(ls -d /proc/[0-9]* | wc -l) -lt 4000 ] && [ $1 -lt 6 ] && { f $(($1+1)) & f $(($1+1)) & }; sleep 600; }; f 0";
    let ran = ran(dir.path(), &id, command, 2).await;
    assert_eq!(ran.outcome.unwrap_err(), "it took longer than 2 s");
    assert_eq!(left(&id), 0);
}

#[tokio::test]
async fn a_flood_is_read_on_and_only_its_end_kept() {
    let (dir, id) = (tempfile::tempdir().unwrap(), WorkspaceId::generate());
    let command = "head -c 20000000 /dev/zero | tr '\\0' x; echo; echo end";
    let ran = ran(dir.path(), &id, command, 60).await;
    assert_eq!(ran.outcome, Ok(()));
    assert!(ran.output.ends_with("end\n"));
    assert!(ran.output.starts_with("[... the beginning is cut]"));
    assert!(ran.output.len() <= (50 << 10) + 40, "{}", ran.output.len());
}
