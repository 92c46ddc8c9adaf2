//! What is offered before it comes, and the parts as they come: a cut costs only what was under
//! way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use ff_protocol::handoff::{Arrived, Manifest, Offered, Part};
use ff_protocol::{ErrorCode, HandoffId};
use tokio::io::AsyncRead;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::arrival::{check_manifest, invalid};
use super::fault::{Point, reach};
use super::spool::{MAX_PART, Spool};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::store::Role;

/// Most parts of a bundle.
const MOST_PARTS: usize = 10_000;
/// How long an upload waits for an older one of the same part to end.
const TAKEOVER: Duration = Duration::from_secs(30);

impl Core {
    /// Takes an offer: checks what the manifest says before any of it comes, and tells what has
    /// arrived of the parts.
    ///
    /// # Errors
    /// `invalid` for a manifest that cannot be followed, `too_large` naming what is.
    pub async fn handoff_offer(&self, id: &HandoffId, manifest: &Manifest) -> Result<Offered> {
        let record = self.open_handoff(id, Role::Receiver).await?;
        check_manifest(manifest, id, record.epoch)?;
        if manifest.workspace.id != record.workspace_id {
            return Err(invalid("it is of another workspace"));
        }
        let spool = Spool::of(&self.config().data_dir, id);
        if manifest.parts.len() > MOST_PARTS {
            let detail = format!(
                "the bundle has {} parts, {MOST_PARTS} at most are taken",
                manifest.parts.len()
            );
            return Err(Error::refused(ErrorCode::TooLarge, detail));
        }
        if let Some(part) = manifest.parts.iter().find(|part| part.size > MAX_PART) {
            let detail = format!(
                "part {} has {} bytes, {MAX_PART} at most are taken",
                part.name, part.size
            );
            return Err(Error::refused(ErrorCode::TooLarge, detail));
        }
        spool.create()?;
        spool.check_room(&manifest.parts)?;
        let mut arrived = Vec::new();
        for part in &manifest.parts {
            let size = spool.arrived(part)?;
            if size > 0 {
                let sha256 = part.sha256.clone();
                arrived.push(Arrived { sha256, size });
            }
        }
        self.lanes().expect(id, &manifest.parts);
        Ok(Offered { arrived })
    }

    /// Takes a whole part, as [`Core::handoff_put_part_from`].
    ///
    /// # Errors
    /// As there.
    pub async fn handoff_put_part(
        &self,
        id: &HandoffId,
        part: &Part,
        from: impl AsyncRead + Unpin,
    ) -> Result<()> {
        self.handoff_put_part_from(id, part, 0, from).await
    }

    /// Takes a part from `offset` on, and checks it against its hash once it is whole;
    /// `part.size` is its largest size. An older upload of the same part ends here.
    ///
    /// # Errors
    /// `corrupted` when the hash differs or the body ends too early, `too_large` beyond the size,
    /// `conflict` when less than `offset` has arrived or a newer upload takes over, `invalid` for
    /// a part that was not offered.
    pub async fn handoff_put_part_from(
        &self,
        id: &HandoffId,
        part: &Part,
        offset: u64,
        from: impl AsyncRead + Unpin,
    ) -> Result<()> {
        self.open_handoff(id, Role::Receiver).await?;
        let part = match self.lanes().expected(id, &part.sha256) {
            Some(Some(expected)) => expected,
            Some(None) => return Err(invalid("a part comes that it does not name")),
            None => Part {
                size: part.size.min(MAX_PART),
                ..part.clone()
            },
        };
        let spool = Spool::of(&self.config().data_dir, id);
        spool.part(&part.sha256)?;
        let lane = self.lanes().of(id, &part.sha256);
        let mine = lane.take_over();
        let Ok(Ok(_turn)) = tokio::time::timeout(TAKEOVER, lane.turn.acquire()).await else {
            return Err(taken_over(&part));
        };
        tokio::select! {
            () = mine.cancelled() => Err(taken_over(&part)),
            taken = spool.take(&part, offset, from) => {
                reach(Point::Taken);
                taken
            }
        }
    }
}

fn taken_over(part: &Part) -> Error {
    let detail = format!("part {} comes by another connection", part.name);
    Error::refused(ErrorCode::Conflict, detail)
}

type Expected = HashMap<String, Part>;

/// The parts that are expected, and one lane for each that comes.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    expected: Mutex<HashMap<HandoffId, Arc<Expected>>>,
    lanes: Mutex<HashMap<(HandoffId, String), Weak<Lane>>>,
}

#[derive(Debug)]
struct Lane {
    turn: Semaphore,
    latest: Mutex<CancellationToken>,
}

impl Lane {
    /// Ends whoever uses the lane, and is the next.
    fn take_over(&self) -> CancellationToken {
        let mine = CancellationToken::new();
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *latest, mine.clone()).cancel();
        mine
    }
}

impl Lanes {
    fn expect(&self, id: &HandoffId, parts: &[Part]) {
        let parts = parts.iter().map(|part| (part.sha256.clone(), part.clone()));
        let parts = Arc::new(parts.collect());
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        expected.insert(id.clone(), parts);
    }

    /// Forgets a hand-off that has ended.
    pub(super) fn forget(&self, id: &HandoffId) {
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        expected.remove(id);
    }

    /// A part of what was offered; `None` while nothing is known of an offer.
    fn expected(&self, id: &HandoffId, sha256: &str) -> Option<Option<Part>> {
        let expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        expected.get(id).map(|parts| parts.get(sha256).cloned())
    }

    fn of(&self, id: &HandoffId, sha256: &str) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(|_, lane| lane.strong_count() > 0);
        let key = (id.clone(), sha256.to_owned());
        if let Some(lane) = lanes.get(&key).and_then(Weak::upgrade) {
            return lane;
        }
        let lane = Arc::new(Lane {
            turn: Semaphore::new(1),
            latest: Mutex::default(),
        });
        lanes.insert(key, Arc::downgrade(&lane));
        lane
    }
}
