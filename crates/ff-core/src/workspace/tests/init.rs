//! How workspaces are made, and tried again.

use ff_protocol::ErrorCode;
use ff_protocol::project::{StartupScript, UpdateProject};
use ff_protocol::workspace::{CreateWorkspace, CreationSource, WorkspaceStatus};
use serde_json::json;

use super::world::{World, dir, scripts_left, soon};

#[tokio::test]
async fn a_workspace_is_a_branch_in_a_locked_worktree_with_its_scripts_run() {
    let w = World::new().await;
    w.scripts(json!({"setup": "pwd > made; echo set up", "run": "serve", "postRun": "open", "cleanup": "tidy"}));
    let create = w.named("My First Workspace");
    let entered = w.core.workspace_create(create).await.unwrap();
    assert_eq!(entered.status, WorkspaceStatus::New);
    let made = w.core.workspace_settled(&entered.id).await.unwrap();
    assert_eq!(made.status, WorkspaceStatus::Ready);
    assert_eq!(made.init.error_message, None);
    assert!(made.init.started_at <= made.init.completed_at);
    let at = dir(&made);
    assert_eq!(
        at,
        w.home
            .join(format!("base/worktrees/demo/workspace-{}", made.id))
    );
    assert_eq!(
        w.git(&at, &["branch", "--show-current"]),
        "my-first-workspace"
    );
    assert_eq!(made.branch_name.as_deref(), Some("my-first-workspace"));
    assert!(made.is_auto_generated_branch);
    let text = std::fs::read_to_string(at.join("made")).unwrap();
    assert_eq!(text.trim(), at.to_str().unwrap());
    let list = w.git(&w.repo, &["worktree", "list", "--porcelain"]);
    assert!(list.contains("locked"), "{list}");
    let run = &made.run_script;
    assert_eq!(run.command.as_deref(), Some("serve"));
    assert_eq!(run.post_run_command.as_deref(), Some("open"));
    assert_eq!(run.cleanup_command.as_deref(), Some("tidy"));
    let report = w.core.workspace_init(&made.id).await.unwrap();
    assert!(report.output.unwrap().contains("set up"));
    w.core.shutdown().await;
}

#[tokio::test]
async fn both_scripts_run_and_both_are_heard_and_the_last_failure_is_the_warning() {
    let w = World::new().await;
    w.scripts(json!({"setup": "echo from setup; exit 3"}));
    let startup = StartupScript {
        command: Some("echo from startup; touch started".into()),
        ..StartupScript::default()
    };
    let update = UpdateProject {
        startup: Some(startup),
        is_archived: None,
    };
    w.core.project_update(&w.project.id, &update).await.unwrap();
    let made = w.ready("Both").await;
    assert!(dir(&made).join("started").exists());
    let warning = made.init.error_message.clone().unwrap();
    assert!(
        warning.contains("setup script") && warning.contains("exit code 3"),
        "{warning}"
    );
    let output = w
        .core
        .workspace_init(&made.id)
        .await
        .unwrap()
        .output
        .unwrap();
    assert!(
        output.contains("from setup") && output.contains("from startup"),
        "{output}"
    );

    let dismissed = w.core.workspace_dismiss(&made.id).await.unwrap();
    assert_eq!(dismissed.init.error_message, None);
    let error = w.core.workspace_retry(&made.id).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict, "nothing to try again");
}

#[tokio::test]
async fn a_warning_is_tried_again_until_the_budget_is_used() {
    let w = World::new().await;
    w.scripts(json!({"setup": "echo x >> ran; test -e fixed"}));
    let made = w.ready("Again").await;
    assert!(made.init.error_message.is_some());
    let at = dir(&made);
    for n in 2..=3 {
        w.core.workspace_retry(&made.id).await.unwrap();
        let again = w.core.workspace_settled(&made.id).await.unwrap();
        assert!(again.init.error_message.is_some());
        assert_eq!(again.init.retry_count, n - 1);
    }
    std::fs::write(at.join("fixed"), "").unwrap();
    w.core.workspace_retry(&made.id).await.unwrap();
    let good = w.core.workspace_settled(&made.id).await.unwrap();
    assert_eq!(
        (good.status, good.init.error_message.clone()),
        (WorkspaceStatus::Ready, None)
    );
    assert_eq!(
        std::fs::read_to_string(at.join("ran"))
            .unwrap()
            .lines()
            .count(),
        4
    );
    std::fs::remove_file(at.join("fixed")).unwrap();
    assert_eq!(dir(&good), at, "the worktree stays");
}

#[tokio::test]
async fn what_could_not_be_made_is_made_on_its_planned_branch_at_the_next_try() {
    let w = World::new().await;
    let base = w.home.join("base/worktrees");
    std::fs::create_dir_all(&base).unwrap();
    std::fs::write(base.join("demo"), "in the way").unwrap();
    let made = w.made(w.named("Late")).await;
    assert_eq!(made.status, WorkspaceStatus::Failed);
    assert!(made.worktree().is_none() && made.init.error_message.is_some());
    std::fs::remove_file(base.join("demo")).unwrap();
    w.core.workspace_retry(&made.id).await.unwrap();
    let again = w.core.workspace_settled(&made.id).await.unwrap();
    assert_eq!(again.status, WorkspaceStatus::Ready, "{:?}", again.init);
    assert_eq!(again.branch_name.as_deref(), Some("late"));
    assert_eq!(again.init.retry_count, 1);
}

