//! Copies that stayed in the middle of something: they are put away and come back whole, whoever
//! goes on with them.

use std::path::Path;

use ff_protocol::ErrorCode;
use ff_protocol::ownership::Ruling;
use ff_protocol::workspace::Owner;
use ff_testkit::states::{Here, Shell};
use rstest::rstest;

use super::world::World;
use crate::handoff::Followed;

/// Two branches that meet in `f`, and `more` to come.
const BRANCHES: &str = r#"set -e
B=$(git symbolic-ref --short HEAD)
echo base > f; git add f; git commit -qm base
git checkout -q --detach; echo theirs > f; git commit -qam theirs; git branch other
git checkout -q "$B"; echo ours > f; git commit -qam ours
echo more > g; git add g; git commit -qm more
echo idle > idle.txt
"#;

/// Goes into the middle of something that meets a conflict in `f`.
const MERGE: &str = "! git merge -q other";
const REBASE: &str = "! git rebase -q other 2> /dev/null";
const INTERACTIVE: &str = "! GIT_SEQUENCE_EDITOR=true git rebase -q -i other 2> /dev/null";
const STASHED: &str = "echo dirty >> README; ! git rebase -q --autostash other > /dev/null 2>&1";
const CHERRY_PICK: &str = "! git cherry-pick other 2> /dev/null";
const REVERT: &str =
    "echo again > f; git commit -qam again; ! git revert --no-edit HEAD~2 2> /dev/null";

/// Goes on to the end, and what is then there.
const SOLVED: &str = "set -e; echo solved > f; git add f";

struct Middle {
    world: World,
    here: Here,
    branch: String,
    status: String,
}

impl Middle {
    async fn of(script: &str) -> Self {
        let world = World::new().await;
        let here = world.place(&world.desktop).await;
        here.run(BRANCHES).unwrap();
        here.run(&format!("set -e; {script}")).unwrap();
        let branch = world.workspace.branch_name.clone().unwrap();
        let status = status(&here);
        Self {
            world,
            here,
            branch,
            status,
        }
    }

    /// The directory of another workspace, and what git says there, with this one's branch for its.
    fn told_in(&self, dir: &str, branch: &str) -> (Here, String) {
        let here = Here {
            home: self.here.home.clone(),
            dir: dir.into(),
        };
        let told = status(&here).replace(branch, &self.branch);
        (here, told)
    }
}

fn said(here: &Here, script: &str) -> String {
    let bytes = here.run(script).unwrap();
    String::from_utf8(bytes).unwrap().trim().to_owned()
}

fn status(here: &Here) -> String {
    said(
        here,
        "git status; git status --porcelain=v2; git stash list",
    )
}

/// Whether the branch that something was in the middle of holds all of it.
fn ends(here: &Here, goes_on: &str, branch: &str, holds: &[&str]) {
    said(here, &format!("{SOLVED}; {goes_on}"));
    assert_eq!(said(here, "git branch --show-current"), branch);
    let log = said(here, "git log --format=%s");
    for commit in holds {
        assert!(log.lines().any(|it| it == *commit), "{commit}: {log}");
    }
    assert_eq!(said(here, "cat f"), "solved");
    let left = said(here, "git status");
    for word in ["rebas", "merging", "cherry", "revert"] {
        assert!(!left.contains(word), "{left}");
    }
}

#[rstest]
#[case::merge(MERGE, "git commit -q --no-edit", &["theirs", "ours", "more"])]
#[case::rebase(REBASE, "git rebase --continue", &["theirs", "ours", "more"])]
#[case::interactive(INTERACTIVE, "git rebase --continue", &["theirs", "ours", "more"])]
#[case::stashed(STASHED, "git rebase --continue; grep dirty README", &["theirs", "ours", "more"])]
#[case::cherry_pick(CHERRY_PICK, "git cherry-pick --continue", &["theirs", "ours", "more"])]
#[case::revert(REVERT, "git revert --continue", &["Revert \"ours\""])]
#[tokio::test]
async fn an_edited_copy_in_the_middle_of_something_is_kept_whole_and_the_workspace_comes_back(
    #[case] script: &str,
    #[case] goes_on: &str,
    #[case] holds: &[&str],
) {
    let middle = Middle::of(script).await;
    let (world, here) = (&middle.world, &middle.here);
    let (core, id) = (&world.desktop.core, &world.workspace.id);
    world.send().await;
    assert!(!core.kept(id).await.unwrap().unwrap().edited);
    let left = said(here, "git status");
    assert!(
        left.contains("Not currently on any branch") || left.contains("HEAD detached"),
        "{left}"
    );

    std::fs::write(here.dir.join("idle.txt"), "late\n").unwrap();
    assert!(core.kept(id).await.unwrap().unwrap().edited);
    let refused = core.handoff_begin_pull(id).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Conflict);
    assert!(refused.to_string().contains("--keep-both"), "{refused}");

    let kept = core.workspace_restore(id).await.unwrap();
    let name = format!("{}-kept", middle.branch);
    assert_eq!(kept.branch_name.as_deref(), Some(&*name));
    let (new, told) = middle.told_in(&kept.worktree_path.unwrap(), &name);
    assert_eq!(told, middle.status);
    assert_eq!(said(&new, "cat idle.txt"), "late");

    world.pull(2).await;
    assert_eq!(status(here), middle.status);
    assert_eq!(said(here, "cat idle.txt"), "idle");
    // The one does not disturb the other.
    ends(&new, goes_on, &name, holds);
    assert_eq!(status(here), middle.status);
    ends(here, goes_on, &middle.branch, holds);
}

