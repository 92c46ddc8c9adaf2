//! Two cores, one playing the desktop and one the VM, with a file remote behind an https name.

use std::path::{Path, PathBuf};
use std::process::Command;

use ff_protocol::handoff::{Export, Manifest, Receive};
use ff_protocol::session::EntryKind;
use ff_protocol::workspace::{Location, Owner, Workspace};
use ff_protocol::{ErrorCode, HandoffId, SessionId};
use serde_json::json;

use crate::config::{CoreConfig, Side};
use crate::core::Core;
use crate::handoff::Outgoing;

struct Machine {
    core: Core,
    home: PathBuf,
}

struct World {
    dir: tempfile::TempDir,
    desktop: Machine,
    vm: Machine,
    workspace: Workspace,
}

fn git(home: &Path, dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(args)
        .current_dir(dir)
        .env("HOME", home)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn machine(dir: &Path, name: &str, side: Side) -> Machine {
    let home = dir.join(name);
    std::fs::create_dir(&home).unwrap();
    let instead = format!("url.file://{}/remotes/.insteadOf", dir.display());
    git(
        &home,
        &home,
        &["config", "--global", &instead, "https://github.com/"],
    );
    if side == Side::Desktop {
        git(&home, &home, &["config", "--global", "user.name", "Ada"]);
        git(
            &home,
            &home,
            &["config", "--global", "user.email", "ada@example.test"],
        );
    }
    let config = CoreConfig::new(side, home.clone(), home.join("data"), home.join("base"));
    Machine {
        core: Core::open(config).await.unwrap(),
        home,
    }
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let desktop = machine(dir.path(), "desktop", Side::Desktop).await;
        let vm = machine(dir.path(), "vm", Side::Cloud).await;
        let bare = dir.path().join("remotes/octo/demo.git");
        std::fs::create_dir_all(&bare).unwrap();
        git(
            &desktop.home,
            &bare,
            &["init", "--quiet", "--bare", "--initial-branch=main"],
        );
        let repo = desktop.home.join("demo");
        std::fs::create_dir(&repo).unwrap();
        git(
            &desktop.home,
            &repo,
            &["init", "--quiet", "--initial-branch=main"],
        );
        std::fs::write(repo.join("README"), "hello\n").unwrap();
        git(&desktop.home, &repo, &["add", "-A"]);
        git(&desktop.home, &repo, &["commit", "--quiet", "-m", "first"]);
        git(
            &desktop.home,
            &repo,
            &["remote", "add", "origin", "git@github.com:octo/demo.git"],
        );
        git(
            &desktop.home,
            &repo,
            &["push", "--quiet", bare.to_str().unwrap(), "main"],
        );
        let project = desktop.core.project_add(&repo).await.unwrap();
        let workspace = desktop
            .core
            .workspace_new(&project.id, "Fix it", None)
            .await
            .unwrap();
        Self {
            dir,
            desktop,
            vm,
            workspace,
        }
    }

    fn commit(&self, machine: &Machine, dir: &str, file: &str) -> String {
        let dir = Path::new(dir);
        std::fs::write(dir.join(file), file).unwrap();
        git(&machine.home, dir, &["add", "-A"]);
        git(&machine.home, dir, &["commit", "--quiet", "-m", file]);
        git(&machine.home, dir, &["rev-parse", "HEAD"])
    }

    async fn prepare_send(&self) -> (Outgoing, Manifest) {
        let out = self
            .desktop
            .core
            .handoff_begin_send(&self.workspace.id)
            .await
            .unwrap();
        let receive = Receive {
            plan: out.plan.clone(),
            epoch: out.epoch + 1,
        };
        let ready = self
            .vm
            .core
            .handoff_receive(&out.handoff_id, &receive)
            .await
            .unwrap();
        let manifest = self
            .desktop
            .core
            .handoff_spool(&out.handoff_id, &ready.have)
            .await
            .unwrap();
        (out, manifest)
    }

    async fn send(&self) -> Workspace {
        let (out, manifest) = self.prepare_send().await;
        self.carry(&self.desktop, &self.vm, &manifest).await;
        let fingerprint = self
            .vm
            .core
            .handoff_restore(&out.handoff_id, &manifest)
            .await
            .unwrap();
        assert_eq!(fingerprint, manifest.fingerprint);
        self.desktop
            .core
            .handoff_unchanged(&out.handoff_id)
            .await
            .unwrap();
        self.converge(&out.handoff_id).await
    }

    async fn pull(&self, epoch: u64) -> Workspace {
        let incoming = self
            .desktop
            .core
            .handoff_begin_pull(&self.workspace.id)
            .await
            .unwrap();
        let to = Owner::Desktop(incoming.desktop_id);
        let export = Export {
            workspace_id: self.workspace.id.clone(),
            to,
            epoch,
            have: incoming.have,
        };
        let manifest = self
            .vm
            .core
            .handoff_export(&incoming.handoff_id, &export)
            .await
            .unwrap();
        self.carry(&self.vm, &self.desktop, &manifest).await;
        self.desktop
            .core
            .handoff_restore(&incoming.handoff_id, &manifest)
            .await
            .unwrap();
        self.converge(&incoming.handoff_id).await
    }

    async fn carry(&self, from: &Machine, to: &Machine, manifest: &Manifest) {
        for part in &manifest.parts {
            let path = from
                .core
                .handoff_part(&manifest.handoff_id, &part.sha256)
                .await
                .unwrap();
            let file = tokio::fs::File::open(path).await.unwrap();
            to.core
                .handoff_put_part(&manifest.handoff_id, part, file)
                .await
                .unwrap();
        }
    }

    async fn converge(&self, id: &HandoffId) -> Workspace {
        for machine in [&self.vm, &self.desktop, &self.vm] {
            machine.core.handoff_finish(id, true).await.unwrap();
        }
        self.vm.core.workspace(&self.workspace.id).await.unwrap()
    }
}

