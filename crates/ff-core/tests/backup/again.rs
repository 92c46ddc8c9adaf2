use ff_core::backup::report::Counts;
use ff_protocol::ErrorCode;
use serde_json::{Value, json};

use crate::world::{CONVERSATION, TRANSCRIPT, WORKSPACE, World, backup};

const SAME: Counts = Counts {
    imported: 0,
    updated: 0,
    skipped: 1,
};
const NEWER: Counts = Counts {
    imported: 0,
    updated: 1,
    skipped: 0,
};

#[tokio::test]
async fn the_same_again_changes_nothing() {
    let world = World::new().await;
    keep_transcript(&world, TRANSCRIPT);
    let first = world.import(&backup()).await.unwrap();
    assert_eq!(first.messages, 7);
    let before = world.export().await["data"].clone();
    for _ in 0..2 {
        let again = world.import(&backup()).await.unwrap();
        assert_eq!((again.projects, again.workspaces), (SAME, SAME));
        assert_eq!(
            (
                again.agent_sessions.skipped,
                again.terminal_sessions.skipped
            ),
            (2, 2)
        );
        assert_eq!((again.user_settings, again.messages), (SAME, 0));
        assert_eq!(world.export().await["data"], before);
    }
}

fn keep_transcript(world: &World, text: &str) {
    let dir = world.path("home/.claude/projects/-anywhere");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join(format!("{CONVERSATION}.jsonl")), text).unwrap();
}

#[tokio::test]
async fn what_is_newer_there_is_updated_and_nothing_else() {
    let world = World::new().await;
    world.import(&backup()).await.unwrap();
    let mut newer = backup();
    newer["meta"]["exportedAt"] = json!("2026-11-23T00:00:00.000Z");
    newer["data"]["userSettings"]["preferredIde"] = json!("zed");
    for (list, field, value) in [
        ("projects", "name", "Renamed"),
        ("workspaces", "name", "Renamed too"),
        ("agentSessions", "name", "Chat 2"),
        ("terminalSessions", "name", "t"),
    ] {
        newer["data"][list][0][field] = json!(value);
        newer["data"][list][0]["updatedAt"] = json!("2026-11-23T00:00:00.000Z");
    }
    let report = world.import(&newer).await.unwrap();
    assert_eq!((report.projects, report.workspaces), (NEWER, NEWER));
    assert_eq!(
        (report.agent_sessions.updated, report.agent_sessions.skipped),
        (1, 1)
    );
    assert_eq!(
        (report.terminal_sessions.updated, report.user_settings),
        (1, NEWER)
    );
    let exported = world.export().await;
    let data = &exported["data"];
    assert_eq!(data["projects"][0]["name"], "Renamed");
    assert_eq!(data["workspaces"][0]["name"], "Renamed too");
    assert_eq!(data["agentSessions"][0]["name"], "Chat 2");
    assert_eq!(data["terminalSessions"][0]["name"], "t");
    assert_eq!(data["userSettings"]["preferredIde"], "zed");

    let older = world.import(&backup()).await.unwrap();
    assert_eq!(
        (older.projects, older.workspaces, older.user_settings),
        (SAME, SAME, SAME)
    );
    assert_eq!(world.export().await["data"], *data);
}

#[tokio::test]
async fn a_pull_request_that_was_read_later_there_counts_as_newer() {
    let world = World::new().await;
    world.import(&backup()).await.unwrap();
    let mut newer = backup();
    newer["data"]["workspaces"][0]["prCiStatus"] = json!("SUCCESS");
    newer["data"]["workspaces"][0]["prUpdatedAt"] = json!("2026-11-23T00:00:00.000Z");
    assert_eq!(world.import(&newer).await.unwrap().workspaces, NEWER);
    assert_eq!(
        world.export().await["data"]["workspaces"][0]["prCiStatus"],
        "SUCCESS"
    );
}

#[tokio::test]
async fn paths_that_turn_up_later_are_taken_then() {
    let world = World::new().await;
    let mut source = backup();
    let at = |name: &str| json!(world.text(name));
    source["data"]["projects"][0]["repoPath"] = at("repo");
    source["data"]["projects"][0]["worktreeBasePath"] = at("theirs");
    let worktree = format!("theirs/workspace-{WORKSPACE}");
    source["data"]["workspaces"][0]["worktreePath"] = at(&worktree);
    let report = world.import(&source).await.unwrap();
    assert_eq!(report.notes.len(), 2);
    assert_eq!(
        world.export().await["data"]["workspaces"][0]["worktreePath"],
        Value::Null
    );
    world.repository();
    let report = world.import(&source).await.unwrap();
    assert_eq!((report.projects, report.workspaces), (NEWER, NEWER));
    let exported = world.export().await;
    assert_eq!(
        exported["data"]["workspaces"][0]["worktreePath"],
        at(&worktree)
    );
    assert_eq!(exported["data"]["projects"][0]["repoPath"], at("repo"));
}

