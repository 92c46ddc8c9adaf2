//! Changes of status in the store: each pair, the budget of retries, two writers at once.

use ff_protocol::workspace::WorkspaceStatus::{
    self, Archived, Archiving, Failed, New, Provisioning, Ready,
};
use ff_protocol::workspace::{Owner, Workspace};
use ff_protocol::{DesktopId, ErrorCode, HandoffId, WorkspaceId};

use crate::clock;
use crate::store::{HandoffRecord, Role, Store, Writes, tests::project};
use crate::workspace::state::{MAX_RETRIES, rule};

const ALL: [WorkspaceStatus; 6] = [New, Provisioning, Ready, Failed, Archiving, Archived];

struct Scene {
    store: Store,
    dir: tempfile::TempDir,
    owner: Owner,
    project: ff_protocol::ProjectId,
}

impl Scene {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("core.db")).await.unwrap();
        let project = project();
        store.insert_project(&project).await.unwrap();
        Self {
            store,
            dir,
            owner: Owner::Desktop(DesktopId::generate()),
            project: project.id,
        }
    }

    async fn with(&self, status: WorkspaceStatus) -> WorkspaceId {
        let workspace = Workspace {
            status,
            ..Workspace::new(self.project.clone(), "w", self.owner.clone(), clock::now())
        };
        self.store.insert_workspace(&workspace).await.unwrap();
        workspace.id
    }

    async fn go(
        &self,
        id: &WorkspaceId,
        from: WorkspaceStatus,
        to: WorkspaceStatus,
    ) -> crate::Result<crate::store::Moved> {
        let writes = Writes {
            error_message: Some("why".into()),
            ..Writes::default()
        };
        self.store
            .transition(id, &self.owner, (from, to), writes)
            .await
    }
}

#[tokio::test]
async fn every_pair_is_made_or_refused_as_the_table_says() {
    let scene = Scene::new().await;
    let (mut made, mut refused) = (0, 0);
    for from in ALL {
        for to in ALL {
            let id = scene.with(from).await;
            let went = scene.go(&id, from, to).await;
            let now = scene.store.known_workspace(&id).await.unwrap();
            match rule(from, to) {
                Some(rule) => {
                    let moved = went.unwrap();
                    assert_eq!((moved.from, moved.workspace.status), (from, to));
                    assert_eq!(now.init.retry_count, i64::from(rule.retry));
                    let archives = from == Archiving || to == Archiving;
                    let touched = now.init.started_at.is_some() || now.init.completed_at.is_some();
                    assert_eq!(touched, !archives && to != New, "{from:?} to {to:?}");
                    let ended = from == Provisioning;
                    assert_eq!(
                        now.init.error_message.is_some(),
                        ended,
                        "{from:?} to {to:?}"
                    );
                    made += 1;
                }
                None => {
                    let error = went.unwrap_err();
                    assert_eq!(error.code(), ErrorCode::Conflict, "{from:?} to {to:?}");
                    assert!(error.to_string().contains(id.as_str()), "{error}");
                    assert_eq!(now.status, from);
                    refused += 1;
                }
            }
        }
    }
    println!("{made} made, {refused} refused");
    assert_eq!((made, refused), (11, 25));
}

#[tokio::test]
async fn a_change_from_another_status_is_told_as_concurrent() {
    let scene = Scene::new().await;
    for actual in ALL {
        for from in ALL.into_iter().filter(|from| *from != actual) {
            let Some(to) = ALL.into_iter().find(|to| rule(from, *to).is_some()) else {
                assert_eq!(from, Archived);
                continue;
            };
            let id = scene.with(actual).await;
            let error = scene.go(&id, from, to).await.unwrap_err();
            assert!(
                error.to_string().contains("changed concurrently"),
                "{error}"
            );
            let now = scene.store.known_workspace(&id).await.unwrap();
            assert_eq!(now.status, actual);
        }
    }
}

