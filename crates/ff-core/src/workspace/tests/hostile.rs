//! Whatever a workspace, its branch or a script is called, nothing is made outside of the base.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ff_protocol::workspace::{CreateWorkspace, WorkspaceStatus};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::world::{World, dir};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Upwards,
    Absolute,
    Option,
    Shell,
    Reference,
    Control,
    Plain,
    Anything,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    Name,
    Branch,
    NewBranch,
    Base,
}

fn words() -> impl Strategy<Value = (Kind, String)> {
    let of = |kind: Kind, regex: &'static str| {
        proptest::string::string_regex(regex)
            .unwrap()
            .prop_map(move |text| (kind, text))
    };
    prop_oneof![
        of(Kind::Upwards, r"(\.\./){1,6}[a-z]{1,5}(/\.\.){0,2}"),
        of(Kind::Absolute, r"/(tmp|etc|proc/self)/[a-z.]{1,8}"),
        of(
            Kind::Option,
            r"--?(exec|upload-pack|force|b|output)=?[a-z/]{0,8}"
        ),
        of(
            Kind::Shell,
            r"(\$\(touch\$\{IFS\}pwned\)|`touch pwned`|;touch pwned|a'\x22b)[a-z]{0,3}"
        ),
        of(
            Kind::Reference,
            r"(HEAD|@\{-1\}|refs/heads/main|origin/main|main\^\{commit\}|a\.lock|main~1|@)"
        ),
        of(
            Kind::Control,
            r"[a-z]{0,3}(\x00|\n|\x1b\[2J|\u{202e}|\x7f)[a-z]{0,3}"
        ),
        of(Kind::Plain, r"[a-zA-Z][a-zA-Z0-9 _-]{0,120}"),
        any::<String>().prop_map(|text| (Kind::Anything, text)),
    ]
}

fn cases() -> impl Strategy<Value = (Kind, String, Use)> {
    let uses = prop_oneof![
        Just(Use::Name),
        Just(Use::Branch),
        Just(Use::NewBranch),
        Just(Use::Base)
    ];
    (words(), uses).prop_map(|((kind, text), what)| (kind, text, what))
}

/// Everything below a place but for git's own and the base.
fn listing(home: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![home.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            let skipped = ["base", "data", "demo/.git"].map(|it| home.join(it));
            if skipped.contains(&path) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                open.push(path.clone());
            }
            found.insert(path);
        }
    }
    found
}

/// Puts a branch of this name into the repository, however odd, as far as git takes it.
fn put_branch(w: &World, name: &str) -> bool {
    let made = std::process::Command::new("git")
        .arg("update-ref")
        .arg(format!("refs/heads/{}", name.replace('\0', "")))
        .arg("main")
        .current_dir(&w.repo)
        .stderr(std::process::Stdio::null())
        .status();
    made.unwrap().success()
}

#[test]
fn hostile_names_never_leave_the_base_directory() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let w = runtime.block_on(World::new());
    let base = PathBuf::from(&w.project.worktree_base_path);
    let before = listing(&w.home);
    let mut tried: BTreeMap<(Kind, Use, &str), usize> = BTreeMap::new();
    let mut places = BTreeSet::new();
    let seen = std::cell::RefCell::new((&mut tried, &mut places));
    let config = Config {
        cases: 120,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&cases(), |(kind, text, what)| {
        let became = runtime.block_on(try_one(&w, &text, what));
        let (tried, places) = &mut *seen.borrow_mut();
        let how = match &became {
            Some(_) => "made",
            None => "refused",
        };
        *tried.entry((kind, what, how)).or_default() += 1;
        if let Some(place) = became {
            prop_assert_eq!(place.parent(), Some(base.as_path()));
            prop_assert!(place.symlink_metadata().unwrap().is_dir());
            prop_assert!(places.insert(place), "two workspaces in one place");
        }
        let after = listing(&w.home);
        prop_assert_eq!(&before, &after);
        let inside: BTreeSet<PathBuf> = std::fs::read_dir(&base)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        prop_assert_eq!(&inside, &**places);
        Ok(())
    });
    println!("kind, use, outcome: cases");
    for ((kind, what, how), count) in &tried {
        println!("{kind:?}, {what:?}, {how}: {count}");
    }
    outcome.unwrap();
    let made: usize = tried
        .iter()
        .filter(|((_, _, how), _)| *how == "made")
        .map(|(_, count)| count)
        .sum();
    assert!(made > 5, "too few were made to mean anything: {made}");
}

/// The worktree of a workspace with this text as one of its names, if it is made.
async fn try_one(w: &World, text: &str, what: Use) -> Option<PathBuf> {
    let mut create = CreateWorkspace {
        project_id: Some(w.project.id.clone()),
        name: Some("a workspace".into()),
        ..CreateWorkspace::default()
    };
    match what {
        Use::Name => create.name = Some(text.to_owned()),
        Use::Branch => create.branch = Some(text.to_owned()),
        Use::NewBranch => {
            put_branch(w, text);
            create.branch = Some(text.to_owned());
        }
        Use::Base => {
            put_branch(w, text);
            create.base_branch = Some(text.to_owned());
        }
    }
    let id = w.core.workspace_create(create).await.ok()?.id;
    let made = w.core.workspace_settled(&id).await.unwrap();
    if made.status == WorkspaceStatus::Failed {
        assert!(made.worktree().is_none());
        return None;
    }
    Some(dir(&made))
}