fn transcript(machine: &Machine, worktree: &str, id: &str) -> PathBuf {
    crate::session::transcript::transcript_dir(&machine.home, Path::new(worktree))
        .join(format!("{id}.jsonl"))
}

#[tokio::test]
async fn a_workspace_goes_and_comes_back_with_commits_journal_and_transcripts() {
    let world = World::new().await;
    let local_path = world.workspace.worktree_path.clone().unwrap();
    let unpushed = world.commit(&world.desktop, &local_path, "local.txt");
    let session = test_session(&world.workspace);
    let store = world.desktop.core.store();
    store.insert_session(&session).await.unwrap();
    store
        .append(
            &world.workspace.id,
            &session.id,
            EntryKind::UserMessage,
            json!({"text": "hi"}),
        )
        .await
        .unwrap();
    let path = transcript(&world.desktop, &local_path, &session.provider_session_id);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "{\"line\":1}\n").unwrap();

    let there = world.send().await;
    assert_eq!((there.location, there.epoch), (Location::Cloud, 2));
    let vm_path = there.worktree_path.clone().unwrap();
    assert_eq!(
        git(&world.vm.home, Path::new(&vm_path), &["rev-parse", "HEAD"]),
        unpushed
    );
    assert_eq!(
        git(
            &world.vm.home,
            Path::new(&vm_path),
            &["branch", "--show-current"]
        ),
        "fix-it"
    );
    assert_eq!(
        git(
            &world.vm.home,
            Path::new(&vm_path),
            &["config", "user.email"]
        ),
        "ada@example.test"
    );
    assert_eq!(
        git(
            &world.desktop.home,
            Path::new(&local_path),
            &["branch", "--show-current"]
        ),
        ""
    );
    let left = world
        .desktop
        .core
        .workspace(&world.workspace.id)
        .await
        .unwrap();
    assert_eq!(
        (left.owner, left.epoch, left.handoff_id),
        (Owner::Cloud, 2, None)
    );
    let vm_transcript = transcript(&world.vm, &vm_path, &session.provider_session_id);
    assert_eq!(
        std::fs::read_to_string(&vm_transcript).unwrap(),
        "{\"line\":1}\n"
    );

    let vm_store = world.vm.core.store();
    vm_store
        .append(
            &there.id,
            &session.id,
            EntryKind::UserMessage,
            json!({"text": "there"}),
        )
        .await
        .unwrap();
    std::fs::write(&vm_transcript, "{\"line\":1}\n{\"line\":2}\n").unwrap();
    let made_there = world.commit(&world.vm, &vm_path, "cloud.txt");

    world.pull(2).await;
    let back = world
        .desktop
        .core
        .workspace(&world.workspace.id)
        .await
        .unwrap();
    assert_eq!((back.location, back.epoch), (Location::Desktop, 3));
    assert_eq!(back.worktree_path.as_deref(), Some(local_path.as_str()));
    assert_eq!(
        git(
            &world.desktop.home,
            Path::new(&local_path),
            &["rev-parse", "fix-it"]
        ),
        made_there
    );
    assert_eq!(
        git(
            &world.desktop.home,
            Path::new(&local_path),
            &["status", "--porcelain"]
        ),
        ""
    );
    let url = git(
        &world.desktop.home,
        Path::new(&local_path),
        &["config", "remote.origin.url"],
    );
    assert_eq!(url, "git@github.com:octo/demo.git");
    let texts: Vec<String> = store
        .entries(&back.id, None, 0, 10)
        .await
        .unwrap()
        .iter()
        .map(|entry| entry.text())
        .collect();
    assert_eq!(texts, ["hi", "there"]);
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "{\"line\":1}\n{\"line\":2}\n"
    );
    let spool = world.desktop.home.join("data/spool");
    assert_eq!(
        std::fs::read_dir(spool).unwrap().count(),
        0,
        "the spool is empty"
    );

    let again = world.send().await;
    assert_eq!((again.location, again.epoch), (Location::Cloud, 4));
    assert_eq!(
        git(&world.vm.home, Path::new(&vm_path), &["rev-parse", "HEAD"]),
        made_there
    );
}

