//! The one writer of journals: takes what waits, writes it in one transaction, then tells.
//!
//! A commit costs one flush of the disk, however much is in it, so the busier the journals are
//! the more each flush carries (group commit).

use std::collections::HashMap;
use std::sync::Arc;

use ff_protocol::WorkspaceId;
use ff_protocol::session::JournalEntry;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode,
    Statement, TransactionOptions, TransactionTrait, Value,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::feed::Feed;
use super::write::{Change, Draft, Write};
use super::{messages, requests, sessions, text};
use crate::clock;
use crate::error::{Error, Result};

/// Writes that wait; whoever brings more waits too.
const WAITING: usize = 1024;
/// Most writes of one transaction.
const BATCH: usize = 512;
/// Entries of one statement, largest first: few sizes, so that each stays prepared. SQLite takes
/// at most 32,766 values a statement; an entry has six.
const CHUNKS: [usize; 5] = [256, 64, 16, 4, 1];
/// An entry over this size is not held for watchers, in bytes.
const LARGE: usize = 64 * 1024;

type Entries = Vec<Arc<JournalEntry>>;

/// Hands writes to their writer. Cheap to clone; with the last one the writer ends.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    _task: Arc<JoinHandle<()>>,
}

#[derive(Debug)]
struct Job {
    write: Write,
    texts: Vec<String>,
    reply: oneshot::Sender<Result<Entries>>,
}

/// An entry that has its place and is not told of yet.
struct Placed {
    workspace: WorkspaceId,
    entry: Arc<JournalEntry>,
    large: bool,
}

impl Writer {
    pub(super) fn start(db: DatabaseConnection, feed: Feed) -> Self {
        let (jobs, waiting) = mpsc::channel(WAITING);
        let task = tokio::spawn(run(db, feed, waiting));
        Self {
            jobs,
            _task: Arc::new(task),
        }
    }

    /// Writes; on disk and told of when it returns. Dropping the future does not take it back.
    pub(super) async fn write(&self, write: Write) -> Result<Entries> {
        let texts = write.entries.iter().map(|draft| text::json(&draft.payload));
        let texts = texts.collect::<Result<Vec<_>>>()?;
        let (reply, written) = oneshot::channel();
        let job = Job {
            write,
            texts,
            reply,
        };
        self.jobs.send(job).await.map_err(|_| closed())?;
        written.await.map_err(|_| closed())?
    }
}

fn closed() -> Error {
    sea_orm::DbErr::Custom("the journal's writer has ended".to_owned()).into()
}

async fn run(db: DatabaseConnection, feed: Feed, mut waiting: mpsc::Receiver<Job>) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        match commit(&db, &batch).await {
            Ok(placed) => tell(&feed, batch.drain(..).zip(placed)),
            Err(error) if batch.len() == 1 => {
                for job in batch.drain(..) {
                    let _ = job.reply.send(Err(error_again(&error)));
                }
            }
            // One of them cannot be written; the others are not to suffer for it.
            Err(_) => {
                for job in batch.drain(..) {
                    match commit(&db, std::slice::from_ref(&job)).await {
                        Ok(placed) => tell(&feed, [job].into_iter().zip(placed)),
                        Err(error) => drop(job.reply.send(Err(error))),
                    }
                }
            }
        }
    }
}

/// Tells of what is on disk, in order: watchers first, then whoever wrote it.
fn tell(feed: &Feed, written: impl Iterator<Item = (Job, Vec<Placed>)>) {
    for (job, placed) in written {
        let mut entries = Vec::with_capacity(placed.len());
        for Placed {
            workspace,
            entry,
            large,
        } in placed
        {
            entries.push(Arc::clone(&entry));
            feed.entry(&workspace, entry, large);
        }
        for change in &job.write.changes {
            if let Change::Session(session) = change {
                feed.status(session);
            }
        }
        // Whoever wrote it may be gone; it stays written.
        let _ = job.reply.send(Ok(entries));
    }
}

async fn commit(db: &DatabaseConnection, jobs: &[Job]) -> Result<Vec<Vec<Placed>>> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let tx = db.begin_with_options(options).await?;
    let placed = place(&tx, jobs).await?;
    insert(&tx, jobs, &placed).await?;
    for (job, placed) in jobs.iter().zip(&placed) {
        for change in &job.write.changes {
            apply(&tx, change, placed).await?;
        }
    }
    tx.commit().await?;
    Ok(placed)
}