#[tokio::test]
async fn a_short_name_that_is_taken_is_told() {
    let world = World::new().await;
    world.import(&backup()).await.unwrap();
    let mut other = backup();
    other["data"]["projects"][0]["id"] = json!("other");
    other["data"]["workspaces"] = json!([]);
    let report = world.import(&other).await.unwrap();
    assert_eq!(report.projects.imported, 1);
    assert!(
        report
            .notes
            .iter()
            .any(|n| n.text.contains("it is demo-repo-2 now")),
        "{:?}",
        report.notes
    );
    let exported = world.export().await;
    let slugs: Vec<_> = exported["data"]["projects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["slug"])
        .collect();
    assert_eq!(slugs, ["demo-repo", "demo-repo-2"]);
}

#[tokio::test]
async fn records_without_a_home_are_left_out_and_told() {
    let world = World::new().await;
    let mut source = backup();
    let workspaces = source["data"]["workspaces"].as_array_mut().unwrap();
    let mut child = workspaces[0].clone();
    child["id"] = json!("child");
    child["parentWorkspaceId"] = json!("nobody");
    let mut orphan = workspaces[0].clone();
    orphan["id"] = json!("orphan");
    orphan["projectId"] = json!("nothing");
    workspaces.extend([child, orphan]);
    source["data"]["agentSessions"][1]["workspaceId"] = json!("orphan");
    source["data"]["terminalSessions"][1]["workspaceId"] = json!("unheard-of");
    let report = world.import(&source).await.unwrap();
    assert_eq!(
        (report.workspaces.imported, report.workspaces.skipped),
        (1, 2)
    );
    assert_eq!(
        (
            report.agent_sessions.imported,
            report.agent_sessions.skipped
        ),
        (1, 1)
    );
    assert_eq!(
        (
            report.terminal_sessions.imported,
            report.terminal_sessions.skipped
        ),
        (1, 1)
    );
    let notes = format!("{:?}", report.notes);
    for words in [
        "project nothing is missing",
        "parent workspace nobody is missing",
        "workspace orphan was left out",
    ] {
        assert!(notes.contains(words), "no {words:?} in {notes}");
    }
}

#[tokio::test]
async fn one_bad_record_keeps_everything_out() {
    let world = World::new().await;
    for (list, field, value) in [
        ("agentSessions", "id", json!("../x")),
        ("workspaces", "branchName", json!("--upload-pack=x")),
        ("workspaces", "name", json!("\u{1b}[2J")),
        ("workspaces", "status", json!("SLEEPING")),
        ("projects", "slug", json!("../../etc")),
        ("projects", "createdAt", json!("yesterday")),
        ("terminalSessions", "pid", json!("x")),
    ] {
        let mut source = backup();
        source["data"][list][0][field] = value.clone();
        let error = world.import(&source).await.unwrap_err();
        assert_eq!(
            error.code(),
            ErrorCode::Invalid,
            "{list}.{field} {value}: {error}"
        );
        let exported = world.export().await;
        assert_eq!(exported["data"]["projects"], json!([]), "{list}.{field}");
        assert_eq!(exported["data"]["userSettings"], Value::Null);
    }
}

#[tokio::test]
async fn what_the_original_does_not_own_is_left_alone() {
    let world = World::new().await;
    world.import(&backup()).await.unwrap();
    // As after a move to the cloud.
    let rows = [("UPDATE workspaces SET owner = 'cloud', epoch = 2", 1)];
    crate::database::change(&world.path("data/core.db"), &rows).await;
    let mut newer = backup();
    newer["data"]["workspaces"][0]["name"] = json!("Renamed");
    newer["data"]["workspaces"][0]["updatedAt"] = json!("2026-11-23T00:00:00.000Z");
    let report = world.import(&newer).await.unwrap();
    assert_eq!(report.workspaces, SAME);
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.text.contains("it has been moved"))
    );
    assert_eq!(report.agent_sessions.skipped, 2);
}