#[rstest]
#[case::merge(MERGE, "git commit -q --no-edit")]
#[case::rebase(REBASE, "git rebase --continue")]
#[case::stashed(STASHED, "git rebase --continue; grep dirty README")]
#[case::cherry_pick(CHERRY_PICK, "git cherry-pick --continue")]
#[tokio::test]
async fn a_copy_in_the_middle_of_something_goes_on_where_it_is_taken_back(
    #[case] script: &str,
    #[case] goes_on: &str,
    #[values(false, true)] fenced: bool,
) {
    let middle = Middle::of(script).await;
    let (world, here) = (&middle.world, &middle.here);
    let (core, id) = (&world.desktop.core, &world.workspace.id);
    if fenced {
        let word = Ruling {
            workspace_id: id.clone(),
            owner: Owner::Cloud,
            epoch: 4,
            by: None,
        };
        assert_eq!(core.follow(&word).await.unwrap(), Followed::Fenced);
    } else {
        world.send().await;
    }
    // Its branch is free.
    let other = world.desktop.home.join("demo");
    let repo = Here {
        home: here.home.clone(),
        dir: other,
    };
    said(
        &repo,
        &format!("git checkout -q {} && git checkout -q main", middle.branch),
    );
    core.recover().await.unwrap();
    let epoch = core.reclaimable(id).await.unwrap();
    for _ in 0..2 {
        core.workspace_reclaim(id, epoch).await.unwrap();
    }
    assert_eq!(status(here), middle.status);
    ends(here, goes_on, &middle.branch, &["theirs", "ours", "more"]);
}

/// Ended in the copy, what was put away is no more.
#[tokio::test]
async fn a_commit_in_the_copy_that_stayed_is_kept_on_a_branch_of_its_own() {
    let world = World::new().await;
    world.send().await;
    let (core, id) = (&world.desktop.core, &world.workspace.id);
    let dir = world.workspace.worktree_path.clone().unwrap();
    let late = world.commit(&world.desktop, &dir, "late.txt");
    assert!(core.kept(id).await.unwrap().unwrap().edited);
    let kept = core.workspace_restore(id).await.unwrap();
    let new = Here {
        home: world.desktop.home.clone(),
        dir: kept.worktree_path.unwrap().into(),
    };
    let branch = format!("{}-kept", world.workspace.branch_name.clone().unwrap());
    assert_eq!(said(&new, "git branch --show-current"), branch);
    assert_eq!(said(&new, "git rev-parse HEAD"), late);
    let back = world.pull(2).await;
    assert_eq!(back.epoch, 3);
    assert!(!Path::new(&dir).join("late.txt").exists());
    assert_eq!(said(&new, "git rev-parse HEAD"), late);
}

/// What was put away is about the branch it was about, whatever was done in the copy since.
#[tokio::test]
async fn a_copy_on_another_branch_by_now_keeps_that() {
    let middle = Middle::of(MERGE).await;
    let (world, here) = (&middle.world, &middle.here);
    let (core, id) = (&world.desktop.core, &world.workspace.id);
    world.send().await;
    said(
        here,
        "git stash -q -u 2> /dev/null || git reset -q --hard; git checkout -q -b own",
    );
    let kept = core.workspace_restore(id).await.unwrap();
    assert_eq!(kept.branch_name.as_deref(), Some("own"));
    world.pull(2).await;
    assert_eq!(said(here, "git branch --show-current"), middle.branch);
    assert!(status(here).contains("You have unmerged paths"));
}