#[tokio::test]
async fn a_dirty_tree_stays() {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    std::fs::write(Path::new(&path).join("new.txt"), "x").unwrap();
    let error = world
        .desktop
        .core
        .handoff_begin_send(&world.workspace.id)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::DirtyTree);
    assert!(error.to_string().contains("new.txt"), "{error}");
    let same = world
        .desktop
        .core
        .workspace(&world.workspace.id)
        .await
        .unwrap();
    assert_eq!((same.location, same.handoff_id), (Location::Desktop, None));
}

#[tokio::test]
async fn a_failed_clone_leaves_nothing_in_the_vm() {
    let world = World::new().await;
    let bare = world.dir.path().join("remotes/octo/demo.git");
    let out = world
        .desktop
        .core
        .handoff_begin_send(&world.workspace.id)
        .await
        .unwrap();
    let mut receive = Receive {
        plan: out.plan.clone(),
        epoch: 2,
    };
    receive.plan.default_branch = "trunk".into();
    let error = world
        .vm
        .core
        .handoff_receive(&out.handoff_id, &receive)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::BranchMissing);
    assert!(error.to_string().contains("trunk"), "{error}");
    std::fs::rename(&bare, bare.with_extension("away")).unwrap();
    receive.plan.default_branch = "main".into();
    let error = world
        .vm
        .core
        .handoff_receive(&out.handoff_id, &receive)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::CloneFailed);
    assert!(world.vm.core.projects().await.unwrap().is_empty());
    let repos = world.vm.home.join("base/repos");
    assert_eq!(
        std::fs::read_dir(repos).unwrap().count(),
        0,
        "no clone is left"
    );
    world
        .desktop
        .core
        .handoff_finish(&out.handoff_id, false)
        .await
        .unwrap();
    let same = world
        .desktop
        .core
        .workspace(&world.workspace.id)
        .await
        .unwrap();
    assert_eq!(
        (same.location, same.handoff_id, same.epoch),
        (Location::Desktop, None, 1)
    );
}

