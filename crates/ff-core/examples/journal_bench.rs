//! How fast a journal takes entries, and how soon its watchers hear of them.
//!
//! ```text
//! journal_bench [DIRECTORY] [SECONDS]
//! ```
//!
//! Writers bring entries like those of a busy CLI, each after its last one is on disk
//! (`synchronous=FULL`); watchers are told after the commit. The delay is from the call until the
//! watcher has the entry. The whole process, SQLite's thread included, keeps to one core when it
//! is started with `taskset -c 0`.

#![expect(clippy::print_stdout, reason = "it reports to whoever runs it")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ff_core::session::Event;
use ff_core::store::Store;
use ff_protocol::project::Project;
use ff_protocol::session::EntryKind;
use ff_protocol::workspace::{Owner, Workspace, WorkspaceStatus};
use ff_protocol::{ProjectId, SessionId, WorkspaceId};
use serde_json::{Value, json};

const WORKSPACES: usize = 5;
const WRITERS: usize = 128;
const RUNS: usize = 5;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = args.next().map_or(Ok(3), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    println!(
        "writers {WRITERS}, workspaces {WORKSPACES}, one watcher each, synchronous=FULL, in {}",
        dir.display()
    );
    println!(
        "{:>12} {:>10} {:>10} {:>10} {:>10}",
        "entries/s", "entries", "p50 ms", "p99 ms", "max ms"
    );
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        let rate = runtime.block_on(run(&dir, Duration::from_secs(seconds)))?;
        rates.push(rate);
    }
    rates.sort_by(f64::total_cmp);
    println!(
        "median {:.0} entries/s (from {:.0} to {:.0})",
        rates[RUNS / 2],
        rates[0],
        rates[RUNS - 1]
    );
    Ok(())
}

async fn run(dir: &std::path::Path, length: Duration) -> Result<f64> {
    let dir = tempfile::tempdir_in(dir)?;
    let store = Store::open(&dir.path().join("core.db")).await?;
    let workspaces = workspaces(&store).await?;
    let over = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let watchers: Vec<_> = workspaces
        .iter()
        .map(|id| tokio::spawn(watch(store.clone(), id.clone(), begun)))
        .collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| {
            let (store, over) = (store.clone(), Arc::clone(&over));
            tokio::spawn(write(
                store,
                workspaces[n % WORKSPACES].clone(),
                over,
                begun,
            ))
        })
        .collect();
    tokio::time::sleep(length).await;
    over.store(true, Ordering::Relaxed);
    let mut written = 0;
    for writer in writers {
        written += writer.await??;
    }
    let took = begun.elapsed();
    for id in &workspaces {
        let last = (SessionId::generate(), json!({ "last": true }));
        store.append(id, &last.0, EntryKind::Status, last.1).await?;
    }
    let mut delays = Vec::new();
    for watcher in watchers {
        delays.extend(watcher.await??);
    }
    ensure!(
        delays.len() == written,
        "{} of {written} entries were told of",
        delays.len()
    );
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize];
    let rate = written as f64 / took.as_secs_f64();
    println!(
        "{rate:>12.0} {written:>10} {:>10.2} {:>10.2} {:>10.2}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    Ok(rate)
}

async fn write(
    store: Store,
    workspace: WorkspaceId,
    over: Arc<AtomicBool>,
    begun: Instant,
) -> Result<usize> {
    let session = SessionId::generate();
    let mut written = 0;
    while !over.load(Ordering::Relaxed) {
        let payload = line(begun.elapsed().as_nanos() as u64);
        store
            .append(&workspace, &session, EntryKind::ClaudeMessage, payload)
            .await?;
        written += 1;
    }
    Ok(written)
}

/// Milliseconds from each entry's call until it was heard of here; `seq` without a gap.
async fn watch(store: Store, workspace: WorkspaceId, begun: Instant) -> Result<Vec<f64>> {
    let mut watch = store.feed().watch(&workspace);
    let (mut delays, mut last) = (Vec::new(), 0);
    loop {
        let event = watch
            .events
            .recv()
            .await
            .context("the watcher fell behind")?;
        let Event::Entry(entry) = event else { continue };
        ensure!(entry.seq == last + 1, "{} came after {last}", entry.seq);
        last = entry.seq;
        if entry.payload["last"] == true {
            return Ok(delays);
        }
        let at = entry.payload["at"]
            .as_u64()
            .context("an entry without its time")?;
        delays.push((begun.elapsed().as_nanos() as u64).saturating_sub(at) as f64 / 1e6);
    }
}

/// A line as the CLI writes it, some 600 bytes.
fn line(at: u64) -> Value {
    json!({
        "type": "assistant",
        "at": at,
        "message": {
            "id": "msg_0123456789abcdef01234567", "type": "message", "role": "assistant", "model": "some-model",
            "content": [{ "type": "text", "text": "The tests pass now. ".repeat(12) }],
            "stop_reason": null,
            "usage": { "input_tokens": 100, "output_tokens": 25, "cache_read_input_tokens": 4000 },
        },
        "parent_tool_use_id": null,
        "session_id": "5b2a4f0e-8a51-4c0e-9f5d-0d2f7f2b8f10",
        "uuid": "1b33a755-0c3e-4a38-9b0a-6d7a2f9d4c11",
    })
}

async fn workspaces(store: &Store) -> Result<Vec<WorkspaceId>> {
    let now = chrono::Utc::now();
    let project = Project {
        id: ProjectId::generate(),
        name: "bench".into(),
        slug: "bench".into(),
        repo_path: "/nowhere".into(),
        worktree_base_path: "/nowhere".into(),
        default_branch: "main".into(),
        github_owner: None,
        github_repo: None,
        is_archived: false,
        issue_provider: Default::default(),
        startup: Default::default(),
        created_at: now,
        updated_at: now,
    };
    store.insert_project(&project).await?;
    let mut ids = Vec::new();
    for _ in 0..WORKSPACES {
        let workspace = Workspace {
            status: WorkspaceStatus::Ready,
            ..Workspace::new(project.id.clone(), "bench", Owner::Cloud, now)
        };
        store.insert_workspace(&workspace).await?;
        ids.push(workspace.id);
    }
    Ok(ids)
}