/// Gives each entry the next place in its workspace's journal.
async fn place(tx: &DatabaseTransaction, jobs: &[Job]) -> Result<Vec<Vec<Placed>>> {
    let mut lasts: HashMap<&WorkspaceId, i64> = HashMap::new();
    let mut all = Vec::with_capacity(jobs.len());
    let now = clock::now();
    for job in jobs {
        let mut placed = Vec::with_capacity(job.write.entries.len());
        for (draft, text) in job.write.entries.iter().zip(&job.texts) {
            let Draft {
                workspace,
                session,
                kind,
                payload,
            } = draft;
            let last = match lasts.get_mut(workspace) {
                Some(last) => last,
                None => {
                    let last = last_seq(tx, workspace).await?;
                    lasts.entry(workspace).or_insert(last)
                }
            };
            *last += 1;
            placed.push(Placed {
                workspace: workspace.clone(),
                entry: Arc::new(JournalEntry {
                    seq: last.unsigned_abs(),
                    session_id: session.clone(),
                    kind: *kind,
                    payload: payload.clone(),
                    created_at: now,
                }),
                large: text.len() > LARGE,
            });
        }
        all.push(placed);
    }
    Ok(all)
}

pub(super) async fn last_seq(tx: &DatabaseTransaction, workspace: &WorkspaceId) -> Result<i64> {
    let query = Statement::from_sql_and_values(
        DbBackend::Sqlite,
        "SELECT COALESCE(MAX(seq), 0) AS last FROM journal WHERE workspace_id = ?1",
        [workspace.as_str().into()],
    );
    let row = tx.query_one_raw(query).await?;
    let row = row.ok_or(sea_orm::DbErr::RecordNotFound(
        "the journal's end".to_owned(),
    ))?;
    Ok(row.try_get("", "last")?)
}

async fn insert(tx: &DatabaseTransaction, jobs: &[Job], placed: &[Vec<Placed>]) -> Result<()> {
    let texts = jobs.iter().flat_map(|job| &job.texts);
    let rows: Vec<_> = placed.iter().flatten().zip(texts).collect();
    let mut rest = rows.as_slice();
    for size in CHUNKS {
        while rest.len() >= size {
            let (chunk, more) = rest.split_at(size);
            insert_chunk(tx, chunk).await?;
            rest = more;
        }
    }
    Ok(())
}

async fn insert_chunk(tx: &DatabaseTransaction, rows: &[(&Placed, &String)]) -> Result<()> {
    let places = vec!["(?,?,?,?,?,?)"; rows.len()].join(",");
    let sql = format!(
        "INSERT INTO journal (workspace_id, seq, session_id, kind, payload, created_at) VALUES {places}"
    );
    let mut values: Vec<Value> = Vec::with_capacity(rows.len() * 6);
    for (placed, text) in rows {
        let entry = &placed.entry;
        values.push(placed.workspace.as_str().into());
        values.push(entry.seq.cast_signed().into());
        values.push(entry.session_id.as_str().into());
        values.push(text::name(&entry.kind)?.into());
        values.push(text.as_str().into());
        values.push(entry.created_at.into());
    }
    tx.execute_raw(Statement::from_sql_and_values(
        DbBackend::Sqlite,
        sql,
        values,
    ))
    .await?;
    Ok(())
}

async fn apply(tx: &DatabaseTransaction, change: &Change, placed: &[Placed]) -> Result<()> {
    match change {
        Change::Session(session) => sessions::update(tx, session).await,
        Change::Process(session, process) => {
            sessions::set_process(tx, session, process.as_ref()).await
        }
        Change::Enter { id, uuid } => match placed.first() {
            Some(Placed {
                workspace, entry, ..
            }) => messages::insert(tx, workspace, &entry.session_id, id, uuid, entry.seq).await,
            None => Err(sea_orm::DbErr::RecordNotInserted.into()),
        },
        Change::Message { uuid, state } => messages::set_state(tx, uuid, *state).await,
        Change::Rename { uuid, to } => messages::rename(tx, uuid, to).await,
        Change::Request(request) => requests::upsert(tx, request).await,
    }
}

/// The same error once more, for whoever waits for it.
fn error_again(error: &Error) -> Error {
    sea_orm::DbErr::Custom(error.to_string()).into()
}
