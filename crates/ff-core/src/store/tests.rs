use ff_protocol::project::{IssueProvider, StartupScript};
use ff_protocol::session::{EntryKind, MessageState};
use ff_protocol::workspace::{
    CiStatus, CreationSource, Init, IssueLink, Location, Owner, PrState, ProviderSelection,
    PullRequest, Ratchet, RatchetDispatchOutcome, RunScript, RunScriptStatus, Workspace,
    WorkspaceMode, WorkspaceStatus,
};
use ff_protocol::{
    ClientId, DesktopId, ErrorCode, HandoffId, ProjectId, RequestId, SessionId, WorkspaceId,
};
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;

use super::*;
use crate::clock;

fn draft(workspace: &WorkspaceId, session: &SessionId, payload: serde_json::Value) -> Write {
    Write::of(workspace, session, EntryKind::UserMessage, payload)
}

async fn store(dir: &tempfile::TempDir) -> Store {
    Store::open(&dir.path().join("core.db")).await.unwrap()
}

pub(crate) fn project() -> ff_protocol::project::Project {
    let now = clock::now();
    ff_protocol::project::Project {
        id: ProjectId::generate(),
        name: "Demo".into(),
        slug: "demo".into(),
        repo_path: "/srv/demo".into(),
        worktree_base_path: "/srv/worktrees/demo".into(),
        default_branch: "main".into(),
        github_owner: Some("octo".into()),
        github_repo: None,
        is_archived: true,
        issue_provider: IssueProvider::Linear,
        startup: StartupScript {
            command: Some("make".into()),
            path: None,
            timeout_secs: 7,
        },
        created_at: now,
        updated_at: now,
    }
}

/// A store with a workspace of the cloud.
async fn with_workspace(dir: &tempfile::TempDir) -> (Store, Workspace) {
    let (store, project) = (store(dir).await, project());
    store.insert_project(&project).await.unwrap();
    let workspace = workspace(&project.id, Owner::Cloud);
    store.insert_workspace(&workspace).await.unwrap();
    (store, workspace)
}

fn workspace(project: &ProjectId, owner: Owner) -> Workspace {
    let now = clock::now();
    Workspace {
        id: WorkspaceId::generate(),
        project_id: project.clone(),
        name: "First".into(),
        description: Some("what it is for".into()),
        status: WorkspaceStatus::Ready,
        worktree_path: Some("/srv/worktrees/demo/workspace-1".into()),
        branch_name: Some("first".into()),
        is_auto_generated_branch: true,
        creation_source: CreationSource::GithubIssue,
        creation_metadata: Some(json!({"initialPrompt": "go", "other": [1]})),
        init: Init {
            error_message: Some("failed".into()),
            started_at: Some(now),
            completed_at: Some(now),
            script_pid: Some(9),
            retry_count: 2,
        },
        issue: IssueLink {
            github_number: Some(12),
            github_url: Some("https://github.com/octo/demo/issues/12".into()),
            linear_id: Some("l".into()),
            linear_identifier: Some("ENG-1".into()),
            linear_url: Some("https://linear.example/ENG-1".into()),
        },
        default_session_provider: ProviderSelection::Claude,
        ratchet_session_provider: ProviderSelection::Codex,
        parent_workspace_id: Some(WorkspaceId::generate()),
        mode: WorkspaceMode::AutoIteration,
        auto_iteration_config: Some(json!({"maxIterations": 3})),
        run_script: RunScript {
            command: Some("run {port}".into()),
            post_run_command: Some("open".into()),
            cleanup_command: Some("clean".into()),
            pid: Some(1),
            port: Some(3000),
            started_at: Some(now),
            status: RunScriptStatus::Failed,
        },
        has_had_sessions: true,
        location: owner.location(),
        owner,
        epoch: 7,
        handoff_id: None,
        pr: PullRequest {
            url: Some("https://github.com/octo/demo/pull/7".into()),
            number: Some(7),
            state: PrState::ChangesRequested,
            review_state: Some("CHANGES_REQUESTED".into()),
            ci_status: CiStatus::Failure,
            has_merge_conflict: true,
            synced_at: Some(now),
            discovery_last_checked_at: Some(now),
            discovery_retry_count: 2,
            discovery_next_check_at: Some(now),
            ci_failed_at: Some(now),
            ci_last_notified_at: Some(now),
            review_last_checked_at: Some(now),
            review_last_comment_id: Some("c1".into()),
        },
        ratchet: Ratchet {
            enabled: true,
            last_checked_at: Some(now),
            active_session_id: Some(SessionId::generate()),
            dispatch_snapshot_key: Some("pr:7|ci:SUCCESS".into()),
            dispatch_outcome: Some(RatchetDispatchOutcome::Died),
            dispatch_retry_count: 3,
            dispatch_stalled: true,
        },
        created_at: now,
        updated_at: now,
    }
}

