//! Bundles that are not what they say, whole and through the whole receiver: each is refused with the
//! reason, writes nothing outside its staging, and leaves nothing behind.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ff_protocol::handoff::{BUNDLE_FORMAT, Export, Manifest, Part, Receive};
use ff_protocol::workspace::Owner;
use ff_protocol::{ErrorCode, HandoffId};
use ff_testkit::states::{Here, Shell};
use rstest::rstest;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::world::{Machine, World, git};
use Way::{Pull, Send};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Send,
    Pull,
}

/// A bundle that is under way, to be changed before it arrives.
struct Bundle {
    world: World,
    way: Way,
    manifest: Manifest,
    made_up: Vec<(Part, Vec<u8>)>,
    /// The receiver's files before anything came.
    before: BTreeSet<PathBuf>,
    /// The receiver's repository as git tells of it, where it is the user's.
    repository: String,
}

impl Bundle {
    /// One with untracked files and a commit that the other side lacks.
    async fn of(way: Way) -> Self {
        let world = World::new().await;
        if way == Pull {
            world.send().await;
        }
        let from = match way {
            Send => world.place(&world.desktop).await,
            Pull => world.place(&world.vm).await,
        };
        from.run("git commit -q --allow-empty -m work; echo new > new.txt")
            .unwrap();
        let (before, repository) = (files(&world, way), repository(&world));
        let manifest = match way {
            Send => world.prepare_send().await.1,
            Pull => exported(&world).await,
        };
        Self {
            world,
            way,
            manifest,
            made_up: Vec::new(),
            before,
            repository,
        }
    }

    fn sides(&self) -> (&Machine, &Machine) {
        match self.way {
            Send => (&self.world.desktop, &self.world.vm),
            Pull => (&self.world.vm, &self.world.desktop),
        }
    }

    async fn part(&self, name: &str) -> Vec<u8> {
        let part = self.manifest.parts.iter().find(|part| part.name == name);
        let (from, id) = (&self.sides().0.core, &self.manifest.handoff_id);
        let path = from.handoff_part(id, &part.unwrap().sha256).await.unwrap();
        std::fs::read(path).unwrap()
    }

    /// Puts other bytes in place of a part, with the hash and size that they have.
    fn put(&mut self, name: &str, bytes: Vec<u8>) {
        let part = Part {
            name: name.to_owned(),
            sha256: hex::encode(Sha256::digest(&bytes)),
            size: bytes.len() as u64,
        };
        self.manifest.parts.retain(|it| it.name != name);
        self.manifest.parts.push(part.clone());
        self.made_up.push((part, bytes));
    }

    /// Has the bundle say that the branch is at a commit of this repository, and bring that.
    async fn at_commit(&mut self, repo: &Here, commit: &str) {
        let bundle = format!("git update-ref refs/ff/0 {commit}; git bundle create -q - refs/ff/0");
        self.put("repo.bundle", repo.run(&bundle).unwrap());
        let state = self.part("state.json").await;
        let mut state: serde_json::Value = serde_json::from_slice(&state).unwrap();
        state["branchCommit"] = commit.into();
        self.put("state.json", serde_json::to_vec(&state).unwrap());
        self.manifest.git.head = commit.to_owned();
    }

    /// What the receiver says. Nothing of the bundle is left when that was given up.
    async fn refused(self) -> (ErrorCode, String) {
        let (from, to) = self.sides();
        let id = &self.manifest.handoff_id;
        to.core.handoff_offer(id, &self.manifest).await.unwrap();
        for part in &self.manifest.parts {
            let made_up = self.made_up.iter().find(|(it, _)| it == part);
            let bytes = match made_up {
                Some((_, bytes)) => bytes.clone(),
                None => {
                    let path = from.core.handoff_part(id, &part.sha256).await.unwrap();
                    std::fs::read(path).unwrap()
                }
            };
            let taken = to.core.handoff_put_part(id, part, bytes.as_slice()).await;
            taken.unwrap();
        }
        let error = to.core.handoff_restore(id, &self.manifest).await;
        let error = error.unwrap_err();
        let written = &files(&self.world, self.way) - &self.before;
        let own = |path: &PathBuf| {
            let path = path.to_string_lossy();
            let places = ["/.arriving-", "/base/repos/", "/refs/ff/incoming/"];
            places.iter().any(|place| path.contains(place))
        };
        let outside: Vec<_> = written.iter().filter(|path| !own(path)).collect();
        assert!(outside.is_empty(), "{outside:?} after {error}");

        to.core.handoff_finish(id, false).await.unwrap();
        assert_eq!(files(&self.world, self.way), self.before);
        assert_eq!(repository(&self.world), self.repository);
        let spool = to.home.join("data/spool");
        assert_eq!(std::fs::read_dir(spool).unwrap().count(), 0);
        (error.code(), error.to_string())
    }
}

