//! The sessions that live: one entry for each, from before its driver starts until after it ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ff_protocol::{ErrorCode, SessionId, WorkspaceId};
use tokio::sync::{mpsc, watch};

use super::driver::Command;
use super::load::Load;
use crate::error::{Error, Result};

/// Live sessions a workspace may have.
pub(super) const LIVE_PER_WORKSPACE: usize = 5;

const COMMAND_QUEUE: usize = 32;

/// What others need of a live session.
#[derive(Debug, Clone)]
pub(super) struct Live {
    /// Its workspace.
    pub(super) workspace: WorkspaceId,
    /// Takes its commands.
    pub(super) commands: mpsc::Sender<Command>,
    /// What it is busy with.
    pub(super) load: watch::Receiver<Load>,
}

/// All live sessions. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry {
    live: Arc<Mutex<HashMap<SessionId, Live>>>,
}

/// A driver's entry; goes when the driver goes.
#[derive(Debug)]
struct Registration {
    registry: Registry,
    session: SessionId,
}

/// The driver's side of an entry.
#[derive(Debug)]
pub(super) struct Seat {
    /// First, to be dropped first: whoever finds the queue closed finds no entry either.
    _registration: Registration,
    /// Commands for the driver.
    pub(super) commands: mpsc::Receiver<Command>,
    /// What it tells of itself.
    pub(super) load: watch::Sender<Load>,
}

impl Registry {
    /// A session that lives.
    pub(super) fn get(&self, session: &SessionId) -> Option<Live> {
        self.lock().get(session).cloned()
    }

    /// Sessions that live, of a workspace or all.
    pub(super) fn list(&self, workspace: Option<&WorkspaceId>) -> Vec<(SessionId, Live)> {
        let live = self.lock();
        let wanted = live
            .iter()
            .filter(|(_, live)| workspace.is_none_or(|id| *id == live.workspace));
        wanted
            .map(|(id, live)| (id.clone(), live.clone()))
            .collect()
    }

    /// The session's entry; with a seat for its driver if it was made now.
    ///
    /// # Errors
    /// `limit_reached` when the workspace, or the machine with its `most`, has no place for one
    /// more; never without a limit, for what starts no CLI.
    pub(super) fn enter(
        &self,
        workspace: &WorkspaceId,
        session: &SessionId,
        most: Option<usize>,
    ) -> Result<(Live, Option<Seat>)> {
        let mut all = self.lock();
        if let Some(live) = all.get(session) {
            return Ok((live.clone(), None));
        }
        if let Some(most) = most {
            check_place(&all, workspace, most)?;
        }
        let (commands, receiver) = mpsc::channel(COMMAND_QUEUE);
        let (load_sender, load) = watch::channel(Load::default());
        let live = Live {
            workspace: workspace.clone(),
            commands,
            load,
        };
        all.insert(session.clone(), live.clone());
        let registration = Registration {
            registry: self.clone(),
            session: session.clone(),
        };
        Ok((
            live,
            Some(Seat {
                _registration: registration,
                commands: receiver,
                load: load_sender,
            }),
        ))
    }

    /// Whether one more session of the workspace could live now.
    ///
    /// # Errors
    /// `limit_reached`, as [`Self::enter`].
    pub(super) fn check_place(&self, workspace: &WorkspaceId, most: usize) -> Result<()> {
        check_place(&self.lock(), workspace, most)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_place(all: &HashMap<SessionId, Live>, workspace: &WorkspaceId, most: usize) -> Result<()> {
    let ours = || all.iter().filter(|(_, live)| live.workspace == *workspace);
    if ours().count() >= LIVE_PER_WORKSPACE {
        let detail = format!("{LIVE_PER_WORKSPACE} sessions of this workspace are live, the most");
        return Err(full(detail, ours()));
    }
    if all.len() >= most {
        let detail = format!("{most} sessions of this machine are live, the most");
        return Err(full(detail, all.iter()));
    }
    Ok(())
}

/// The refusal of one live session too many, with what makes room for it.
fn full<'a>(detail: String, live: impl Iterator<Item = (&'a SessionId, &'a Live)>) -> Error {
    let idle = |live: &Live| !live.load.borrow().is_busy();
    let mut live: Vec<_> = live.collect();
    live.sort_by_key(|(id, live)| (!idle(live), *id));
    let hint = live.first().map(|(id, live)| {
        let stop = format!("`ff session stop {} {id}`", live.workspace);
        match idle(live) {
            true => format!("{stop} ends one that does nothing; its next message starts it again"),
            false => format!("all of them work: wait until one has ended, or {stop} ends one"),
        }
    });
    Error::refused(ErrorCode::LimitReached, detail).hint(hint.unwrap_or_default())
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lives_once_and_a_workspace_has_a_limit() {
        let registry = Registry::default();
        let workspace = WorkspaceId::generate();
        let session = SessionId::generate();
        let (_, seat) = registry.enter(&workspace, &session, Some(7)).unwrap();
        assert!(seat.is_some());
        assert!(
            registry
                .enter(&workspace, &session, Some(7))
                .unwrap()
                .1
                .is_none()
        );

        let more: Vec<_> = (1..LIVE_PER_WORKSPACE)
            .map(|_| {
                registry
                    .enter(&workspace, &SessionId::generate(), Some(7))
                    .unwrap()
            })
            .collect();
        let refused = registry
            .enter(&workspace, &SessionId::generate(), Some(7))
            .unwrap_err();
        assert_eq!(refused.code(), ErrorCode::LimitReached);
        let hint = refused.problem().hint.unwrap();
        assert!(
            hint.contains(&format!("`ff session stop {workspace} ")),
            "{hint}"
        );
        assert!(
            registry
                .enter(&WorkspaceId::generate(), &SessionId::generate(), Some(7))
                .is_ok()
        );

        drop(seat);
        assert!(registry.get(&session).is_none());
        assert!(
            registry
                .enter(&workspace, &SessionId::generate(), Some(7))
                .unwrap()
                .1
                .is_some()
        );
        let elsewhere =
            || registry.enter(&WorkspaceId::generate(), &SessionId::generate(), Some(5));
        assert!(elsewhere().unwrap().1.is_some());
        let held: Vec<_> = std::iter::from_fn(|| elsewhere().ok()).collect();
        assert_eq!(elsewhere().unwrap_err().code(), ErrorCode::LimitReached);
        drop((more, held));
        assert!(registry.list(None).is_empty());
    }
}
