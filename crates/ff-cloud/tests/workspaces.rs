//! Workspaces that are made in a VM: what the VM is told, and what the mirror says.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[macro_use]
mod support;

use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};
use ff_protocol::derived::{CiObservation, RatchetState};
use ff_protocol::project::Project;
use ff_protocol::pull_request::PullRequestStatus;
use ff_protocol::vm::VmState;
use ff_protocol::workspace::{
    InitReport, Owner, PrState, PullRequest, RenameWorkspace, Workspace, WorkspaceStatus,
};
use ff_protocol::{ErrorCode, ProjectId, WorkspaceId};
use serde_json::{Value, json};
use support::backend::Backend;
use support::moving::{World, ids, manifest, problem, pull, send};
use support::{Server, request};

/// The engine in the VM: one project, and the workspaces it was told to make.
#[derive(Default)]
struct Engine {
    made: Mutex<Vec<Workspace>>,
    refuses: Mutex<bool>,
}

type Shared = State<Arc<Engine>>;

fn project(id: ProjectId) -> Project {
    let now = ff_protocol::Timestamp::default();
    Project {
        id,
        name: "Demo".into(),
        slug: "demo".into(),
        repo_path: "/home/ff/demo".into(),
        worktree_base_path: "/home/ff/worktrees".into(),
        default_branch: "main".into(),
        github_owner: None,
        github_repo: None,
        is_archived: false,
        issue_provider: Default::default(),
        startup: Default::default(),
        created_at: now,
        updated_at: now,
    }
}

async fn create(State(engine): Shared, Json(body): Json<Value>) -> Response {
    if *engine.refuses.lock().unwrap() {
        let problem = ff_protocol::Problem::new(ErrorCode::Conflict, "no");
        return (StatusCode::CONFLICT, Json(problem)).into_response();
    }
    let project: ProjectId = body["projectId"].as_str().unwrap().parse().unwrap();
    let name = body["name"].as_str().unwrap().to_owned();
    let now = ff_protocol::Timestamp::default();
    let workspace = Workspace {
        id: body["id"].as_str().unwrap().parse().unwrap(),
        ..Workspace::new(project, name, Owner::Cloud, now)
    };
    engine.made.lock().unwrap().push(workspace.clone());
    (StatusCode::CREATED, Json(workspace)).into_response()
}

fn find(engine: &Engine, id: &WorkspaceId) -> Option<Workspace> {
    let made = engine.made.lock().unwrap();
    made.iter().find(|it| it.id == *id).cloned()
}

async fn init(State(engine): Shared, Path(id): Path<WorkspaceId>) -> Json<InitReport> {
    let workspace = Workspace {
        branch_name: Some("octo/it".into()),
        ..find(&engine, &id).unwrap()
    };
    Json(InitReport {
        workspace,
        output: None,
    })
}

async fn rename(
    State(engine): Shared,
    Path(id): Path<WorkspaceId>,
    Json(body): Json<RenameWorkspace>,
) -> Json<Workspace> {
    Json(Workspace {
        name: body.name,
        ..find(&engine, &id).unwrap()
    })
}

async fn pull_request(
    State(engine): Shared,
    Path(id): Path<WorkspaceId>,
) -> Json<PullRequestStatus> {
    let workspace = find(&engine, &id).unwrap();
    Json(PullRequestStatus {
        workspace_id: id,
        branch_name: workspace.branch_name,
        pr: PullRequest {
            number: Some(7),
            state: PrState::Open,
            ..PullRequest::default()
        },
        ci_observation: CiObservation::NotFetched,
        ratchet: workspace.ratchet,
        ratchet_state: RatchetState::Idle,
    })
}