#[tokio::test]
async fn workspace_reads_back_with_every_field() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let project = project();
    store.insert_project(&project).await.unwrap();
    let desktop = Owner::Desktop(DesktopId::generate());
    let workspace = workspace(&project.id, desktop);
    store.insert_workspace(&workspace).await.unwrap();
    assert_eq!(
        store.workspace(&workspace.id).await.unwrap(),
        Some(workspace.clone())
    );
    assert_eq!(store.workspaces().await.unwrap(), [workspace]);
    assert_eq!(store.projects().await.unwrap(), [project]);
}

#[tokio::test]
async fn a_list_shows_what_another_process_has_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, other) = (store(&dir).await, store(&dir).await);
    let project = project();
    store.insert_project(&project).await.unwrap();
    let desktop = Owner::Desktop(DesktopId::generate());
    for _ in 0..3 {
        let workspace = workspace(&project.id, desktop.clone());
        other.insert_workspace(&workspace).await.unwrap();
        assert!(store.workspaces().await.unwrap().contains(&workspace));
    }
    for change in [
        "UPDATE workspaces SET name = 'other'",
        "UPDATE workspace_prs SET number = 8, has_merge_conflict = NOT has_merge_conflict",
        "UPDATE workspace_ratchets SET dispatch_retry_count = 9",
        "UPDATE workspace_run_scripts SET command = 'x'",
        "DELETE FROM workspace_prs WHERE number = 8",
        "DELETE FROM workspaces WHERE id = (SELECT min(id) FROM workspaces)",
    ] {
        let before = store.workspaces().await.unwrap();
        other.db.execute_unprepared(change).await.unwrap();
        let list = store.workspaces().await.unwrap();
        assert_ne!(list, before, "{change}");
        let mut one_by_one = Vec::new();
        for workspace in &list {
            one_by_one.extend(other.workspace(&workspace.id).await.unwrap());
        }
        assert_eq!(list, one_by_one, "{change}");
    }
    assert_eq!(store.workspaces().await.unwrap().len(), 2);
}

#[tokio::test]
async fn journal_is_gapless_per_workspace_under_concurrency() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let project = project();
    store.insert_project(&project).await.unwrap();
    let (a, b) = (
        workspace(&project.id, Owner::Cloud),
        workspace(&project.id, Owner::Cloud),
    );
    store.insert_workspace(&a).await.unwrap();
    store.insert_workspace(&b).await.unwrap();
    let session = SessionId::generate();
    let mut watch = store.feed().watch(&a.id);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..60 {
        let (store, session) = (store.clone(), session.clone());
        let id = if n % 2 == 0 {
            a.id.clone()
        } else {
            b.id.clone()
        };
        tasks.spawn(async move {
            store
                .write(draft(&id, &session, json!({"text": n})))
                .await
                .unwrap()[0]
                .seq
        });
    }
    while let Some(seq) = tasks.join_next().await {
        assert!((1..=30).contains(&seq.unwrap()));
    }
    let mut told = Vec::new();
    while let Ok(Event::Entry(entry)) = watch.events.try_recv() {
        told.push(entry.seq);
    }
    assert_eq!(told, (1..=30).collect::<Vec<_>>());
    for id in [&a.id, &b.id] {
        let seqs: Vec<u64> = store
            .entries(id, None, 0, 100)
            .await
            .unwrap()
            .iter()
            .map(|entry| entry.seq)
            .collect();
        assert_eq!(seqs, (1..=30).collect::<Vec<_>>());
        assert_eq!(
            store
                .entries(id, Some(&session), 28, 100)
                .await
                .unwrap()
                .len(),
            2
        );
        assert!(
            store
                .entries(id, Some(&SessionId::generate()), 0, 100)
                .await
                .unwrap()
                .is_empty()
        );
    }
}

