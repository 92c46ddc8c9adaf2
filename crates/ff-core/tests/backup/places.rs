//! Paths of a backup are not believed.

use serde_json::{Value, json};

use crate::world::{WORKSPACE, World, backup};

/// The worktree that a workspace has after an import with these paths.
async fn worktree_of(world: &World, repo: &str, base: &str, worktree: &str) -> Value {
    let mut source = backup();
    source["data"]["projects"][0]["repoPath"] = json!(repo);
    source["data"]["projects"][0]["worktreeBasePath"] = json!(base);
    source["data"]["workspaces"][0]["worktreePath"] = json!(worktree);
    world.import(&source).await.unwrap();
    world.export().await["data"]["workspaces"][0]["worktreePath"].clone()
}

#[tokio::test]
async fn a_worktree_that_is_none_is_not_kept() {
    let made = World::new().await;
    let (repo, base, worktree) = made.repository();
    let (plain, link) = (format!("{base}/plain"), format!("{base}/link"));
    std::fs::create_dir(&plain).unwrap();
    std::os::unix::fs::symlink(&worktree, &link).unwrap();
    let forged = format!("{base}/forged");
    std::fs::create_dir(&forged).unwrap();
    std::fs::write(format!("{forged}/.git"), "gitdir: /etc\n").unwrap();
    let up = format!("{base}/../theirs/workspace-{WORKSPACE}");
    let root = made.dir.path().to_str().unwrap();
    for (base, path) in [
        (base.as_str(), plain.as_str()),
        (&base, &link),
        (&base, &forged),
        (&base, &up),
        (&base, &base),
        (&base, &repo),
        (&base, "/etc"),
        (&base, "workspace"),
        // A directory that holds the repository is none for worktrees.
        (root, &worktree),
        ("/", &worktree),
    ] {
        let world = World::new().await;
        let kept = worktree_of(&world, &repo, base, path).await;
        assert_eq!(kept, Value::Null, "{path} in {base}");
    }
    let world = World::new().await;
    assert_eq!(
        worktree_of(&world, &repo, &base, &worktree).await,
        json!(worktree)
    );
}

#[tokio::test]
async fn a_repository_that_is_none_is_not_kept() {
    let world = World::new().await;
    for path in ["/etc", "/etc/passwd", "", "relative", "/nowhere"] {
        let mut source = backup();
        source["data"]["projects"][0]["repoPath"] = json!(path);
        world.import(&source).await.unwrap();
        let exported = world.export().await;
        assert_eq!(exported["data"]["projects"][0]["repoPath"], "", "{path}");
    }
}

#[tokio::test]
async fn two_workspaces_do_not_get_one_worktree() {
    let world = World::new().await;
    let (repo, base, worktree) = world.repository();
    let mut source = backup();
    source["data"]["projects"][0]["repoPath"] = json!(repo);
    source["data"]["projects"][0]["worktreeBasePath"] = json!(base);
    source["data"]["workspaces"][0]["worktreePath"] = json!(worktree);
    let mut second = source["data"]["workspaces"][0].clone();
    second["id"] = json!("w9");
    source["data"]["workspaces"]
        .as_array_mut()
        .unwrap()
        .push(second);
    let report = world.import(&source).await.unwrap();
    assert!(
        report
            .notes
            .iter()
            .any(|n| n.id == "w9" && n.text.contains("another workspace's"))
    );
    let exported = world.export().await;
    let workspaces = exported["data"]["workspaces"].as_array().unwrap();
    let paths: Vec<_> = workspaces.iter().map(|w| &w["worktreePath"]).collect();
    assert_eq!(paths, [&json!(worktree), &Value::Null]);
}
