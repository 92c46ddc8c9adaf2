//! What was said in the original can be read here.

use ff_protocol::session::{EntryKind, JournalEntry, Session};
use serde_json::{Value, json};

use crate::database::change;
use crate::world::{CONVERSATION, SESSION, TRANSCRIPT, WORKSPACE, World, backup};

async fn session(world: &World, id: &str) -> (Session, Vec<JournalEntry>) {
    let (workspace, id) = (WORKSPACE.parse().unwrap(), id.parse().unwrap());
    let store = world.core.store();
    let session = store.session(&workspace, &id).await.unwrap().unwrap();
    let entries = store.entries(&workspace, Some(&id), 0, 1000).await.unwrap();
    (session, entries)
}

fn keep(world: &World, directory: &str, text: &str) {
    let dir = world.path("home/.claude/projects").join(directory);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join(format!("{CONVERSATION}.jsonl")), text).unwrap();
}

#[tokio::test]
async fn a_transcript_of_the_real_cli_is_a_closed_session_with_its_messages() {
    let world = World::new().await;
    // As the CLI names the directory of the worktree.
    let directory = format!("-home-user-factory-factory-worktrees-demo-repo-workspace-{WORKSPACE}");
    keep(&world, &directory, TRANSCRIPT);
    let report = world.import(&backup()).await.unwrap();
    assert_eq!(report.messages, 7);
    let (session, entries) = session(&world, SESSION).await;
    assert_eq!(session.closed_at, Some(session.updated_at));
    assert_eq!(session.provider_session_id, CONVERSATION);
    let kinds: Vec<_> = entries.iter().map(|entry| entry.kind).collect();
    use EntryKind::{ClaudeMessage, UserMessage};
    assert_eq!(
        kinds,
        [
            UserMessage,
            ClaudeMessage,
            UserMessage,
            ClaudeMessage,
            ClaudeMessage,
            ClaudeMessage,
            ClaudeMessage
        ]
    );
    let seqs: Vec<_> = entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, (1..=entries.len() as u64).collect::<Vec<_>>());
    assert_eq!(entries[0].text(), "Say hello");
    assert!(entries[1].text().starts_with("echo: Say hello"));
    let last = entries.last().unwrap();
    assert_eq!(last.text(), "tool said (error=False): hi");
    let tools: Vec<_> = entries
        .iter()
        .filter_map(|entry| entry.payload["tool_use_result"]["stdout"].as_str())
        .collect();
    assert_eq!(tools, ["hi"]);
}

#[tokio::test]
async fn what_was_said_since_is_added_once() {
    let world = World::new().await;
    let lines: Vec<&str> = TRANSCRIPT.lines().collect();
    let half = lines
        .iter()
        .position(|line| line.contains("TOOL Bash") && line.contains("enqueue"))
        .unwrap();
    keep(&world, "-somewhere", &lines[..half].join("\n"));
    assert_eq!(world.import(&backup()).await.unwrap().messages, 2);
    keep(&world, "-somewhere", TRANSCRIPT);
    let report = world.import(&backup()).await.unwrap();
    assert_eq!((report.messages, report.agent_sessions.updated), (5, 1));
    assert_eq!(world.import(&backup()).await.unwrap().messages, 0);
    let (_, entries) = session(&world, SESSION).await;
    assert_eq!(entries.len(), 7);
    assert_eq!(
        entries.last().unwrap().text(),
        "tool said (error=False): hi"
    );
}

#[tokio::test]
async fn sessions_of_a_workspace_are_told_in_the_order_they_were_had() {
    let world = World::new().await;
    let line = |second: u32, text: &str, id: &str| {
        json!({
            "type": "user", "uuid": format!("{id}-{second}"), "sessionId": id,
            "timestamp": format!("2026-11-22T12:00:{second:02}.000Z"),
            "message": {"role": "user", "content": text},
        })
        .to_string()
    };
    let dir = world.path("home/.claude/projects/-x");
    std::fs::create_dir_all(&dir).unwrap();
    let first = [line(1, "a", "one"), line(5, "c", "one")].join("\n");
    std::fs::write(dir.join("one.jsonl"), first).unwrap();
    std::fs::write(dir.join("two.jsonl"), line(3, "b", "two")).unwrap();
    let mut source = backup();
    source["data"]["agentSessions"][0]["providerSessionId"] = json!("one");
    source["data"]["agentSessions"][1]["providerSessionId"] = json!("two");
    world.import(&source).await.unwrap();
    let store = world.core.store();
    let entries = store
        .entries(&WORKSPACE.parse().unwrap(), None, 0, 10)
        .await
        .unwrap();
    let said: Vec<_> = entries
        .iter()
        .map(|entry| (entry.seq, entry.text()))
        .collect();
    assert_eq!(
        said,
        [
            (1, "a".to_owned()),
            (2, "b".to_owned()),
            (3, "c".to_owned())
        ]
    );
}

#[tokio::test]
async fn a_conversation_id_that_is_a_path_finds_nothing() {
    let world = World::new().await;
    std::fs::create_dir_all(world.path("home/.claude/projects/-x")).unwrap();
    std::fs::write(world.path("home/.claude/secret.jsonl"), TRANSCRIPT).unwrap();
    let mut source = backup();
    source["data"]["agentSessions"][0]["providerSessionId"] = json!("../../secret");
    assert_eq!(world.import(&source).await.unwrap().messages, 0);
}

#[tokio::test]
async fn sessions_the_original_closed_come_with_their_files_and_leave_no_trace_in_an_export() {
    let world = World::new().await;
    let (repo, base, worktree) = world.repository();
    let database = world.database();
    let file = ".context/closed-sessions/s-9_2026.json";
    std::fs::create_dir_all(format!("{worktree}/.context/closed-sessions")).unwrap();
    let at = "2026-11-22T11:30:00.000Z";
    let messages = json!([
        {"id": "m", "source": "user", "text": "fix it", "timestamp": at, "order": 0},
        {"id": "s-9-1", "source": "agent", "timestamp": at, "order": 1,
         "message": {"type": "assistant", "message": {"content": [{"type": "text", "text": "fixed"}]}}},
    ]);
    let closed = json!({"version": 1, "sessionId": "s-9", "messages": messages});
    std::fs::write(format!("{worktree}/{file}"), closed.to_string()).unwrap();
    let insert = |id: &str, path: &str| {
        format!(
            "INSERT INTO ClosedSession VALUES ('{id}', '{WORKSPACE}', '{id}', 'Ratchet', 'ratchet', 'CLAUDE', \
             'sonnet', '{path}', '2026-11-22T11:29:00.000+00:00', '2026-11-22T11:31:00.000+00:00')"
        )
    };
    let project = format!("UPDATE Project SET repoPath = '{repo}', worktreeBasePath = '{base}'");
    let workspace =
        format!("UPDATE Workspace SET worktreePath = '{worktree}' WHERE id = '{WORKSPACE}'");
    let (inside, outside) = (insert("s-9", file), insert("s-8", "../../../etc/passwd"));
    change(
        &database,
        &[(&project, 1), (&workspace, 1), (&inside, 1), (&outside, 1)],
    )
    .await;
    let report = world.core.import_database(&database).await.unwrap();
    assert_eq!((report.closed_sessions.imported, report.messages), (2, 2));
    let (session, entries) = session(&world, "s-9").await;
    assert!(session.closed_at.is_some());
    let texts: Vec<_> = entries.iter().map(JournalEntry::text).collect();
    assert_eq!(texts, ["fix it", "fixed"]);
    let exported = world.export().await;
    let ids: Vec<&Value> = exported["data"]["agentSessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["id"])
        .collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
}
