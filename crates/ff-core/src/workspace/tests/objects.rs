//! A workspace cannot harm another's git objects.

use super::world::{World, dir};

#[tokio::test]
async fn what_one_throws_away_stays_for_the_others() {
    let w = World::new().await;
    let (one, other) = (w.ready("One").await, w.ready("Other").await);
    let (here, there) = (dir(&one), dir(&other));
    // Of the other: a commit on no branch and no reflog, a staged file, a stash of its own.
    w.git(&there, &["checkout", "--quiet", "--detach"]);
    std::fs::write(there.join("lost"), "lost commit").unwrap();
    w.git(&there, &["add", "-A"]);
    w.git(&there, &["commit", "--quiet", "-m", "lost"]);
    let lost = w.git(&there, &["rev-parse", "HEAD"]);
    w.git(&there, &["checkout", "--quiet", "other"]);
    std::fs::write(there.join("staged"), "staged").unwrap();
    w.git(&there, &["add", "staged"]);
    let staged = w.git(&there, &["hash-object", "staged"]);
    std::fs::write(there.join("README"), "stashed").unwrap();
    w.git(&there, &["stash", "push", "--quiet", "README"]);
    let stash = w.git(&there, &["rev-parse", "stash@{0}"]);

    // The first does its worst, while the other is out of reach.
    let aside = w.home.join("aside");
    std::fs::rename(&there, &aside).unwrap();
    w.git(&here, &["stash", "clear"]);
    w.git(&here, &["reflog", "expire", "--expire=now", "--all"]);
    w.git(&here, &["worktree", "prune", "--expire=now"]);
    let worst = [
        &["-c", "gc.pruneExpire=now", "gc", "--quiet", "--prune=now"][..],
        &["prune", "--expire=now"],
        &["repack", "-a", "-d", "-q"],
        &["prune-packed"],
    ];
    let mut refused = 0;
    for args in worst {
        let ended = std::process::Command::new("git")
            .args(args)
            .current_dir(&here)
            .env("HOME", &w.home)
            .status()
            .unwrap();
        refused += usize::from(!ended.success());
    }
    println!("{refused} of {} were refused", worst.len());
    std::fs::rename(&aside, &there).unwrap();

    for (object, kind) in [(&lost, "commit"), (&staged, "blob"), (&stash, "commit")] {
        assert_eq!(w.git(&there, &["cat-file", "-t", object]), kind, "{object}");
    }
    assert_eq!(w.git(&there, &["branch", "--show-current"]), "other");
    assert_eq!(
        w.git(&there, &["diff", "--cached", "--name-only"]),
        "staged"
    );
    w.git(&there, &["commit", "--quiet", "-m", "goes on"]);
    w.git(&there, &["fsck", "--full", "--strict"]);
}
