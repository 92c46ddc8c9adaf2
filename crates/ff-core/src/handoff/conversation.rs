//! What belongs to the conversations of a workspace beside journal and transcripts: messages that
//! wait, requests of the CLI, what an import said of sessions. One item a line.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};

use ff_protocol::handoff::{Manifest, Part};
use ff_protocol::session::RequestState;
use ff_protocol::{SessionId, WorkspaceId};

use super::arrival::{LONGEST_LINE, invalid};
use super::spool::Spool;
use crate::core::Core;
use crate::error::{Error, IoContext, Result};
use crate::session::check_word;
use crate::session::transcript::is_conversation_id;
use crate::store::Item;

/// Name of the part.
pub(super) const CONVERSATION: &str = "conversation.jsonl";
/// Largest part of this kind, in bytes; it is held in memory while it is written.
pub(super) const LARGEST: u64 = 256 << 20;

impl Core {
    /// Spools what belongs to the conversations of a workspace; `None` when there is nothing.
    pub(super) async fn spool_conversation(
        &self,
        spool: &Spool,
        id: &WorkspaceId,
    ) -> Result<Option<Part>> {
        let items = self.store().conversation(id).await?;
        if items.is_empty() {
            return Ok(None);
        }
        let scratch = spool.scratch(&format!("{CONVERSATION}-{}", uuid::Uuid::new_v4()));
        let what = || "cannot write the conversation".to_owned();
        let file = std::fs::File::create(&scratch).context(what)?;
        let mut file = std::io::BufWriter::new(file);
        for item in &items {
            serde_json::to_writer(&mut file, item).map_err(|source| Error::Data {
                what: "a part of a conversation".to_owned(),
                source,
            })?;
            file.write_all(b"\n").context(what)?;
        }
        file.flush().context(what)?;
        spool.store_scratch(&scratch, CONVERSATION).await.map(Some)
    }

    /// Reads what belongs to the conversations of a workspace that arrives, item by item.
    ///
    /// # Errors
    /// `invalid` for what is not of its sessions, or is another workspace's here.
    pub(super) async fn read_conversation(
        &self,
        spool: &Spool,
        manifest: &Manifest,
        entries: u64,
    ) -> Result<Vec<Item>> {
        let Some(part) = manifest.parts.iter().find(|it| it.name == CONVERSATION) else {
            return Ok(Vec::new());
        };
        let mut items = read(spool, part)?;
        let known: HashSet<&SessionId> = manifest.sessions.iter().map(|it| &it.id).collect();
        for (item, number) in items.iter_mut().zip(1..) {
            let fits = match item {
                Item::Message(row) => {
                    known.contains(&row.session)
                        && (1..=entries).contains(&row.seq)
                        && is_conversation_id(&row.uuid)
                }
                Item::Request(request) => {
                    // Its CLI stayed behind.
                    if request.state == RequestState::Open {
                        request.state = RequestState::Orphaned;
                    }
                    let here = self.store().workspace_of_request(&request.id).await?;
                    known.contains(&request.session)
                        && request.workspace == manifest.workspace.id
                        && here.is_none_or(|here| here == request.workspace)
                }
                Item::Origin(row) => {
                    check_word("provider", Some(&row.provider))?;
                    known.contains(&row.session) && matches!(&*row.kind, "AGENT" | "CLOSED")
                }
                Item::Terminal(row) => {
                    let here = self.store().workspace_of_terminal_row(&row.id).await?;
                    here.is_none_or(|here| here == manifest.workspace.id)
                }
                Item::InitOutput(_) => true,
            };
            if !fits {
                return Err(invalid(&format!(
                    "item {number} of its conversations is out of place"
                )));
            }
        }
        Ok(items)
    }
}

fn read(spool: &Spool, part: &Part) -> Result<Vec<Item>> {
    let what = || "cannot read the conversation".to_owned();
    let file = std::fs::File::open(spool.part(&part.sha256)?).context(what)?;
    let mut reader = BufReader::new(file);
    let (mut items, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        let read = reader
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line);
        if read.context(what)? == 0 {
            return Ok(items);
        }
        let item = serde_json::from_slice(&line).map_err(|error| {
            let number = items.len() + 1;
            invalid(&format!(
                "item {number} of its conversations cannot be read: {error}"
            ))
        })?;
        items.push(item);
    }
}