#[tokio::test]
async fn a_part_or_manifest_that_differs_is_refused_and_an_abort_undoes_everything() {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    world.commit(&world.desktop, &path, "local.txt");
    let (out, manifest) = world.prepare_send().await;
    let part = &manifest.parts[0];
    let error = world
        .vm
        .core
        .handoff_put_part(&out.handoff_id, part, b"other".as_slice())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Corrupted);
    let error = world
        .vm
        .core
        .handoff_restore(&out.handoff_id, &manifest)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Corrupted, "a part is missing");
    world.carry(&world.desktop, &world.vm, &manifest).await;
    for name in [
        "transcripts/../../../.bashrc",
        "transcripts//etc/x",
        "hooks/post-checkout",
        "transcripts/",
    ] {
        let mut bad = manifest.clone();
        bad.parts[0].name = name.into();
        let error = world
            .vm
            .core
            .handoff_restore(&out.handoff_id, &bad)
            .await
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::Invalid, "{name}");
    }
    let mut other = manifest.clone();
    other.fingerprint.tree = "0".repeat(40);
    let error = world
        .vm
        .core
        .handoff_restore(&out.handoff_id, &other)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Corrupted);
    world
        .vm
        .core
        .handoff_finish(&out.handoff_id, false)
        .await
        .unwrap();
    assert!(world.vm.core.workspaces().await.unwrap().is_empty());
    assert!(world.vm.core.projects().await.unwrap().is_empty());
    for dir in ["base/repos", "data/spool"] {
        assert_eq!(
            std::fs::read_dir(world.vm.home.join(dir)).unwrap().count(),
            0,
            "{dir}"
        );
    }
    world
        .desktop
        .core
        .handoff_finish(&out.handoff_id, false)
        .await
        .unwrap();
    world.send().await;
}

#[tokio::test]
async fn edits_in_the_copy_that_stayed_are_not_lost_by_a_pull() {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    world.send().await;
    std::fs::write(Path::new(&path).join("late.txt"), "x").unwrap();
    let error = world
        .desktop
        .core
        .handoff_begin_pull(&world.workspace.id)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    let late = world.commit(&world.desktop, &path, "late.txt");
    let incoming = world
        .desktop
        .core
        .handoff_begin_pull(&world.workspace.id)
        .await
        .unwrap();
    let to = Owner::Desktop(incoming.desktop_id);
    let export = Export {
        workspace_id: world.workspace.id.clone(),
        to,
        epoch: 2,
        have: incoming.have,
    };
    let manifest = world
        .vm
        .core
        .handoff_export(&incoming.handoff_id, &export)
        .await
        .unwrap();
    world.carry(&world.vm, &world.desktop, &manifest).await;
    let error = world
        .desktop
        .core
        .handoff_restore(&incoming.handoff_id, &manifest)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    assert!(error.to_string().contains(&late), "{error}");
}

#[tokio::test]
async fn a_change_during_the_move_is_seen_before_the_commit() {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    let (out, _) = world.prepare_send().await;
    world
        .desktop
        .core
        .handoff_unchanged(&out.handoff_id)
        .await
        .unwrap();
    world.commit(&world.desktop, &path, "meanwhile.txt");
    let error = world
        .desktop
        .core
        .handoff_unchanged(&out.handoff_id)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
}

#[tokio::test]
async fn a_workspace_in_the_cloud_cannot_be_sent_again() {
    let world = World::new().await;
    world.send().await;
    let error = world
        .desktop
        .core
        .handoff_begin_send(&world.workspace.id)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotOwner);
}

fn test_session(workspace: &Workspace) -> ff_protocol::session::Session {
    use ff_protocol::session::{Activity, PermissionPreset, Session, SessionStatus};
    Session {
        id: SessionId::generate(),
        workspace_id: workspace.id.clone(),
        name: None,
        workflow: "followup".into(),
        model: None,
        permissions: PermissionPreset::Relaxed,
        status: SessionStatus::Idle,
        activity: Activity::Idle,
        last_turn: None,
        error: None,
        provider_session_id: "0199a1b2-0000-7000-8000-000000000001".into(),
        created_at: workspace.created_at,
        updated_at: workspace.created_at,
    }
}