async fn exported(world: &World) -> Manifest {
    let desktop = &world.desktop.core;
    let incoming = desktop.handoff_begin_pull(&world.workspace.id).await;
    let incoming = incoming.unwrap();
    let export = Export {
        workspace_id: world.workspace.id.clone(),
        to: Owner::Desktop(incoming.desktop_id),
        epoch: 2,
        have: incoming.have,
        interrupt: false,
    };
    let made = world.vm.core.handoff_export(&incoming.handoff_id, &export);
    made.await.unwrap()
}

/// Files and links of the machine that a bundle arrives at, and what is around both machines;
/// without its own records and what git stores.
fn files(world: &World, way: Way) -> BTreeSet<PathBuf> {
    let sender = match way {
        Send => "desktop",
        Pull => "vm",
    };
    let all = Here {
        home: world.desktop.home.clone(),
        dir: world.dir.path().to_owned(),
    };
    let script = format!(
        "find . -path ./{sender} -prune -o -path '*/data' -prune -o -path '*/objects' -prune -o -path '*/.git/logs' -prune -o ! -type d -print"
    );
    let found = String::from_utf8(all.run(&script).unwrap()).unwrap();
    found.lines().map(PathBuf::from).collect()
}

/// The user's own repository: where its refs point, and its settings. Git keeps its objects from
/// being cleaned up, from the first hand-off on.
fn repository(world: &World) -> String {
    let (home, repo) = (&world.desktop.home, world.desktop.home.join("demo"));
    let refs = git(home, &repo, &["for-each-ref"]);
    let settings = git(home, &repo, &["config", "--local", "--list"]);
    let settings = settings
        .lines()
        .filter(|line| !line.starts_with("extensions.") && !line.contains("repositoryformat"));
    format!("{refs}\n{}", settings.collect::<Vec<_>>().join("\n"))
}

fn header(path: &str, kind: EntryType, link: &str, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size);
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    header
}

/// Path, kind, where it leads to, content.
type Thing<'a> = (&'a str, EntryType, &'a str, &'a str);