#[tokio::test]
async fn the_first_message_waits_for_the_scripts_and_is_sent_once() {
    let w = World::new().await;
    w.scripts(json!({"setup": "while ! test -e go; do sleep 0.05; done"}));
    let create = CreateWorkspace {
        initial_prompt: Some("begin here".into()),
        ..w.named("Prompted")
    };
    let id = w.core.workspace_create(create).await.unwrap().id;
    soon("the message is queued", async || {
        let sessions = w.core.store().sessions(&id).await.unwrap();
        sessions.first().is_some_and(|session| session.queued == 1)
    })
    .await;
    soon("the script runs", async || scripts_left(&id) > 0).await;
    assert_eq!(
        w.said(),
        "",
        "nothing was sent before the workspace is made"
    );
    assert!(!w.home.join("args").exists(), "no CLI was started");
    let causes = w.core.workspace_causes();
    assert!(causes[0].name.contains(id.as_str()), "{causes:?}");
    std::fs::write(dir(&w.row(&id).await).join("go"), "").unwrap();
    w.core.workspace_settled(&id).await.unwrap();
    soon("the message is sent", async || !w.said().is_empty()).await;
    w.core.shutdown().await;
    assert_eq!(w.said().matches("begin here").count(), 1);
}

#[tokio::test]
async fn messages_to_a_workspace_that_failed_wait_for_the_user() {
    let w = World::new().await;
    let create = CreateWorkspace {
        initial_prompt: Some("begin here".into()),
        ..w.named("Prompted")
    };
    w.scripts(json!({"setup": "(setsid sleep 600 &); while ! test -e go; do sleep 0.05; done"}));
    let id = w.core.workspace_create(create).await.unwrap().id;
    soon("the script runs", async || scripts_left(&id) > 1).await;
    w.core.lives().give_up(&id).await;
    let failed = w.core.workspace_settled(&id).await.unwrap();
    assert_eq!(failed.status, WorkspaceStatus::Failed);
    assert!(failed.worktree().is_some(), "it is kept");
    assert_eq!(scripts_left(&id), 0);
    let error = w.core.handoff_begin_send(&id, false).await.unwrap_err();
    assert!(error.to_string().contains("is FAILED: only one"), "{error}");
    soon("the message is held", async || {
        w.core.store().sessions(&id).await.unwrap()[0].held
    })
    .await;
    assert_eq!(w.said(), "");
    let session = w.core.store().sessions(&id).await.unwrap().remove(0);
    w.core.sessions().resume(&id, &session.id).await.unwrap();
    soon("the message is sent", async || {
        w.said().contains("begin here")
    })
    .await;
    w.core.shutdown().await;
}

#[tokio::test]
async fn a_repository_without_a_commit_gives_a_branch_without_one() {
    let w = World::new().await;
    let empty = w.home.join("empty");
    std::fs::create_dir(&empty).unwrap();
    w.git(&empty, &["init", "--quiet", "--initial-branch=main"]);
    let project = w.core.project_add(&empty).await.unwrap();
    let create = CreateWorkspace {
        project_id: Some(project.id),
        ..w.named("First Steps")
    };
    let made = w.made(create).await;
    assert_eq!(made.status, WorkspaceStatus::Ready, "{:?}", made.init);
    let at = dir(&made);
    assert_eq!(
        w.git(&at, &["symbolic-ref", "HEAD"]),
        "refs/heads/first-steps"
    );
    let list = w.git(&empty, &["worktree", "list", "--porcelain"]);
    assert!(list.contains("\nlocked"), "{list}");
    assert_eq!(w.git(&at, &["status", "--porcelain"]), "");
    std::fs::write(at.join("a"), "a").unwrap();
    w.git(&at, &["add", "-A"]);
    w.git(&at, &["commit", "--quiet", "-m", "one"]);
    assert_eq!(w.git(&at, &["rev-list", "--count", "HEAD"]), "1");
}

#[tokio::test]
async fn names_sources_and_descriptions_are_kept() {
    let w = World::new().await;
    w.git(&w.repo, &["branch", "topic"]);
    let create = CreateWorkspace {
        name: None,
        branch: Some("topic".into()),
        description: Some("what for".into()),
        ..w.named("")
    };
    let made = w.made(create).await;
    assert_eq!(made.name, "topic");
    assert_eq!(made.creation_source, CreationSource::ResumeBranch);
    assert_eq!(made.description.as_deref(), Some("what for"));
    assert!(!made.is_auto_generated_branch);
    let renamed = w.core.workspace_rename(&made.id, " Other ").await.unwrap();
    assert_eq!(renamed.name, "Other");
    assert_eq!(renamed.branch_name.as_deref(), Some("topic"));
    let error = w
        .core
        .workspace_rename(&made.id, "\u{7}")
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Invalid);
}
