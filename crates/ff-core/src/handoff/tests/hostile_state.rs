//! What the other side put into a repository does not run here.

use ff_testkit::states::Shell;
use rstest::rstest;

use super::world::World;

/// Sets every trap that a repository has; each would make a file in `$1`.
const TRAPS: &str = r#"
set -e
trap_in() { printf '#!/bin/sh\ntouch %s/%s\ncat\n' "$TRAPS" "$1" > "$TRAPS/run-$1"; chmod +x "$TRAPS/run-$1"; echo "$TRAPS/run-$1"; }
mkdir -p "$TRAPS"
git config core.fsmonitor "$(trap_in fsmonitor)"
git config remote.origin.uploadpack "$(trap_in uploadpack)"
git config remote.evil.url "ext::$(trap_in ext)"
git config remote.evil.fetch '+refs/heads/*:refs/heads/*'
git config filter.evil.clean "$(trap_in clean)"
git config filter.evil.smudge "$(trap_in smudge)"
git config filter.evil.process "$(trap_in process)"
git config core.sshCommand "$(trap_in ssh)"
git config core.pager "$(trap_in pager)"
git config credential.helper "$(trap_in helper)"
git config diff.external "$(trap_in diff)"
hooks=$(git rev-parse --git-path hooks)
mkdir -p "$hooks" .husky
for hook in post-checkout pre-commit post-merge reference-transaction post-index-change; do
  cp "$(trap_in $hook)" "$hooks/$hook"
done
echo '* filter=evil' > .gitattributes
echo "$(trap_in husky)" > .husky/post-checkout
printf '{"scripts": {"setup": "%s", "run": "%s"}}' "$(trap_in setup)" "$(trap_in run)" > factory-factory.json
"#;

fn traps(dir: &std::path::Path, place: &impl Shell) -> std::path::PathBuf {
    let traps = dir.join("traps");
    let script = format!("TRAPS={}\n{TRAPS}", traps.display());
    place.run(&script).unwrap();
    traps
}

/// Traps that went off.
fn sprung(traps: &std::path::Path) -> Vec<String> {
    let names = std::fs::read_dir(traps).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut sprung: Vec<_> = names.filter(|name| !name.starts_with("run-")).collect();
    sprung.sort();
    sprung
}

#[tokio::test]
async fn bad_input_handoff_8_what_a_hostile_vm_carried_runs_nothing_on_the_desktop() {
    let world = World::new().await;
    let there = world.send().await;
    let in_vm = world.place(&world.vm).await;
    let here = world.place(&world.desktop).await;
    let traps = traps(world.dir.path(), &in_vm);
    let before = here.run("git config --local --list | sort").unwrap();
    in_vm
        .run("echo changed >> README; git -c core.fsmonitor=false -c core.hooksPath=/dev/null add -A")
        .unwrap();
    // What the VM does to itself is its own affair.
    for name in sprung(&traps) {
        std::fs::remove_file(traps.join(name)).unwrap();
    }
    world.pull(there.epoch).await;
    let core = &world.desktop.core;
    core.workspace(&world.workspace.id).await.unwrap();
    // Export reads the VM's own repository, with the VM's own settings.
    let theirs = ["clean", "process"];
    let ran: Vec<_> = sprung(&traps)
        .into_iter()
        .filter(|name| !theirs.contains(&name.as_str()))
        .collect();
    assert_eq!(ran, [""; 0]);
    for name in sprung(&traps) {
        std::fs::remove_file(traps.join(name)).unwrap();
    }
    here.run("git status; git diff; git log -1; git checkout -q -b mine; git add -A; git -c user.name=A -c user.email=a@example.test commit -qm mine")
        .unwrap();
    assert_eq!(sprung(&traps), [""; 0], "the user's own git ran something");
    let after = here.run("git config --local --list | sort").unwrap();
    assert_eq!(
        String::from_utf8_lossy(&after),
        String::from_utf8_lossy(&before)
    );
}

#[tokio::test]
async fn bad_input_handoff_8_a_hostile_repository_runs_nothing_in_the_vm() {
    let world = World::new().await;
    let here = world.place(&world.desktop).await;
    let traps = traps(world.dir.path(), &here);
    here.run(
        "echo x >> README; git -c core.fsmonitor=false -c core.hooksPath=/dev/null add README",
    )
    .unwrap();
    for name in sprung(&traps) {
        std::fs::remove_file(traps.join(name)).unwrap();
    }
    world.send().await;
    let in_vm = world.place(&world.vm).await;
    in_vm.run("git status; git diff --no-ext-diff").unwrap();
    let settings = in_vm.run("git config --local --list").unwrap();
    let settings = String::from_utf8(settings).unwrap();
    assert!(!settings.contains("run-"), "{settings}");
    let ran: Vec<_> = sprung(&traps)
        .into_iter()
        .filter(|name| !["clean", "process"].contains(&name.as_str()))
        .collect();
    assert_eq!(ran, [""; 0]);
}

