//! Two cores, one playing the desktop and one the VM, with a file remote behind an https name.

use std::path::{Path, PathBuf};

use ff_protocol::HandoffId;
use ff_protocol::handoff::{Export, Manifest, Receive};
use ff_protocol::workspace::{Owner, Workspace};
use ff_testkit::states::{Here, Shell};

use crate::config::{CoreConfig, Side};
use crate::core::Core;
use crate::error::Result;
use crate::handoff::Outgoing;
pub(super) use crate::workspace::tests::world::git;

pub(super) struct Machine {
    pub(super) core: Core,
    pub(super) home: PathBuf,
}

pub(super) struct World {
    pub(super) dir: tempfile::TempDir,
    pub(super) desktop: Machine,
    pub(super) vm: Machine,
    pub(super) workspace: Workspace,
}

/// Carries a pull up to the restore and returns what that says.
pub(super) async fn pull_up_to_restore(world: &World, epoch: u64) -> Result<HandoffId> {
    let incoming = world
        .desktop
        .core
        .handoff_begin_pull(&world.workspace.id)
        .await?;
    let to = Owner::Desktop(incoming.desktop_id);
    let workspace_id = world.workspace.id.clone();
    let export = Export {
        workspace_id,
        to,
        epoch,
        have: incoming.have,
        interrupt: false,
    };
    let manifest = world
        .vm
        .core
        .handoff_export(&incoming.handoff_id, &export)
        .await?;
    world.carry(&world.vm, &world.desktop, &manifest).await;
    world
        .desktop
        .core
        .handoff_restore(&incoming.handoff_id, &manifest)
        .await?;
    Ok(incoming.handoff_id)
}

pub(super) async fn machine(dir: &Path, name: &str, side: Side) -> Machine {
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
    pub(super) async fn new() -> Self {
        Self::with("echo hello > README; git add -A; git commit -qm first").await
    }

    /// With a repository that a piece of `bash` fills.
    pub(super) async fn with(script: &str) -> Self {
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
        let here = Here {
            home: desktop.home.clone(),
            dir: repo.clone(),
        };
        here.run(script).unwrap();
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

    /// The workspace's directory on a machine.
    pub(super) async fn place(&self, machine: &Machine) -> Here {
        let workspace = machine.core.workspace(&self.workspace.id).await.unwrap();
        Here {
            home: machine.home.clone(),
            dir: workspace.worktree_path.unwrap().into(),
        }
    }

    pub(super) fn commit(&self, machine: &Machine, dir: &str, file: &str) -> String {
        let dir = Path::new(dir);
        std::fs::write(dir.join(file), file).unwrap();
        git(&machine.home, dir, &["add", "-A"]);
        git(&machine.home, dir, &["commit", "--quiet", "-m", file]);
        git(&machine.home, dir, &["rev-parse", "HEAD"])
    }

    pub(super) async fn prepare_send(&self) -> (Outgoing, Manifest) {
        let out = self
            .desktop
            .core
            .handoff_begin_send(&self.workspace.id, false)
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

    /// Carries a send up to the restore.
    pub(super) async fn restored(&self) -> HandoffId {
        let (out, manifest) = self.prepare_send().await;
        self.carry(&self.desktop, &self.vm, &manifest).await;
        let fingerprint = self
            .vm
            .core
            .handoff_restore(&out.handoff_id, &manifest)
            .await
            .unwrap();
        assert_eq!(fingerprint, manifest.fingerprint);
        out.handoff_id
    }

    pub(super) async fn send(&self) -> Workspace {
        let id = self.restored().await;
        self.desktop.core.handoff_unchanged(&id).await.unwrap();
        self.converge(&id).await
    }

    pub(super) async fn pull(&self, epoch: u64) -> Workspace {
        let id = pull_up_to_restore(self, epoch).await.unwrap();
        self.converge(&id).await
    }

    pub(super) async fn carry(&self, from: &Machine, to: &Machine, manifest: &Manifest) {
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

    pub(super) async fn converge(&self, id: &HandoffId) -> Workspace {
        for machine in [&self.vm, &self.desktop, &self.vm] {
            machine.core.handoff_finish(id, true).await.unwrap();
        }
        self.vm.core.workspace(&self.workspace.id).await.unwrap()
    }
}

pub(super) fn transcript(machine: &Machine, worktree: &str, id: &str) -> PathBuf {
    crate::session::transcript::transcript_dir(&machine.home, Path::new(worktree))
        .join(format!("{id}.jsonl"))
}

pub(super) fn test_session(workspace: &Workspace) -> ff_protocol::session::Session {
    ff_protocol::session::Session {
        workspace_id: workspace.id.clone(),
        permissions: ff_protocol::session::PermissionPreset::Relaxed,
        provider_session_id: "0199a1b2-0000-7000-8000-000000000001".into(),
        created_at: workspace.created_at,
        updated_at: workspace.created_at,
        ..crate::session::tests::world::session()
    }
}
