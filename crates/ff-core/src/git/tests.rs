use std::path::Path;

use super::*;

async fn repo(home: &Path) -> PathBuf {
    let dir = home.join("repo");
    std::fs::create_dir(&dir).unwrap();
    let git = Git::new(home);
    for (key, value) in [("user.name", "Test"), ("user.email", "test@example.test")] {
        git.command(home)
            .args(["config", "--global", key, value])
            .done()
            .await
            .unwrap();
    }
    git.command(&dir)
        .args(["init", "--quiet", "--initial-branch=main"])
        .done()
        .await
        .unwrap();
    commit(home, &dir, "a.txt", "one").await;
    dir
}

async fn commit(home: &Path, dir: &Path, file: &str, text: &str) -> String {
    let git = Git::new(home);
    std::fs::write(dir.join(file), text).unwrap();
    git.command(dir).args(["add", "-A"]).done().await.unwrap();
    git.command(dir)
        .args(["commit", "--quiet", "-m", text])
        .done()
        .await
        .unwrap();
    git.commit(dir, "HEAD").await.unwrap().unwrap()
}

#[tokio::test]
async fn a_bundle_carries_what_the_other_side_lacks_and_no_more() {
    let home = tempfile::tempdir().unwrap();
    let git = Git::new(home.path());
    let dir = repo(home.path()).await;
    let first = git.commit(&dir, "HEAD").await.unwrap().unwrap();
    let other = home.path().join("other");
    let untouched = home.path().join("untouched");
    for clone in ["other", "untouched"] {
        git.command(home.path())
            .args(["clone", "--quiet", "repo", clone])
            .done()
            .await
            .unwrap();
    }
    let second = commit(home.path(), &dir, "b.txt", "two").await;

    let file = home.path().join("bundle");
    let have = vec![first, "f".repeat(40), "--all".to_owned()];
    let cargo = Cargo {
        commits: vec![second.clone()],
        ..Cargo::default()
    };
    let scratch = home.path().join("scratch");
    assert!(
        git.bundle(&dir, &cargo, &have, &scratch, &file)
            .await
            .unwrap()
    );
    git.unbundle(&other, Some(&file), &cargo.commits, "refs/ff/incoming/x")
        .await
        .unwrap();
    assert_eq!(
        git.commit(&other, "refs/ff/incoming/x/0").await.unwrap(),
        Some(second.clone())
    );
    git.delete_refs(&other, "refs/ff/incoming/x").await.unwrap();
    let refs = git.command(&other).args(["for-each-ref", "refs/ff"]);
    assert_eq!(refs.text().await.unwrap(), "");
    let none = home.path().join("none");
    let have = std::slice::from_ref(&second);
    let scratch = home.path().join("another");
    assert!(
        !git.bundle(&dir, &cargo, have, &scratch, &none)
            .await
            .unwrap()
    );

    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() - 30;
    bytes[middle] ^= 0xff;
    std::fs::write(&file, bytes).unwrap();
    let error = git
        .unbundle(
            &untouched,
            Some(&file),
            &cargo.commits,
            "refs/ff/incoming/y",
        )
        .await
        .unwrap_err();
    assert_eq!(error.code(), ff_protocol::ErrorCode::Corrupted);
    assert_eq!(
        git.commit(&untouched, "refs/ff/incoming/y/0")
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn a_repository_that_cannot_be_reached_is_told_in_git_s_words() {
    let home = tempfile::tempdir().unwrap();
    let git = Git::new(home.path());
    let remote = Remote::parse("https://127.0.0.1:9/octo/demo.git")
        .unwrap()
        .remote;
    let error = git
        .clone_with_login(&remote, &home.path().join("clone"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ff_protocol::ErrorCode::CloneFailed);
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn hooks_of_a_repository_do_not_run() {
    let home = tempfile::tempdir().unwrap();
    let git = Git::new(home.path());
    let dir = repo(home.path()).await;
    let (hooks, mark) = (dir.join(".git/hooks"), home.path().join("a-hook-ran"));
    std::fs::create_dir_all(&hooks).unwrap();
    let hook = hooks.join("post-checkout");
    std::fs::write(&hook, format!("#!/bin/sh\ntouch {}\n", mark.display())).unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let head = git.commit(&dir, "HEAD").await.unwrap().unwrap();
    let tree = home.path().join("tree");
    git.add_detached_worktree(&dir, &tree, &head).await.unwrap();
    git.point(&tree, "other", &head, None).await.unwrap();
    assert!(tree.join(".git").is_file());
    assert!(!mark.exists(), "a hook ran");
}

#[tokio::test]
async fn branch_names_are_those_of_git_without_options_and_shorthands() {
    let home = tempfile::tempdir().unwrap();
    let git = Git::new(home.path());
    for name in ["main", "feature/x-1", "ünïcode"] {
        assert!(git.is_branch_name(name).await.unwrap(), "{name:?}");
    }
    for name in [
        "", "-b", "--all", "@{-1}", "a..b", "a b", "a.lock", "HEAD", "x\n",
    ] {
        assert!(!git.is_branch_name(name).await.unwrap(), "{name:?}");
    }
}
