//! One login, many sessions.
//!
//! All CLIs of a machine share `~/.claude/.credentials.json`, whose refresh token works once. So
//! near the login's expiry they start and take prompts one at a time, until one has renewed it;
//! and when it is lost, they wait for the user together instead of failing one by one
//! (`docs/decisions/0008-one-login-many-sessions.md`).
//!
//! One task, the *keeper*, owns the [`policy`] and looks at the file; everyone else asks it.

mod credentials;
mod keeper;
mod policy;

use std::path::{Path, PathBuf};

use ff_protocol::vm::LoginRequired;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

use self::keeper::{Keeper, Order};
pub use self::policy::LoginState;
pub use super::protocol::LoggedOut;
use crate::activity::Awake;

/// Orders that wait for the keeper.
const ORDERS: usize = 256;

/// The login that all sessions share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Account {
    orders: mpsc::Sender<Order>,
    state: watch::Receiver<LoginState>,
}

/// Leave to start a CLI and to give it a prompt. Given back when it is dropped.
#[derive(Debug)]
pub struct Slot {
    login: u64,
    number: Option<u64>,
    worked: bool,
    orders: Option<mpsc::Sender<Order>>,
}

impl Account {
    /// Starts to keep the login of this home; ends when the handle is dropped, and then gives
    /// slots freely.
    pub fn start(claude: &Path, home: &Path, awake: Awake) -> (Self, AbortOnDropHandle<()>) {
        let (orders, asked) = mpsc::channel(ORDERS);
        let (told, state) = watch::channel(LoginState::Free);
        let program: PathBuf = claude.to_owned();
        let keeper = Keeper::new(program, home.to_owned(), awake, orders.downgrade(), told);
        let task = AbortOnDropHandle::new(tokio::spawn(keeper.run(asked)));
        (Self { orders, state }, task)
    }

    /// Leave to use the login: at once while it is far from its expiry, one at a time near it, and
    /// only after a new login while one is required. Dropping the future loses nothing.
    ///
    /// Waits as long as the user takes.
    pub async fn slot(&self) -> Slot {
        let (reply, granted) = oneshot::channel();
        let asked = self.orders.send(Order::Take(reply)).await;
        let slot = match asked {
            Ok(()) => granted.await.ok(),
            Err(_) => None,
        };
        // Without a keeper the core is stopping, and what is started now is stopped as well.
        slot.unwrap_or_else(Slot::free)
    }

    /// A turn showed that the login it was given, [`Slot::login`], does not work. The message has
    /// not failed: it goes again, with a new [`Account::slot`].
    pub async fn logged_out(&self, login: u64, shown: LoggedOut) {
        let order = Order::LoggedOut { login, shown };
        // Nobody is there to hear it only when the core is stopping.
        let _ = self.orders.send(order).await;
    }

    /// Somebody asked the CLI, and it says that there is a login.
    pub async fn login_found(&self) {
        let _ = self.orders.send(Order::Found).await;
    }

    /// How the login stands, now and whenever it changes.
    pub fn status(&self) -> watch::Receiver<LoginState> {
        self.state.clone()
    }

    /// What the user is waited for, if so.
    pub fn required(&self) -> Option<LoginRequired> {
        match &*self.state.borrow() {
            LoginState::Required(required) => Some(required.clone()),
            LoginState::Free | LoginState::Expiring => None,
        }
    }
}

impl Slot {
    fn free() -> Self {
        Self {
            login: 0,
            number: None,
            worked: false,
            orders: None,
        }
    }

    /// Which login it is for; to be kept for [`Account::logged_out`].
    pub fn login(&self) -> u64 {
        self.login
    }

    /// Whether others wait while it is held.
    pub fn is_exclusive(&self) -> bool {
        self.number.is_some()
    }

    /// Gives it back at the first sign of the API: the login works, and is renewed if need be.
    pub fn answered(mut self) {
        self.worked = true;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let (Some(number), Some(orders)) = (self.number, &self.orders) else {
            return;
        };
        let worked = self.worked;
        // One that gets lost is taken back at its deadline.
        let _ = orders.try_send(Order::GiveBack { number, worked });
    }
}

#[cfg(test)]
mod tests;