/// Addresses and commands of submodules would run something as soon as git fetched them.
#[tokio::test]
async fn bad_input_handoff_8_a_submodule_runs_nothing_on_either_side() {
    for settings in [
        "url = ext::TRAP",
        "url = -uTRAP",
        "url = https://example.test/x.git\\n update = !TRAP",
    ] {
        let world = World::new().await;
        let here = world.place(&world.desktop).await;
        let traps = world.dir.path().join("traps");
        std::fs::create_dir(&traps).unwrap();
        let run = traps.join("run-submodule");
        std::fs::write(
            &run,
            format!("#!/bin/sh\ntouch {}/sprung\n", traps.display()),
        )
        .unwrap();
        let settings = settings.replace("TRAP", &run.display().to_string());
        here.run(&format!(
            r#"set -e
            chmod +x {run}
            printf '[submodule "sub"]\n path = sub\n {settings}\n' > .gitmodules
            git add .gitmodules
            git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),sub
            mkdir sub
            git commit -qm submodule"#,
            run = run.display(),
        ))
        .unwrap();
        let (out, manifest) = world.prepare_send().await;
        world.carry(&world.desktop, &world.vm, &manifest).await;
        let restored = world.vm.core.handoff_restore(&out.handoff_id, &manifest);
        // Git takes some of these for an attack.
        match restored.await {
            Ok(_) => {
                let there = world.converge(&out.handoff_id).await;
                world.pull(there.epoch).await;
            }
            Err(refused) => {
                assert!(refused.to_string().contains("gitmodules"), "{refused}");
                for machine in [&world.vm, &world.desktop] {
                    let end = machine.core.handoff_finish(&out.handoff_id, false);
                    end.await.unwrap();
                }
            }
        }
        assert_eq!(sprung(&traps), [""; 0], "{settings}");
    }
}

/// A repository within the workspace, which brings its own settings, is not even looked into.
#[rstest]
#[case::a_directory("mv elsewhere nested/.git")]
#[case::a_file(
    "mv elsewhere ../elsewhere; echo \"gitdir: $(realpath ../elsewhere)\" > nested/.git"
)]
#[case::a_link("mv elsewhere ../elsewhere; ln -s ../../elsewhere nested/.git")]
#[tokio::test]
async fn bad_input_handoff_8_a_git_directory_in_the_workspace_is_named_and_runs_nothing(
    #[case] plant: &str,
) {
    let world = World::new().await;
    let there = world.send().await;
    let in_vm = world.place(&world.vm).await;
    let traps = world.dir.path().join("traps");
    in_vm
        .run(&format!(
            r#"set -e
            mkdir nested {traps}; git init -q nested
            printf '#!/bin/sh\ntouch {traps}/sprung\n' > {traps}/run-it; chmod +x {traps}/run-it
            git -C nested config core.fsmonitor {traps}/run-it
            git -C nested config core.sshCommand {traps}/run-it
            cp {traps}/run-it nested/.git/hooks/post-index-change
            git -C nested -c core.fsmonitor=false -c core.hooksPath=/dev/null -c user.name=A -c user.email=a@example.test commit -q --allow-empty -m x
            mv nested/.git elsewhere
            {plant}"#,
            traps = traps.display(),
        ))
        .unwrap();
    let refused = super::world::pull_up_to_restore(&world, there.epoch).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), ff_protocol::ErrorCode::Conflict);
    assert!(
        refused
            .to_string()
            .contains("nested is a repository of its own"),
        "{refused}"
    );
    assert_eq!(sprung(&traps), [""; 0]);
}

#[tokio::test]
async fn secrets_of_the_repository_stay_and_are_named() {
    let world = World::new().await;
    let here = world.place(&world.desktop).await;
    here.run(
        "git remote set-url origin https://me:t0ken-a@github.com/octo/demo.git
         git remote add fork https://t0ken-b@example.test/o/fork.git?key=t0ken-c
         git config http.https://example.test/.extraHeader 'Authorization: t0ken-d'
         git config credential.https://example.test.helper '!echo t0ken-e'
         git config url.https://t0ken-f@example.test/.insteadOf example:
         echo t0ken-g > .env; echo .env >> .git/info/exclude || echo .env >> $(git rev-parse --git-path info/exclude)",
    )
    .unwrap();
    let out = world
        .desktop
        .core
        .handoff_begin_send(&world.workspace.id, false);
    let out = out.await.unwrap();
    let notes = out.warnings.join("\n");
    for named in [
        "remote `origin`",
        "remote `fork`",
        "http.https://example.test/.extraheader",
        "credential.https://example.test.helper",
        "url.https://example.test/.insteadof",
        ".env",
    ] {
        assert!(notes.contains(named), "{named} is not in {notes}");
    }
    assert!(!notes.contains("t0ken"), "{notes}");
    world.send().await;
    for dir in ["vm", "desktop/data"] {
        let found = std::process::Command::new("grep")
            .args(["-rla", "t0ken", "--", dir])
            .current_dir(world.dir.path())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    }
}