#[tokio::test]
async fn a_workspace_is_claimed_by_one_hand_off_of_its_owner_and_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let (store, w) = with_workspace(&dir).await;
    let record = |id: &HandoffId| HandoffRecord {
        id: id.clone(),
        workspace_id: w.id.clone(),
        project_id: w.project_id.clone(),
        role: Role::Sender,
        epoch: 8,
        manifest: None,
        committed: None,
    };
    let begin = async |id: &HandoffId, owner: &Owner, epoch: u64| {
        store
            .begin_handoff(&record(id), owner, epoch)
            .await
            .unwrap()
    };
    let (first, second) = (HandoffId::generate(), HandoffId::generate());
    let desktop = Owner::Desktop(DesktopId::generate());
    assert!(!begin(&first, &desktop, 7).await, "wrong owner");
    assert!(!begin(&first, &Owner::Cloud, 6).await, "old epoch");
    assert!(
        store.unfinished_handoffs().await.unwrap().is_empty(),
        "no record without a mark"
    );
    assert!(begin(&first, &Owner::Cloud, 7).await);
    assert!(begin(&first, &Owner::Cloud, 7).await, "same again");
    assert!(!begin(&second, &Owner::Cloud, 7).await, "taken");
    assert_eq!(store.unfinished_handoffs().await.unwrap().len(), 1);
    let release =
        async |id: &HandoffId, moved| store.release_workspace(&w.id, id, moved).await.unwrap();
    assert!(!release(&second, None).await, "not its hand-off");
    assert!(release(&first, Some((&desktop, 8))).await);
    let now = store.known_workspace(&w.id).await.unwrap();
    assert_eq!((now.owner, now.epoch, now.handoff_id), (desktop, 8, None));
    assert_eq!(now.location, Location::Desktop);
}

#[tokio::test]
async fn a_second_process_sees_the_same_installation_and_settings() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (store(&dir).await, store(&dir).await);
    assert_eq!(
        one.installation_id().await.unwrap(),
        two.installation_id().await.unwrap()
    );
    one.set_setting("cloud_url", "a").await.unwrap();
    two.set_setting("cloud_url", "b").await.unwrap();
    assert_eq!(
        one.setting("cloud_url").await.unwrap().as_deref(),
        Some("b")
    );
    assert_eq!(one.setting("other").await.unwrap(), None);
}

#[tokio::test]
async fn an_unknown_workspace_is_told_as_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let error = store(&dir)
        .await
        .known_workspace(&WorkspaceId::generate())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn a_write_that_fails_leaves_nothing_and_harms_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (store, w) = with_workspace(&dir).await;
    let session = SessionId::generate();
    let good = |n| store.write(draft(&w.id, &session, json!({ "n": n })));
    let bad = store.write(draft(&WorkspaceId::generate(), &session, json!({})));
    // A message needs its session, which there is not: neither the row nor its entry stays.
    let enter = draft(&w.id, &session, json!({"text": "x"})).and(Change::Enter {
        id: ClientId::generate(),
        uuid: "u".into(),
    });
    let (one, two, three, four) = tokio::join!(good(1), bad, store.write(enter), good(2));
    assert!(two.is_err() && three.is_err());
    assert_eq!((one.unwrap()[0].seq, four.unwrap()[0].seq), (1, 2));
    assert_eq!(store.entries(&w.id, None, 0, 10).await.unwrap().len(), 2);
    assert!(store.sessions_with_queue().await.unwrap().is_empty());
}