fn tar_of(things: &[Thing<'_>]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (path, kind, link, bytes) in things {
        let header = header(path, *kind, link, bytes.len() as u64);
        tar.append(&header, bytes.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

const FILE: EntryType = EntryType::Regular;
const LINK: EntryType = EntryType::Symlink;

#[rstest]
#[tokio::test]
async fn bad_input_handoff_1_a_fingerprint_that_does_not_fit_is_refused(
    #[values(Send, Pull)] way: Way,
) {
    let mut bundle = Bundle::of(way).await;
    bundle.put("files.tar", tar_of(&[("new.txt", FILE, "", "old")]));
    let (code, said) = bundle.refused().await;
    assert_eq!(code, ErrorCode::Corrupted);
    assert!(said.contains("fingerprints differ"), "{said}");
}

#[rstest]
#[case::climbing(&[("../../outside", FILE, "", "x")], "../../outside")]
#[case::absolute(&[("/tmp/ff-outside", FILE, "", "x")], "/tmp/ff-outside")]
#[case::through_a_link(&[("a", LINK, "/tmp", ""), ("a/ff-outside", FILE, "", "x")], "a is no directory")]
#[case::through_a_link_of_the_index(
    &[("README", LINK, "..", ""), ("README/outside", FILE, "", "x")], "README is no directory")]
#[case::device(&[("null", EntryType::Char, "", "")], "null")]
#[case::hard_link(&[("passwd", EntryType::Link, "/etc/passwd", "")], "passwd")]
#[tokio::test]
async fn bad_input_handoff_2_a_file_that_is_none_of_the_worktree_ends_the_move(
    #[values(Send, Pull)] way: Way,
    #[case] things: &[Thing<'_>],
    #[case] named: &str,
) {
    let mut bundle = Bundle::of(way).await;
    bundle.put("files.tar", tar_of(things));
    let (code, said) = bundle.refused().await;
    assert_eq!(code, ErrorCode::Invalid);
    assert!(said.contains(named), "{said}");
    assert!(!Path::new("/tmp/ff-outside").exists());
}

/// What tells of a longer name stands before the thing itself.
#[rstest]
#[tokio::test]
async fn bad_input_handoff_2_a_longer_name_does_not_climb_either(
    #[values("../../outside", "/tmp/ff-outside", ".git/hooks/post-checkout")] path: &str,
    #[values(false, true)] pax: bool,
) {
    let mut bundle = Bundle::of(Send).await;
    let mut tar = Builder::new(Vec::new());
    if pax {
        tar.append_pax_extensions([("path", path.as_bytes())])
            .unwrap();
    } else {
        let name = format!("{path}\0");
        let long = EntryType::GNULongName;
        let header = header("././@LongLink", long, "", name.len() as u64);
        tar.append(&header, name.as_bytes()).unwrap();
    }
    tar.append(&header("harmless", FILE, "", 1), b"x".as_slice())
        .unwrap();
    bundle.put("files.tar", tar.into_inner().unwrap());
    let (code, said) = bundle.refused().await;
    assert_eq!(code, ErrorCode::Invalid);
    assert!(said.contains(path), "{said}");
}

/// A tree with a name that git itself would never write.
#[rstest]
#[case::of_git(".git")]
#[case::of_git_on_other_systems(".GIT")]
#[case::climbing("..")]
#[tokio::test]
async fn bad_input_handoff_2_a_tree_with_a_forbidden_name_ends_the_move(
    #[values(Send, Pull)] way: Way,
    #[case] name: &str,
) {
    let mut bundle = Bundle::of(way).await;
    let repo = Here {
        home: bundle.world.desktop.home.clone(),
        dir: bundle.world.desktop.home.join("demo"),
    };
    let script = format!(
        r#"set -e
        rm -rf ../evil; git init -q ../evil; cd ../evil
        x=$(echo 'touch /tmp/ff-outside' | git hash-object -w --stdin)
        hooks=$(printf '100755 blob %s\tpost-checkout\n' "$x" | git mktree)
        top=$(printf '040000 tree %s\t{name}\n' "$hooks" | git mktree)
        git -c user.name=A -c user.email=a@example.test commit-tree "$top" -m evil"#
    );
    let commit = String::from_utf8(repo.run(&script).unwrap()).unwrap();
    let evil = Here {
        dir: repo.home.join("evil"),
        ..repo
    };
    bundle.at_commit(&evil, commit.trim()).await;
    std::fs::rename(&evil.dir, evil.home.join("data/evil")).unwrap();
    let (code, said) = bundle.refused().await;
    assert_eq!(code, ErrorCode::Corrupted);
    assert!(said.contains("the bundle cannot be read"), "{said}");
}

/// Reading it would take as much memory as it claims to need.
#[rstest]
#[case::a_commit_that_says_it_is_huge(0x1)]
#[case::a_tree_that_says_it_is_huge(0x2)]
#[tokio::test]
async fn bad_input_handoff_3_a_huge_object_is_refused_by_its_claim(
    #[values(Send, Pull)] way: Way,
    #[case] kind: u8,
) {
    let mut bundle = Bundle::of(way).await;
    let mut pack = b"PACK\0\0\0\x02\0\0\0\x01".to_vec();
    // Four bits of the size, then seven in each byte.
    let size: u64 = 6 << 30;
    pack.push(0x80 | (kind << 4) | (size & 0xf) as u8);
    let mut rest = size >> 4;
    while rest > 0x7f {
        pack.push(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    pack.push(rest as u8);
    pack.extend([0x78, 0x01, 0x01, 0, 0, 0xff, 0xff, 0, 0, 0, 1]);
    pack.extend([0; 20]);
    let head = &bundle.manifest.git.head;
    let mut bytes = format!("# v2 git bundle\n{head} refs/ff/0\n\n").into_bytes();
    bytes.extend(pack);
    bundle.put("repo.bundle", bytes);
    let (code, said) = bundle.refused().await;
    assert_eq!(code, ErrorCode::Corrupted);
    assert!(said.contains("over limit"), "{said}");
}

/// A name of a thing is held in memory while the thing is read.
#[tokio::test]
async fn bad_input_handoff_3_a_huge_name_is_refused_by_its_claim() {
    for kind in [
        EntryType::GNULongName,
        EntryType::GNULongLink,
        EntryType::XHeader,
        EntryType::XGlobalHeader,
    ] {
        let mut bundle = Bundle::of(Send).await;
        let name = "a".repeat(4 << 20);
        bundle.put("files.tar", tar_of(&[("name", kind, "", &name)]));
        let (code, said) = bundle.refused().await;
        assert_eq!(code, ErrorCode::Invalid);
        assert!(said.contains("name of 4194304 bytes"), "{kind:?}: {said}");
    }
}

#[rstest]
#[tokio::test]
async fn bad_input_handoff_3_a_file_with_holes_is_refused(#[values(Send, Pull)] way: Way) {
    let mut bundle = Bundle::of(way).await;
    let mut header = header("sparse", EntryType::GNUSparse, "", 512);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.set_real_size(1 << 40);
    gnu.sparse[0].set_offset((1 << 40) - 512);
    gnu.sparse[0].set_length(512);
    header.set_cksum();
    let mut tar = Builder::new(Vec::new());
    tar.append(&header, [7; 512].as_slice()).unwrap();
    bundle.put("files.tar", tar.into_inner().unwrap());
    let (code, said) = bundle.refused().await;
    assert_eq!(code, ErrorCode::Invalid);
    assert!(said.contains("sparse"), "{said}");
}

/// A file that says it is larger than what comes.
#[rstest]
#[case::too_large(1 << 40, "too large")]
#[case::larger_than_what_came(1 << 30, "cannot be read")]
#[tokio::test]
async fn bad_input_handoff_3_a_file_that_says_it_is_larger_is_refused(
    #[values(Send, Pull)] way: Way,
    #[case] size: u64,
    #[case] why: &str,
) {
    let mut bundle = Bundle::of(way).await;
    let mut tar = Builder::new(Vec::new());
    tar.append(&header("large", FILE, "", size), b"x".as_slice())
        .unwrap();
    bundle.put("files.tar", tar.into_inner().unwrap());
    let (code, said) = bundle.refused().await;
    assert_eq!(code, ErrorCode::Invalid, "{said}");
    assert!(said.contains(why), "{said}");
}

#[tokio::test]
async fn bad_input_handoff_4_an_older_format_is_refused_too() {
    let mut bundle = Bundle::of(Send).await;
    bundle.manifest.format = BUNDLE_FORMAT - 1;
    let (world, manifest) = (&bundle.world, &bundle.manifest);
    let vm = &world.vm.core;
    let offered = vm.handoff_offer(&manifest.handoff_id, manifest).await;
    let refused = offered.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Invalid);
    let words = format!("its format {} is not {BUNDLE_FORMAT}", BUNDLE_FORMAT - 1);
    assert!(refused.to_string().contains(&words), "{refused}");
}

/// What was cut before it was hashed.
#[rstest]
#[case::files("files.tar", ErrorCode::Invalid)]
#[case::objects("repo.bundle", ErrorCode::Corrupted)]
#[case::state("state.json", ErrorCode::Invalid)]
#[tokio::test]
async fn bad_input_handoff_5_a_part_that_was_made_too_short_is_refused(
    #[values(Send, Pull)] way: Way,
    #[case] name: &str,
    #[case] expected: ErrorCode,
) {
    let mut bundle = Bundle::of(way).await;
    let mut bytes = match name {
        "files.tar" => tar_of(&[("new.txt", FILE, "", &"x".repeat(4096))]),
        _ => bundle.part(name).await,
    };
    bytes.truncate(match name {
        "files.tar" => 700,
        _ => bytes.len() - 20,
    });
    bundle.put(name, bytes);
    let (code, said) = bundle.refused().await;
    assert_eq!(code, expected, "{said}");
}

/// The server holds an id to one request; a VM does not take its word for it.
#[tokio::test]
async fn bad_input_handoff_6_an_id_stands_for_one_workspace_at_one_epoch() {
    let world = World::new().await;
    let (out, manifest) = world.prepare_send().await;
    let (vm, id) = (&world.vm.core, &out.handoff_id);
    let other = world
        .desktop
        .core
        .workspace_new(&out.plan.project_id, "Other", None);
    let other = other.await.unwrap();
    let mut receive = Receive {
        plan: out.plan.clone(),
        epoch: out.epoch + 1,
    };
    receive.plan.workspace_id = other.id.clone();
    let refused = vm.handoff_receive(id, &receive).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Conflict, "{refused}");
    receive.plan = out.plan.clone();
    receive.epoch += 1;
    let refused = vm.handoff_receive(id, &receive).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Conflict, "{refused}");

    // The one that it stands for goes on.
    world.carry(&world.desktop, &world.vm, &manifest).await;
    vm.handoff_restore(id, &manifest).await.unwrap();
    world.converge(id).await;
    receive.epoch -= 1;
    let ended = vm.handoff_receive(id, &receive).await.unwrap_err();
    assert_eq!(ended.code(), ErrorCode::Conflict, "{ended}");
    let again = vm.handoff_restore(id, &manifest).await.unwrap_err();
    assert_eq!(again.code(), ErrorCode::Conflict, "{again}");
}

#[tokio::test]
async fn bad_input_handoff_6_what_is_spooled_under_an_id_is_of_one_workspace() {
    let world = World::new().await;
    world.send().await;
    let manifest = exported(&world).await;
    let export = |workspace_id| Export {
        workspace_id,
        to: manifest.to.clone(),
        epoch: 2,
        have: Vec::new(),
        interrupt: false,
    };
    let vm = &world.vm.core;
    let strange = export(ff_protocol::WorkspaceId::generate());
    let refused = vm.handoff_export(&manifest.handoff_id, &strange).await;
    assert_eq!(refused.unwrap_err().code(), ErrorCode::Conflict);
    let other = export(world.workspace.id.clone());
    let refused = vm.handoff_export(&HandoffId::generate(), &other).await;
    // A newer one of the same workspace takes its place.
    refused.unwrap();
    let again = vm.handoff_export(&manifest.handoff_id, &other).await;
    assert_eq!(again.unwrap_err().code(), ErrorCode::Conflict);
}
