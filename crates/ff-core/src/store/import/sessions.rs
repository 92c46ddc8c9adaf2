//! Sessions that come, with what was said in them.

use std::collections::{BTreeMap, HashSet};

use ff_protocol::session::{JournalEntry, Session};
use ff_protocol::{SessionId, WorkspaceId};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QuerySelect,
    sea_query::OnConflict,
};

use super::super::entity::{journal, session, session_origin};
use super::super::{handoffs, sessions, text, writer};
use super::{IncomingSession, Merge, Origin, Said};
use crate::backup::report::Fate;
use crate::error::Result;

/// Entries of one statement: SQLite takes at most 32,766 values, an entry has six.
const CHUNK: usize = 1000;

type New = BTreeMap<WorkspaceId, Vec<(SessionId, Said)>>;

impl Merge<'_> {
    pub(super) async fn sessions(&mut self, incoming: Vec<IncomingSession>) -> Result<()> {
        let mut new = New::new();
        for incoming in incoming {
            let closed = incoming.origin.closed;
            let fate = self.session(incoming, &mut new).await?;
            match closed {
                true => self.report.closed_sessions.count(fate),
                false => self.report.agent_sessions.count(fate),
            }
        }
        for (workspace, said) in new {
            self.enter(workspace, said).await?;
        }
        Ok(())
    }

    async fn session(&mut self, incoming: IncomingSession, new: &mut New) -> Result<Fate> {
        let IncomingSession {
            session,
            origin,
            said,
        } = incoming;
        let id = session.id.clone();
        if !self.belongs("session", id.as_str(), &session.workspace_id) {
            return Ok(Fate::Skipped);
        }
        let known = session::Entity::find_by_id(id.as_str())
            .one(self.tx)
            .await?;
        let mut fate = match known {
            None => {
                sessions::row(&session)?.insert(self.tx).await?;
                Fate::Imported
            }
            Some(ours) => {
                let from_there = session_origin::Entity::find_by_id(id.as_str())
                    .one(self.tx)
                    .await?;
                if from_there.is_none() || ours.workspace_id != session.workspace_id.as_str() {
                    let text = "a session with this id was made here; it stays as it is";
                    self.report.note("session", &id, text);
                    return Ok(Fate::Skipped);
                }
                match session.updated_at > ours.updated_at {
                    true => {
                        sessions::row(&session)?.update(self.tx).await?;
                        Fate::Updated
                    }
                    false => Fate::Skipped,
                }
            }
        };
        if fate != Fate::Skipped {
            self.origin(&id, &origin).await?;
        }
        let known = match fate {
            Fate::Imported => HashSet::new(),
            _ => self.known_uuids(&session).await?,
        };
        let before = new.entry(session.workspace_id.clone()).or_default();
        let fresh = said.into_iter().filter(|said| !known.contains(uuid(said)));
        let count = before.len();
        before.extend(fresh.map(|said| (id.clone(), said)));
        if before.len() > count && fate == Fate::Skipped {
            fate = Fate::Updated;
        }
        Ok(fate)
    }

    async fn origin(&self, id: &SessionId, origin: &Origin) -> Result<()> {
        use session_origin::Column;
        let kind = match origin.closed {
            true => "CLOSED",
            false => "AGENT",
        };
        let row = session_origin::ActiveModel {
            session_id: Set(id.to_string()),
            kind: Set(kind.to_owned()),
            provider: Set(origin.provider.clone()),
            project_path: Set(origin.project_path.clone()),
            metadata: Set(origin.metadata.as_ref().map(text::json).transpose()?),
        };
        let replace = OnConflict::column(Column::SessionId)
            .update_columns([
                Column::Kind,
                Column::Provider,
                Column::ProjectPath,
                Column::Metadata,
            ])
            .to_owned();
        session_origin::Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(self.tx)
            .await?;
        Ok(())
    }

    /// What was entered of a session before.
    async fn known_uuids(&self, session: &Session) -> Result<HashSet<String>> {
        let payloads: Vec<String> = journal::Entity::find()
            .select_only()
            .column(journal::Column::Payload)
            .filter(journal::Column::WorkspaceId.eq(session.workspace_id.as_str()))
            .filter(journal::Column::SessionId.eq(session.id.as_str()))
            .into_tuple()
            .all(self.tx)
            .await?;
        let mut known = HashSet::with_capacity(payloads.len());
        for payload in payloads {
            let payload: serde_json::Value = text::from_json(&payload)?;
            known.extend(payload["uuid"].as_str().map(str::to_owned));
        }
        Ok(known)
    }

    /// Enters what is new in a workspace's journal, in the order in which it was said.
    async fn enter(
        &mut self,
        workspace: WorkspaceId,
        mut said: Vec<(SessionId, Said)>,
    ) -> Result<()> {
        if said.is_empty() {
            return Ok(());
        }
        said.sort_by_key(|(_, said)| said.at);
        let mut seq = writer::last_seq(self.tx, &workspace).await?.unsigned_abs();
        for chunk in said.chunks(CHUNK) {
            let mut rows = Vec::with_capacity(chunk.len());
            for (session_id, said) in chunk {
                seq += 1;
                let entry = JournalEntry {
                    seq,
                    session_id: session_id.clone(),
                    kind: said.kind,
                    payload: said.payload.clone(),
                    created_at: said.at,
                };
                rows.push(handoffs::journal_row(&workspace, &entry)?);
            }
            journal::Entity::insert_many(rows)
                .exec_without_returning(self.tx)
                .await?;
        }
        self.report.messages += said.len() as u64;
        self.changed.insert(workspace);
        Ok(())
    }
}

fn uuid(said: &Said) -> &str {
    said.payload["uuid"].as_str().unwrap_or_default()
}