#[tokio::test]
async fn a_workspace_is_tried_again_three_times() {
    let scene = Scene::new().await;
    let id = scene.with(Failed).await;
    for n in 1..=MAX_RETRIES {
        let way = [(Failed, New), (Failed, Provisioning)][usize::try_from(n % 2).unwrap()];
        let moved = scene.go(&id, way.0, way.1).await.unwrap();
        assert_eq!(moved.workspace.init.retry_count, n);
        if way.1 == New {
            scene.go(&id, New, Provisioning).await.unwrap();
        }
        scene.go(&id, Provisioning, Failed).await.unwrap();
    }
    for to in [New, Provisioning] {
        let error = scene.go(&id, Failed, to).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::LimitReached, "{error}");
        assert_eq!(error.problem().status, 429);
    }
    assert_eq!(
        scene.store.known_workspace(&id).await.unwrap().status,
        Failed
    );
    scene.go(&id, Failed, Archiving).await.unwrap();
}

/// Two stores on one file are two processes: neither sees the other's connection.
#[tokio::test]
async fn of_two_writers_one_wins_and_the_other_is_told() {
    let scene = Scene::new().await;
    let other = Store::open(&scene.dir.path().join("core.db"))
        .await
        .unwrap();
    let (mut first, mut second) = (0, 0);
    for _ in 0..20 {
        let id = scene.with(Ready).await;
        let go = |store: &Store, to| {
            let (store, id, owner) = (store.clone(), id.clone(), scene.owner.clone());
            tokio::spawn(async move {
                let way = (Ready, to);
                store.transition(&id, &owner, way, Writes::default()).await
            })
        };
        let (one, two) = tokio::join!(go(&scene.store, Archiving), go(&other, Provisioning));
        let (one, two) = (one.unwrap(), two.unwrap());
        let now = scene.store.known_workspace(&id).await.unwrap();
        let lost = match (one, two) {
            (Ok(_), Err(lost)) => {
                assert_eq!((now.status, now.init.retry_count), (Archiving, 0));
                first += 1;
                lost
            }
            (Err(lost), Ok(_)) => {
                assert_eq!((now.status, now.init.retry_count), (Provisioning, 1));
                second += 1;
                lost
            }
            (one, two) => panic!("{one:?} and {two:?}"),
        };
        assert!(lost.to_string().contains("changed concurrently"), "{lost}");
    }
    println!("{first} times the one, {second} times the other");
}

#[tokio::test]
async fn the_last_retry_is_had_by_one_of_two() {
    let scene = Scene::new().await;
    let id = scene.with(Failed).await;
    for _ in 1..MAX_RETRIES {
        scene.go(&id, Failed, Provisioning).await.unwrap();
        scene.go(&id, Provisioning, Failed).await.unwrap();
    }
    let (one, two) = tokio::join!(
        scene.go(&id, Failed, Provisioning),
        scene.go(&id, Failed, Provisioning)
    );
    assert!(one.is_ok() != two.is_ok());
    let now = scene.store.known_workspace(&id).await.unwrap();
    assert_eq!(now.init.retry_count, MAX_RETRIES);
}

#[tokio::test]
async fn what_is_not_ours_or_moves_does_not_change_and_does_not_leave() {
    let scene = Scene::new().await;
    let id = scene.with(Ready).await;
    let stranger = Owner::Cloud;
    let way = (Ready, Archiving);
    let error = scene
        .store
        .transition(&id, &stranger, way, Writes::default())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotOwner);
    let begin = async |id: &WorkspaceId| {
        let record = HandoffRecord {
            id: HandoffId::generate(),
            workspace_id: id.clone(),
            project_id: scene.project.clone(),
            role: Role::Sender,
            epoch: 2,
            manifest: None,
            committed: None,
        };
        scene.store.begin_handoff(&record, &scene.owner, 1).await
    };
    assert!(begin(&id).await.unwrap());
    let error = scene.go(&id, Ready, Archiving).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::HandoffActive);
    for status in ALL.into_iter().filter(|status| *status != Ready) {
        let id = scene.with(status).await;
        assert!(!begin(&id).await.unwrap(), "{status:?} left");
    }
}