async fn remove(State(engine): Shared, Path(id): Path<WorkspaceId>) -> StatusCode {
    match find(&engine, &id) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

async fn world(backend: Backend) -> (Server, Arc<Engine>) {
    let server = Server::with(backend, &[]).await;
    let engine = Arc::new(Engine::default());
    let routes = Router::new()
        .route("/api/workspaces", post(create))
        .route("/api/workspaces/{w}", patch(rename).merge(delete(remove)))
        .route("/api/workspaces/{w}/init", get(init))
        .route("/api/workspaces/{w}/pr/sync", post(pull_request))
        .route(
            "/api/projects/{p}",
            get(async |Path(id): Path<ProjectId>| Json(project(id))),
        )
        .with_state(engine.clone());
    *server.provider.engine.lock().unwrap() = routes;
    (server, engine)
}

async fn mirrored(server: &Server) -> Vec<Value> {
    let list = server.get("/api/workspaces?userId=test-user").await.body;
    list["items"].as_array().unwrap().clone()
}

both_dbs! {
    the_mirror_follows_a_workspace_from_new_to_deleted
    what_the_vm_does_not_have_can_be_deleted
    what_a_desktop_took_back_is_forgotten_without_its_vm
    the_mirror_shows_the_life_and_the_pull_request_that_the_vm_told
}

async fn the_mirror_follows_a_workspace_from_new_to_deleted(backend: Backend) {
    let (server, engine) = world(backend).await;
    let body = json!({"projectId": ProjectId::generate(), "name": "It"});
    let early = server
        .post("/api/workspaces?userId=test-user", body.clone())
        .await;
    assert_eq!(early.status, 404, "there is no VM yet");
    let vm = server.create_vm("test-user").await.vm().id;
    let made = server
        .post("/api/workspaces?userId=test-user", body.clone())
        .await;
    assert_eq!(
        (made.status.as_u16(), &made.body["status"]),
        (201, &json!("NEW"))
    );
    let rows = mirrored(&server).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["id"], made.body["id"]);
    assert_eq!(rows[0]["vmId"], json!(vm));
    assert_eq!(rows[0]["owner"], "cloud");
    assert_eq!(
        (&rows[0]["name"], &rows[0]["projectName"]),
        (&json!("It"), &json!("Demo"))
    );

    let path = format!("/api/workspaces/{}", made.body["id"].as_str().unwrap());
    server.get(&format!("{path}/init?userId=test-user")).await;
    assert_eq!(mirrored(&server).await[0]["branchName"], "octo/it");
    let rename = request(Method::PATCH, &path, Some(json!({"name": "Other"})));
    let renamed = server.send(rename).await;
    assert_eq!(
        (renamed.status.as_u16(), &renamed.body["name"]),
        (200, &json!("Other"))
    );
    assert_eq!(mirrored(&server).await[0]["name"], "Other");
    let stranger = server.get(&format!("{path}/init?userId=somebody")).await;
    assert_eq!(stranger.status, 404);

    *engine.refuses.lock().unwrap() = true;
    let refused = server.post("/api/workspaces?userId=test-user", body).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["code"]),
        (409, &json!("conflict"))
    );
    assert_eq!(
        mirrored(&server).await.len(),
        1,
        "what was refused is not there"
    );

    assert_eq!(server.delete(&path).await.status, 204);
    assert!(mirrored(&server).await.is_empty());
}

async fn what_the_vm_does_not_have_can_be_deleted(backend: Backend) {
    let (server, engine) = world(backend).await;
    server.create_vm("test-user").await;
    let body = json!({"projectId": ProjectId::generate(), "name": "It"});
    let made = server.post("/api/workspaces?userId=test-user", body).await;
    engine.made.lock().unwrap().clear();
    let path = format!("/api/workspaces/{}", made.body["id"].as_str().unwrap());
    assert_eq!(server.delete(&path).await.status, 404);
    assert!(mirrored(&server).await.is_empty());
}

async fn what_a_desktop_took_back_is_forgotten_without_its_vm(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    world.sent(&send(&desktop, &workspace, 0)).await;
    let back = pull(&desktop, &workspace, 1);
    *world.engine.manifest.lock().unwrap() = Some(manifest(&back));
    world.client.create_handoff(&back).await.unwrap();
    world.client.commit(&back.id).await.unwrap();
    let engine = world.client.engine();
    let early = problem(engine.delete_workspace(&workspace).await);
    assert_eq!(early.code, ErrorCode::HandoffActive);
    world.client.finalize(&back.id).await.unwrap();
    let stranger = world.online.client("somebody");
    let refused = problem(stranger.engine().delete_workspace(&workspace).await);
    assert_eq!(refused.code, ErrorCode::NotFound);
    assert_eq!(world.client.workspaces().await.unwrap().len(), 1);

    let vm = world.client.vms().await.unwrap().remove(0);
    world.client.delete_vm(&vm.id).await.unwrap();
    assert_eq!(
        world.client.workspaces().await.unwrap().len(),
        1,
        "it is on the desktop"
    );
    engine.delete_workspace(&workspace).await.unwrap();
    assert!(world.client.workspaces().await.unwrap().is_empty());
    let again = problem(engine.delete_workspace(&workspace).await);
    assert_eq!(again.code, ErrorCode::NotFound);
    let vms = world.client.vms().await.unwrap();
    assert!(vms.iter().all(|vm| vm.state != VmState::Running), "{vms:?}");
}

async fn the_mirror_shows_the_life_and_the_pull_request_that_the_vm_told(backend: Backend) {
    let (server, _engine) = world(backend).await;
    server.create_vm("test-user").await;
    let body = json!({"projectId": ProjectId::generate(), "name": "It"});
    let made = server.post("/api/workspaces?userId=test-user", body).await;
    let row = mirrored(&server).await.remove(0);
    assert_eq!(row["status"], json!(WorkspaceStatus::New));
    assert_eq!(row["pr"]["state"], "NONE");
    let path = format!("/api/workspaces/{}", made.body["id"].as_str().unwrap());
    let synced = server.post(&format!("{path}/pr/sync"), json!({})).await;
    assert_eq!(synced.status, 200);
    let row = mirrored(&server).await.remove(0);
    assert_eq!(
        (&row["pr"]["number"], &row["pr"]["state"], &row["status"]),
        (&json!(7), &json!("OPEN"), &json!("NEW"))
    );
    let shown = server.get(&path).await.body;
    assert_eq!(shown["pr"], row["pr"]);

    let moving = World::new(backend).await;
    let (desktop, workspace) = ids();
    moving.sent(&send(&desktop, &workspace, 0)).await;
    let there = moving.client.workspace(&workspace).await.unwrap();
    assert_eq!(there.status, Some(WorkspaceStatus::Ready));
}
