//! Terminals: PTYs with a login shell that outlive their viewers.
//!
//! Each has one owner task. Its output is numbered and the end of it kept in a ring, from which
//! every viewer reads at its own pace; one that is too slow is shown the whole screen anew, and
//! stops nobody.

mod config;
mod handle;
mod input;
pub mod model;
mod names;
mod owner;
mod picture;
mod ring;
mod screen;
mod shell;
mod sizes;
mod tree;
mod viewer;
mod viewers;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ff_protocol::terminal::{CreateTerminal, Terminal};
use ff_protocol::{ErrorCode, TerminalId, Timestamp, WorkspaceId};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::config::TerminalConfig;
pub use self::handle::TerminalHandle;
use self::names::Names;
use self::owner::Owner;
use self::screen::Screen;
pub use self::viewer::{Attach, Attached, ViewerEvent, ViewerInput, ViewerOutput};
use crate::clock;
use crate::error::{Error, Result};

/// Terminals whose shell has ended and that are still listed.
const ENDED_KEPT: usize = 20;
const ENDED_KEPT_FOR: Duration = Duration::from_secs(600);
const TYPED_QUEUE: usize = 16;
const CLOSE: Duration = Duration::from_secs(10);

/// All terminals of a core. Cheap to clone.
#[derive(Clone)]
pub struct Terminals {
    home: PathBuf,
    config: TerminalConfig,
    all: Arc<Mutex<HashMap<TerminalId, TerminalHandle>>>,
    names: Names,
    slots: Arc<Semaphore>,
    owners: TaskTracker,
    stop: CancellationToken,
    input: InputNote,
}

/// When someone last typed. Cheap to clone.
#[derive(Debug, Clone, Default)]
struct InputNote(Arc<Mutex<Option<Timestamp>>>);

