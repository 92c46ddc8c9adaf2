//! What a bundle's working state may not be.

use std::path::Path;
use std::process::Command;

use ff_protocol::ErrorCode;
use rstest::rstest;
use tar::{Builder, EntryType, Header};

use super::walk::{Limits, Node, Tree};
use super::{Exceptions, Staging, State, archive};
use crate::git::{Entry, Git, IndexDelta, Name, PLAIN, Settings};

/// A file, or something else, as an archive says it is.
fn thing(path: &str, kind: EntryType, link: Option<&str>, bytes: &[u8]) -> (Header, Vec<u8>) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    if let Some(link) = link {
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    }
    header.set_cksum();
    (header, bytes.to_vec())
}

fn archive_of(dir: &Path, things: &[(Header, Vec<u8>)]) -> std::path::PathBuf {
    let path = dir.join("files.tar");
    let mut tar = Builder::new(std::fs::File::create(&path).unwrap());
    for (header, bytes) in things {
        tar.append(header, bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap();
    path
}

struct Repository {
    dir: tempfile::TempDir,
    git: Git,
    head: String,
}

impl Repository {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repo = Self {
            git: Git::new(dir.path()),
            head: String::new(),
            dir,
        };
        repo.run("git init -q repo && git -C repo -c user.name=A -c user.email=a@example.test commit -q --allow-empty -m x");
        let head = repo.run("git -C repo rev-parse HEAD");
        Self { head, ..repo }
    }

    fn run(&self, script: &str) -> String {
        let output = Command::new("bash")
            .args(["-ec", script])
            .current_dir(self.dir.path())
            .env("HOME", self.dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn state(&self) -> State {
        State {
            branch_commit: self.head.clone(),
            detached: None,
            commits: Vec::new(),
            index: IndexDelta::default(),
            files: Exceptions::default(),
            stashes: Vec::new(),
            operation: Vec::new(),
            settings: Settings::default(),
        }
    }

    /// What building says; whatever it says, nothing is left outside the staging.
    async fn refusal(&self, state: &State, archive: Option<&Path>) -> (ErrorCode, String) {
        let before = self.run("find . -path ./staging -prune -o -print | sort");
        let staging = Staging {
            dir: self.dir.path().join("staging"),
        };
        let repo = self.dir.path().join("repo");
        let error = staging.build(&self.git, &repo, state, archive, None).await;
        let error = error.unwrap_err();
        assert_eq!(
            self.run("find . -path ./staging -prune -o -print | sort"),
            before
        );
        assert!(!staging.is_built());
        staging.remove().unwrap();
        (error.code(), error.to_string())
    }
}

#[rstest]
#[case::climbing(&[thing("../outside", EntryType::Regular, None, b"x")], "outside")]
#[case::climbing_inside(&[thing("a/../../outside", EntryType::Regular, None, b"x")], "outside")]
#[case::absolute(&[thing("/tmp/outside", EntryType::Regular, None, b"x")], "outside")]
#[case::of_git(&[thing(".git/hooks/pre-commit", EntryType::Regular, None, b"x")], ".git")]
#[case::of_git_below(&[thing("a/.GIT/config", EntryType::Regular, None, b"x")], ".GIT")]
#[case::git_as_a_link(&[thing(".git", EntryType::Symlink, Some("/tmp"), b"")], ".git")]
#[case::through_a_link(&[
    thing("a", EntryType::Symlink, Some("/tmp"), b""),
    thing("a/outside", EntryType::Regular, None, b"x"),
], "a is no directory")]
#[case::over_a_link(&[
    thing("a", EntryType::Symlink, Some("/tmp/outside"), b""),
    thing("a", EntryType::Regular, None, b"x"),
], "a comes twice")]
#[case::character_device(&[thing("null", EntryType::Char, None, b"")], "null")]
#[case::block_device(&[thing("disk", EntryType::Block, None, b"")], "disk")]
#[case::pipe(&[thing("pipe", EntryType::Fifo, None, b"")], "pipe")]
#[case::hard_link(&[thing("passwd", EntryType::Link, Some("/etc/passwd"), b"")], "passwd")]
#[case::nothing_named(&[thing("link", EntryType::Symlink, None, b"")], "nowhere")]
#[tokio::test]
async fn bad_input_handoff_2_a_file_that_is_none_of_the_worktree_is_refused(
    #[case] things: &[(Header, Vec<u8>)],
    #[case] named: &str,
) {
    let repo = Repository::new();
    let archive = archive_of(repo.dir.path(), things);
    let (code, said) = repo.refusal(&repo.state(), Some(&archive)).await;
    assert_eq!(code, ErrorCode::Invalid);
    assert!(said.contains(named), "{said}");
    assert!(!Path::new("/tmp/outside").exists());
}

#[rstest]
#[case("../outside")]
#[case(".git/hooks/post-checkout")]
#[case("/etc/x")]
fn bad_input_handoff_2_nor_is_an_entry_of_the_index(#[case] path: &str) {
    let repo = Repository::new();
    let mut state = repo.state();
    state.index.entries.push(Entry {
        path: Name(path.into()),
        stage: 0,
        mode: PLAIN,
        id: "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391".to_owned(),
        assume_unchanged: false,
        skip_worktree: false,
        intent_to_add: true,
    });
    let file = repo.dir.path().join("state.json");
    std::fs::write(&file, serde_json::to_vec(&state).unwrap()).unwrap();
    let error = State::read(&file).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Invalid);
}

#[tokio::test]
async fn bad_input_handoff_3_a_bomb_is_refused_before_it_goes_off() {
    let repo = Repository::new();
    let id = repo.run("head -c 100000000 /dev/zero | git -C repo hash-object -w --stdin");
    let mut state = repo.state();
    for number in 0..100 {
        state.index.entries.push(Entry {
            path: Name(format!("f{number}").into_bytes()),
            stage: 0,
            mode: PLAIN,
            id: id.clone(),
            assume_unchanged: false,
            skip_worktree: false,
            intent_to_add: false,
        });
    }
    let (code, said) = repo.refusal(&state, None).await;
    assert_eq!(code, ErrorCode::Invalid);
    assert!(said.contains("too large"), "{said}");

    let mut header = thing("huge", EntryType::Regular, None, b"").0;
    header.set_size(1 << 40);
    header.set_cksum();
    let archive = archive_of(repo.dir.path(), &[(header, Vec::new())]);
    let error = archive::list(&archive).unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
}

#[test]
fn what_exceeds_a_limit_is_named() {
    let limits = Limits {
        paths: 2,
        file: 10,
        total: 15,
    };
    let tree = |sizes: &[u64]| {
        let file = |(at, size): (usize, &u64)| {
            let node = Node::File {
                mode: 0o644,
                size: *size,
            };
            (Name(format!("file-{at}").into_bytes()), node)
        };
        Tree {
            nodes: sizes.iter().enumerate().map(file).collect(),
            stays: Vec::new(),
        }
    };
    tree(&[10, 5]).check(limits).unwrap();
    for (sizes, named) in [
        (&[1, 2, 3][..], "3 files"),
        (&[1, 11], "file-1 has 11 bytes"),
        (&[8, 9], "file-1 (9), file-0 (8)"),
    ] {
        let error = tree(sizes).check(limits).unwrap_err();
        assert_eq!(error.code(), ErrorCode::TooLarge);
        assert!(error.to_string().contains(named), "{error}");
    }
}
