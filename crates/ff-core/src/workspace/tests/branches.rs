//! Which branch a worktree has, and where it starts.

use ff_protocol::workspace::{CreateWorkspace, Workspace, WorkspaceStatus};

use super::world::{World, dir, git};

impl World {
    /// A remote that has what the repository has.
    fn with_remote(&self) -> std::path::PathBuf {
        let bare = self.home.join("remote.git");
        let url = bare.to_str().unwrap();
        git(
            &self.home,
            &self.home,
            &["clone", "--quiet", "--bare", "demo", url],
        );
        self.git(&self.repo, &["remote", "add", "origin", url]);
        self.git(&self.repo, &["fetch", "--quiet", "origin"]);
        bare
    }

    /// A commit on a branch of the remote that nobody here has.
    fn commit_there(&self, branch: &str, file: &str) -> String {
        let other = self.home.join("other");
        if !other.exists() {
            git(
                &self.home,
                &self.home,
                &["clone", "--quiet", "remote.git", "other"],
            );
        }
        git(&self.home, &other, &["fetch", "--quiet"]);
        let start = format!("origin/{branch}");
        git(
            &self.home,
            &other,
            &["checkout", "--quiet", "-B", branch, &start],
        );
        std::fs::write(other.join(file), file).unwrap();
        git(&self.home, &other, &["add", "-A"]);
        git(&self.home, &other, &["commit", "--quiet", "-m", file]);
        git(&self.home, &other, &["push", "--quiet", "origin", branch]);
        git(&self.home, &other, &["rev-parse", "HEAD"])
    }

    async fn on(&self, branch: &str) -> Workspace {
        let create = CreateWorkspace {
            branch: Some(branch.to_owned()),
            ..self.named("On a branch")
        };
        let made = self.made(create).await;
        assert_eq!(made.status, WorkspaceStatus::Ready, "{:?}", made.init);
        made
    }

    fn head(&self, workspace: &Workspace) -> String {
        self.git(&dir(workspace), &["rev-parse", "HEAD"])
    }
}

#[tokio::test]
async fn a_new_branch_starts_from_the_remote_s_newest() {
    let w = World::new().await;
    w.with_remote();
    let there = w.commit_there("main", "new");
    let made = w.ready("Fresh").await;
    assert_eq!(w.head(&made), there);
    let upstream = std::process::Command::new("git")
        .args(["rev-parse", "--abbrev-ref", "@{upstream}"])
        .current_dir(dir(&made))
        .env("HOME", &w.home)
        .output()
        .unwrap();
    assert!(!upstream.status.success(), "a push must not go to main");
    // The remote is gone: what is here will do.
    std::fs::rename(w.home.join("remote.git"), w.home.join("gone.git")).unwrap();
    let here = w.git(&w.repo, &["rev-parse", "main"]);
    let made = w.ready("Offline").await;
    assert_eq!(w.head(&made), here);
}

#[tokio::test]
async fn a_base_branch_may_be_named() {
    let w = World::new().await;
    w.git(&w.repo, &["checkout", "--quiet", "-b", "release"]);
    let release = w.commit("r", "r");
    w.git(&w.repo, &["checkout", "--quiet", "main"]);
    let create = CreateWorkspace {
        base_branch: Some("release".into()),
        ..w.named("Hot fix")
    };
    let made = w.made(create).await;
    assert_eq!(w.head(&made), release);
    assert_eq!(made.branch_name.as_deref(), Some("hot-fix"));
}

#[tokio::test]
async fn names_that_are_taken_get_a_number() {
    let w = World::new().await;
    let mut names = Vec::new();
    for _ in 0..3 {
        names.extend(w.ready("Same name").await.branch_name);
    }
    assert_eq!(names, ["same-name", "same-name-1", "same-name-2"]);
    // A branch below the name stands in the way, too.
    w.git(&w.repo, &["branch", "deep/er"]);
    assert_eq!(w.ready("Deep").await.branch_name.as_deref(), Some("deep-1"));
}

#[tokio::test]
async fn an_existing_branch_is_brought_up_to_the_remote_s_where_nothing_is_lost() {
    let w = World::new().await;
    w.git(&w.repo, &["branch", "behind"]);
    w.git(&w.repo, &["branch", "apart"]);
    w.with_remote();
    let there = w.commit_there("behind", "b");
    w.commit_there("apart", "c");
    // Here, `apart` goes its own way.
    w.git(&w.repo, &["checkout", "--quiet", "apart"]);
    let apart = w.commit("mine", "mine");
    w.git(&w.repo, &["checkout", "--quiet", "main"]);
    assert_eq!(w.head(&w.on("behind").await), there);
    assert_eq!(w.head(&w.on("apart").await), apart);
}

#[tokio::test]
async fn the_remote_s_branch_is_taken_when_it_is_named() {
    let w = World::new().await;
    w.git(&w.repo, &["branch", "apart"]);
    w.with_remote();
    let there = w.commit_there("apart", "c");
    w.git(&w.repo, &["checkout", "--quiet", "apart"]);
    w.commit("mine", "mine");
    w.git(&w.repo, &["checkout", "--quiet", "main"]);
    let made = w.on("origin/apart").await;
    assert_eq!(w.head(&made), there);
    assert_eq!(made.branch_name.as_deref(), Some("apart"));
}

#[tokio::test]
async fn a_branch_that_only_the_remote_has_is_fetched_and_followed() {
    let w = World::new().await;
    w.with_remote();
    w.git(&w.home.join("remote.git"), &["branch", "theirs", "main"]);
    let there = w.commit_there("theirs", "t");
    let made = w.on("theirs").await;
    assert_eq!(w.head(&made), there);
    let upstream = w.git(&dir(&made), &["rev-parse", "--abbrev-ref", "@{upstream}"]);
    assert_eq!(upstream, "origin/theirs");
}