impl InputNote {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock::now());
    }

    fn last(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The login shell of an open terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shell {
    /// The terminal.
    pub terminal: TerminalId,
    /// Its name.
    pub name: String,
    /// Number of the shell, which leads a session and a group of its own.
    pub pid: u32,
}

impl Terminals {
    /// No terminals yet; shells get this home directory.
    pub fn new(home: &Path, config: TerminalConfig) -> Self {
        Self {
            home: home.to_owned(),
            config,
            all: Arc::default(),
            names: Names::default(),
            slots: Arc::new(Semaphore::new(config.open)),
            owners: TaskTracker::new(),
            stop: CancellationToken::new(),
            input: InputNote::default(),
        }
    }

    /// Opens a terminal in a directory.
    ///
    /// # Errors
    /// `invalid` for a bad name or size, `conflict` when there is no such directory or the name
    /// is in use there, `limit_reached` when too many are open or the system has no process left.
    pub async fn create(
        &self,
        cwd: PathBuf,
        workspace: Option<WorkspaceId>,
        create: CreateTerminal,
    ) -> Result<Terminal> {
        let size = sizes::check(create.size)?;
        let name = self.names.take(workspace.as_ref(), create.name)?;
        if self.stop.is_cancelled() {
            return Err(Error::refused(
                ErrorCode::ShuttingDown,
                "the engine is stopping",
            ));
        }
        if !tokio::fs::metadata(&cwd)
            .await
            .is_ok_and(|meta| meta.is_dir())
        {
            let detail = format!("there is no directory {}", cwd.display());
            return Err(Error::refused(ErrorCode::Conflict, detail));
        }
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            let detail = format!(
                "{} terminals are open, and no more may be",
                self.config.open
            );
            return Err(Error::refused(ErrorCode::LimitReached, detail).hint("close one of them"));
        };
        let id = TerminalId::generate();
        let (pty, child) = shell::start(&id, &self.home, &cwd, size)?;
        let (typed, receiver) = mpsc::channel(TYPED_QUEUE);
        let handle = TerminalHandle {
            id: id.clone(),
            workspace,
            created_at: clock::now(),
            incarnation: uuid::Uuid::new_v4().to_string().into(),
            screen: Arc::new(Screen::new(name, size, &self.config)),
            typed,
            close: self.stop.child_token(),
            input: self.input.clone(),
            shell: child.id(),
        };
        let (screen, close) = (Arc::clone(&handle.screen), handle.close.clone());
        let owner = Owner::new(id.clone(), screen, (pty, child), receiver, close, slot);
        let terminal = handle.describe();
        self.lock().insert(id, handle);
        self.owners.spawn(owner.run());
        Ok(terminal)
    }

    /// Gives a terminal another name.
    ///
    /// # Errors
    /// `not_found` when there is none, `invalid` for a bad name, `conflict` when another one of
    /// its place has it.
    pub fn rename(&self, id: &TerminalId, name: String) -> Result<Terminal> {
        let handle = self.get(id).ok_or_else(|| unknown(id))?;
        let name = names::checked(&name)?;
        if handle.screen.look().name.text() != name {
            let name = self.names.take(handle.workspace.as_ref(), Some(name))?;
            handle.screen.change(|state| state.rename(name));
        }
        Ok(handle.describe())
    }

    /// Terminals of a workspace, or those in the home directory; oldest first. Those that ended
    /// stay listed for a while.
    pub fn list(&self, workspace: Option<&WorkspaceId>) -> Vec<Terminal> {
        let all = self.lock();
        let mut wanted: Vec<Terminal> = all
            .values()
            .filter(|handle| handle.workspace.as_ref() == workspace)
            .map(TerminalHandle::describe)
            .collect();
        wanted.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        wanted
    }

    /// A terminal by its id.
    pub fn get(&self, id: &TerminalId) -> Option<TerminalHandle> {
        self.lock().get(id).cloned()
    }

    /// Ends a terminal with every process of its session, and returns when they are gone.
    /// Closing one that has ended is no error.
    ///
    /// # Errors
    /// `not_found` when there is none; `timeout` when a process does not end.
    pub async fn close(&self, id: &TerminalId) -> Result<()> {
        let handle = self.get(id).ok_or_else(|| unknown(id))?;
        handle.close.cancel();
        let mut changes = handle.screen.changes();
        let ended = changes.wait_for(|()| !handle.runs());
        match tokio::time::timeout(CLOSE, ended).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::refused(
                ErrorCode::Timeout,
                "the terminal's shell does not end",
            )),
        }
    }

    /// Ends every terminal of a workspace.
    ///
    /// # Errors
    /// As [`Terminals::close`].
    pub async fn close_workspace(&self, workspace: &WorkspaceId) -> Result<()> {
        let terminals = self.list(Some(workspace));
        let closing = terminals.iter().map(|terminal| self.close(&terminal.id));
        futures_util::future::try_join_all(closing).await?;
        Ok(())
    }

    /// The login shells that run.
    pub fn shells(&self) -> Vec<Shell> {
        let shell = |handle: &TerminalHandle| {
            let pid = handle.shell.filter(|_| handle.runs())?;
            Some(Shell {
                terminal: handle.id.clone(),
                name: handle.screen.look().name.text().to_owned(),
                pid,
            })
        };
        self.lock().values().filter_map(shell).collect()
    }

    /// When someone last typed into any terminal.
    pub fn last_input_at(&self) -> Option<Timestamp> {
        self.input.last()
    }

    /// Ends all terminals and opens none any more.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.owners.close();
        if tokio::time::timeout(CLOSE, self.owners.wait())
            .await
            .is_err()
        {
            tracing::error!(left = self.owners.len(), "terminals did not end in time");
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TerminalId, TerminalHandle>> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        forget_ended(&mut all);
        all
    }
}

fn forget_ended(all: &mut HashMap<TerminalId, TerminalHandle>) {
    let now = clock::now();
    let mut ended: Vec<(Timestamp, TerminalId)> = all
        .iter()
        .filter_map(|(id, handle)| Some((handle.screen.look().exited?.1, id.clone())))
        .collect();
    ended.sort();
    let too_many = ended.len().saturating_sub(ENDED_KEPT);
    for (place, (at, id)) in ended.iter().enumerate() {
        if place < too_many || (now - *at).to_std().is_ok_and(|ago| ago > ENDED_KEPT_FOR) {
            all.remove(id);
        }
    }
}

fn unknown(id: &TerminalId) -> Error {
    Error::refused(ErrorCode::NotFound, format!("there is no terminal {id}"))
}

#[cfg(test)]
mod tests;
