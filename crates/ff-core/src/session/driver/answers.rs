//! Requests of the CLI and their answers.

use ff_protocol::session::{Answer, EntryKind};
use ff_protocol::{ClientId, ErrorCode};

use super::super::decision::no_longer_open;
use super::super::permission::{Put, Taken, allowed_by, answer_entry, request_entry};
use super::super::process::Cli;
use super::super::protocol::{self, Decision, ToolUse};
use super::Driver;
use crate::error::{Error, Result};
use crate::store::{Change, RequestRecord, Write};

/// What the model is told when a decision came after its CLI had ended.
const DECIDED: &str = "You were interrupted while the user's decision was awaited. The user has \
    decided now. Go on with what you were doing; make the same call again if it is still needed.";

impl Driver {
    pub(super) async fn tool_asked(
        &mut self,
        cli: &Cli,
        cli_id: String,
        tool: ToolUse,
    ) -> Result<()> {
        if allowed_by(self.session.permissions, &tool) {
            let input = tool.input;
            cli.send(&protocol::decision(&cli_id, &Decision::Allow { input }));
            return Ok(());
        }
        match self.requests.put(&self.session, cli_id.clone(), tool) {
            Put::ToUser(record) => {
                let entry = request_entry(&record);
                self.reckon();
                let write = self.of_request(EntryKind::Request, entry, record);
                self.write_with_row(write).await?;
            }
            Put::Answered(record, decision) => {
                self.write(Write::default().and(Change::Request(Box::new(record))))
                    .await?;
                cli.send(&protocol::decision(&cli_id, &decision));
            }
        }
        Ok(())
    }

    /// Takes the one answer of a request.
    pub(super) async fn answer(&mut self, cli: Option<&Cli>, answer: Answer) -> Result<()> {
        match self.requests.answer(&answer)? {
            None => self.repeated(&answer).await,
            Some(Taken::Now(record, cli_id, decision)) => {
                let entry = answer_entry(&record);
                self.reckon();
                let write = self.of_request(EntryKind::Answer, entry, record.clone());
                // Recorded first: an answer that reached the CLI is never missing from the journal.
                let recorded = self.write_with_row(write).await;
                let sent = cli.is_some_and(|cli| cli.send(&protocol::decision(&cli_id, &decision)));
                recorded?;
                if sent {
                    Ok(())
                } else {
                    Err(no_longer_open(&record))
                }
            }
            Some(Taken::Carried(record)) => {
                self.check_open()?;
                let entry = answer_entry(&record);
                let write = self.of_request(EntryKind::Answer, entry, record);
                self.write(write).await?;
                self.enter(&ClientId::generate(), DECIDED.to_owned(), true)
                    .await
            }
        }
    }

    /// The same answer again is fine; another one is told who was first.
    async fn repeated(&self, answer: &Answer) -> Result<()> {
        let id = &answer.request_id;
        match self.shared.store.request(&self.session.id, id).await? {
            Some(record) => is_repeated(&record, answer),
            None => Err(unknown(id)),
        }
    }

    /// The CLI took a request back.
    pub(super) async fn request_cancelled(&mut self, cli_id: &str) -> Result<()> {
        let Some(record) = self.requests.cancel(cli_id) else {
            return Ok(());
        };
        let entry = answer_entry(&record);
        self.reckon();
        let write = self.of_request(EntryKind::Answer, entry, record);
        self.write_with_row(write).await.map(drop)
    }

    fn of_request(
        &self,
        kind: EntryKind,
        entry: serde_json::Value,
        record: RequestRecord,
    ) -> Write {
        Write::entry(&self.session, kind, entry).and(Change::Request(Box::new(record)))
    }
}

/// Whether an answer to a request that takes none any more is the one it got.
///
/// # Errors
/// `conflict`, with who answered.
pub(in crate::session) fn is_repeated(record: &RequestRecord, answer: &Answer) -> Result<()> {
    let first = record.answer.as_ref();
    let same = first.is_some_and(|first| first.id.is_some() && first.id == answer.id);
    if same {
        Ok(())
    } else {
        Err(no_longer_open(record))
    }
}

/// There was no such request.
pub(in crate::session) fn unknown(id: &ff_protocol::RequestId) -> Error {
    let detail = format!("there is no request {id} in this session");
    Error::refused(ErrorCode::NotFound, detail)
}