#[tokio::test]
async fn messages_and_requests_are_rows_that_come_back_as_they_went() {
    let dir = tempfile::tempdir().unwrap();
    let (store, w) = with_workspace(&dir).await;
    let mut session = crate::session::tests::world::session();
    session.workspace_id = w.id.clone();
    store.insert_session(&session).await.unwrap();
    let (id, uuid) = (ClientId::generate(), "u-1".to_owned());
    let enter = Change::Enter {
        id: id.clone(),
        uuid: uuid.clone(),
    };
    let write = draft(&w.id, &session.id, json!({"text": "hello"})).and(enter);
    store.write(write).await.unwrap();
    let queued = store.queued(&session.id).await.unwrap();
    assert_eq!((queued.len(), queued[0].text.as_str()), (1, "hello"));
    assert_eq!(
        store.message(&w.id, &id).await.unwrap().as_ref(),
        Some(&queued[0])
    );
    assert_eq!(
        store.sessions_with_queue().await.unwrap(),
        [session.id.clone()]
    );
    let done = Change::Message {
        uuid,
        state: MessageState::Done,
    };
    let mark = ProcessMark {
        pid: 7,
        start: 8,
        boot: "b".into(),
    };
    let process = Change::Process(session.id.clone(), Some(mark.clone()));
    store
        .write(Write::default().and(done).and(process))
        .await
        .unwrap();
    assert!(store.queued(&session.id).await.unwrap().is_empty());
    assert!(store.message(&w.id, &id).await.unwrap().is_some());
    assert_eq!(store.process(&session.id).await.unwrap(), Some(mark));

    let mut request = RequestRecord {
        id: RequestId::generate(),
        workspace: w.id.clone(),
        session: session.id.clone(),
        kind: ff_protocol::session::RequestKind::Permission,
        asked: Asked {
            tool_name: "Bash".into(),
            input: json!({"command": "ls"}),
            tool_use_id: Some("t".into()),
            description: None,
        },
        state: ff_protocol::session::RequestState::Open,
        answer: None,
        carried: false,
        created_at: clock::now(),
        answered_at: None,
    };
    let put = |request: &RequestRecord| {
        store.write(Write::default().and(Change::Request(Box::new(request.clone()))))
    };
    put(&request).await.unwrap();
    let waiting = store.waiting_requests(&w.id, None).await.unwrap();
    assert_eq!(waiting, [request.clone()]);
    request.state = ff_protocol::session::RequestState::Answered;
    request.carried = true;
    put(&request).await.unwrap();
    assert!(
        store
            .waiting_requests(&w.id, Some(&session.id))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        store.carried_answers(&session.id).await.unwrap(),
        [request.clone()]
    );
    assert_eq!(
        store.request(&session.id, &request.id).await.unwrap(),
        Some(request)
    );
}

#[tokio::test]
async fn only_its_user_can_read_it_also_where_others_could_before() {
    use std::os::unix::fs::PermissionsExt;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    std::fs::create_dir(&dir).unwrap();
    let path = dir.join("core.db");
    std::fs::write(&path, "").unwrap();
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&dir, 0o755);
    set(&path, 0o644);
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let store = Store::open(&path).await.unwrap();
    store.set_setting("a", "b").await.unwrap();
    assert_eq!(mode(&dir), 0o700);
    for file in std::fs::read_dir(&dir).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    let fresh = tmp.path().join("deep/er/core.db");
    Store::open(&fresh).await.unwrap();
    assert_eq!(
        (mode(&fresh), mode(fresh.parent().unwrap())),
        (0o600, 0o700)
    );
}

#[tokio::test]
async fn writes_last_after_sqlite_gave_a_transaction_up_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let given_up = store.db.begin().await.unwrap();
    given_up.execute_unprepared("ROLLBACK").await.unwrap();
    drop(given_up);
    store.db.begin().await.unwrap().rollback().await.unwrap();
    store.set_setting("a", "b").await.unwrap();
    let other = self::store(&dir).await;
    assert_eq!(other.setting("a").await.unwrap().as_deref(), Some("b"));
}
