//! Terminals: PTYs with a login shell that outlive their viewers.
//!
//! Each has one owner task. Its output is numbered and kept in a ring of 1 MiB, from which every
//! viewer reads at its own pace; a slow one misses bytes and is told so, and stops nobody.

mod input;
pub mod model;
mod owner;
mod ring;
mod screen;
mod shell;
mod sizes;
mod viewer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ff_protocol::terminal::{CreateTerminal, Terminal};
use ff_protocol::{ErrorCode, TerminalId, Timestamp, WorkspaceId};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::owner::{Owner, Typed};
use self::screen::Screen;
pub use self::viewer::{Attached, ViewerEvent, ViewerInput, ViewerOutput};
use crate::clock;
use crate::error::{Error, Result};

/// Terminals whose shell runs.
const LIVE: usize = 20;
/// Terminals whose shell has ended and that are still listed.
const ENDED_KEPT: usize = 20;
const ENDED_KEPT_FOR: Duration = Duration::from_secs(600);
const LONGEST_NAME: usize = 100;
const TYPED_QUEUE: usize = 16;
const CLOSE: Duration = Duration::from_secs(10);

/// All terminals of a core. Cheap to clone.
#[derive(Clone)]
pub struct Terminals {
    home: PathBuf,
    all: Arc<Mutex<HashMap<TerminalId, TerminalHandle>>>,
    slots: Arc<Semaphore>,
    numbers: Arc<AtomicU64>,
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

/// One terminal. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TerminalHandle {
    info: Arc<Terminal>,
    incarnation: Arc<str>,
    screen: Arc<Screen>,
    typed: mpsc::Sender<Typed>,
    close: CancellationToken,
    attachments: Arc<AtomicU64>,
    input: InputNote,
    shell: Option<u32>,
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
    pub fn new(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            all: Arc::default(),
            slots: Arc::new(Semaphore::new(LIVE)),
            numbers: Arc::default(),
            owners: TaskTracker::new(),
            stop: CancellationToken::new(),
            input: InputNote::default(),
        }
    }

    /// Opens a terminal in a directory.
    ///
    /// # Errors
    /// `invalid` for a bad name or size, `conflict` when there is no such directory,
    /// `limit_reached` when 20 are open or the system has no process left.
    pub async fn create(
        &self,
        cwd: PathBuf,
        workspace: Option<WorkspaceId>,
        create: CreateTerminal,
    ) -> Result<Terminal> {
        let size = sizes::check(create.size)?;
        let name = match create.name {
            Some(name) => checked_name(&name)?,
            None => format!(
                "terminal {}",
                self.numbers.fetch_add(1, Ordering::Relaxed) + 1
            ),
        };
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
            let detail = format!("{LIVE} terminals are open");
            return Err(Error::refused(ErrorCode::LimitReached, detail).hint("close one of them"));
        };
        let (pty, child) = shell::start(&self.home, &cwd, size)?;
        let info = Terminal {
            id: TerminalId::generate(),
            name,
            workspace_id: workspace,
            size,
            exit_code: None,
            created_at: clock::now(),
        };
        let (typed, receiver) = mpsc::channel(TYPED_QUEUE);
        let handle = TerminalHandle {
            info: Arc::new(info),
            incarnation: uuid::Uuid::new_v4().to_string().into(),
            screen: Arc::new(Screen::new(size)),
            typed,
            close: self.stop.child_token(),
            attachments: Arc::default(),
            input: self.input.clone(),
            shell: child.id(),
        };
        let (screen, close) = (Arc::clone(&handle.screen), handle.close.clone());
        let owner = Owner::new(screen, pty, child, receiver, close, slot);
        let terminal = handle.describe();
        self.lock().insert(terminal.id.clone(), handle);
        self.owners.spawn(owner.run());
        Ok(terminal)
    }

    /// Terminals of a workspace, or those in the home directory; oldest first. Those that ended
    /// stay listed for a while.
    pub fn list(&self, workspace: Option<&WorkspaceId>) -> Vec<Terminal> {
        let all = self.lock();
        let mut wanted: Vec<Terminal> = all
            .values()
            .filter(|handle| handle.info.workspace_id.as_ref() == workspace)
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
        let ended = changes.wait_for(|()| handle.screen.look().exited.is_some());
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
            let runs = handle.screen.look().exited.is_none();
            let pid = handle.shell.filter(|_| runs)?;
            let (terminal, name) = (handle.info.id.clone(), handle.info.name.clone());
            Some(Shell {
                terminal,
                name,
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

impl TerminalHandle {
    /// The terminal as the API shows it.
    pub fn describe(&self) -> Terminal {
        let state = self.screen.look();
        Terminal {
            size: state.sizes.current(),
            exit_code: state.exited.map(|(code, _)| code),
            ..Terminal::clone(&self.info)
        }
    }

    /// Attaches a viewer. With a place of this incarnation it goes on from there, else from the
    /// oldest output kept.
    pub fn attach(
        &self,
        viewer: TerminalId,
        from: Option<(&str, u64)>,
    ) -> (Attached, ViewerOutput, ViewerInput) {
        let changes = self.screen.changes();
        let state = self.screen.look();
        let asked = from.filter(|(incarnation, _)| **incarnation == *self.incarnation);
        let kept = state.ring.start()..=state.ring.end();
        let offset = asked
            .map(|(_, offset)| offset)
            .filter(|offset| kept.contains(offset));
        let attached = Attached {
            incarnation: self.incarnation.to_string(),
            offset: offset.unwrap_or(state.ring.start()),
            input_offset: state.inputs.taken(&viewer),
            size: state.sizes.current(),
        };
        let acked = attached.input_offset.min(state.inputs.written(&viewer));
        drop(state);
        let output = ViewerOutput {
            screen: Arc::clone(&self.screen),
            changes,
            viewer: viewer.clone(),
            offset: attached.offset,
            acked,
            size: attached.size,
        };
        let input = ViewerInput {
            screen: Arc::clone(&self.screen),
            typed: self.typed.clone(),
            viewer,
            attachment: self.attachments.fetch_add(1, Ordering::Relaxed),
            note: self.input.clone(),
        };
        (attached, output, input)
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

fn checked_name(name: &str) -> Result<String> {
    let name = name.trim();
    if (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.contains(char::is_control) {
        return Ok(name.to_owned());
    }
    let detail = format!("a terminal's name has 1 to {LONGEST_NAME} characters");
    Err(Error::refused(ErrorCode::Invalid, detail))
}

#[cfg(test)]
mod tests;
