//! When sessions may use the login, as a pure state machine.
//!
//! ```text
//!         near the expiry              shown not to work | cleared by the CLI
//!   Free ----------------> Expiring       any -----------------------------> Required
//!    ^                        |                                                 |
//!    +------- renewed --------+             <-- another login, or a trial worked +
//! ```
//!
//! In `Expiring` there is one slot. In `Required` there is none, but where the API refused a login
//! that is still there, one at long intervals, as a trial: a token host that was down gives the
//! same signs as a lost login.

use std::time::Duration;

use ff_protocol::Timestamp;
use ff_protocol::vm::LoginRequired;

use super::credentials::Expiry;
use crate::session::protocol::LoggedOut;

/// The CLI renews a login that is valid for less than 5 minutes (2.1.330); a CLI that starts now
/// looks at it a few seconds later.
const NEAR: i64 = (5 * 60 + 30) * 1000;
/// A slot is taken back after this long. The CLI gives the token host 30 s.
const LONGEST_HOLD: Duration = Duration::from_secs(60);
const FIRST_TRIAL: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// What is told of a login that the CLI has cleared.
const ENDED: &str = "the login has ended and could not be renewed";

/// How the login stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginState {
    /// Sessions use it freely.
    Free,
    /// It has to be renewed: one at a time.
    Expiring,
    /// Only the user can go on, by logging in again.
    Required(LoginRequired),
}

/// The time, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// For expiries and for people.
    pub(super) wall: Timestamp,
    /// Time awake since some beginning, for deadlines.
    pub(super) awake: Duration,
}

/// A slot that was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass {
    /// Which login it is for.
    pub(super) login: u64,
    /// Its number, if it is one that others wait for.
    pub(super) number: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Policy {
    expiry: Expiry,
    logins: u64,
    numbers: u64,
    holder: Option<Holder>,
    required: Option<Required>,
    /// The CLI has said that there is a login beside the file.
    found: bool,
}

#[derive(Debug)]
struct Holder {
    number: u64,
    until: Duration,
}

#[derive(Debug)]
struct Required {
    told: LoginRequired,
    absent: bool,
    trial: Option<Trial>,
}

#[derive(Debug)]
struct Trial {
    at: Duration,
    pause: Duration,
    number: Option<u64>,
}

impl Policy {
    /// Takes in what the file says now. Another expiry is another login.
    pub(super) fn see(&mut self, expiry: Expiry, now: Now) {
        if expiry != self.expiry {
            self.expiry = expiry;
            self.logins += 1;
            self.found = false;
            match expiry {
                Expiry::At(_) => self.required = None,
                Expiry::Ended => self.require(ENDED.to_owned(), true, None, now),
                // Logged out, perhaps to log in in another way.
                Expiry::Unknown => {
                    if let Some(required) = &mut self.required {
                        required.absent = true;
                    }
                }
            }
        }
        self.holder.take_if(|holder| holder.until <= now.awake);
    }

    /// How it stands.
    pub(super) fn state(&self, now: Now) -> LoginState {
        if let Some(required) = &self.required {
            return LoginState::Required(required.told.clone());
        }
        match self.expiry {
            Expiry::At(at) if now.wall.timestamp_millis() >= at.saturating_sub(NEAR) => {
                LoginState::Expiring
            }
            Expiry::At(_) | Expiry::Unknown | Expiry::Ended => LoginState::Free,
        }
    }

    /// A slot, if one may be had now.
    pub(super) fn take(&mut self, now: Now) -> Option<Pass> {
        let number = match self.state(now) {
            LoginState::Free => None,
            LoginState::Expiring if self.holder.is_none() => Some(self.hold(now)),
            LoginState::Required(_) if self.holder.is_none() => {
                let trial = self.required.as_mut().and_then(|it| it.trial.take())?;
                let due = trial.at <= now.awake;
                let number = due.then(|| self.hold(now));
                if let Some(required) = &mut self.required {
                    required.trial = Some(Trial { number, ..trial });
                }
                Some(number?)
            }
            LoginState::Expiring | LoginState::Required(_) => return None,
        };
        let login = self.logins;
        Some(Pass { login, number })
    }

    fn hold(&mut self, now: Now) -> u64 {
        self.numbers += 1;
        let (number, until) = (self.numbers, now.awake + LONGEST_HOLD);
        self.holder = Some(Holder { number, until });
        number
    }

    /// A slot comes back; `worked` if the API has answered to its holder.
    pub(super) fn give_back(&mut self, number: u64, worked: bool, now: Now) {
        self.holder.take_if(|holder| holder.number == number);
        let trial = self.required.as_mut().and_then(|it| it.trial.as_mut());
        let Some(trial) = trial.filter(|trial| trial.number == Some(number)) else {
            return;
        };
        if worked {
            self.required = None;
            return;
        }
        trial.number = None;
        trial.at = now.awake + trial.pause;
        trial.pause = (trial.pause * 2).min(LONGEST_PAUSE);
    }

    /// A turn showed that this login does not work; of a login before the present one it says
    /// nothing.
    pub(super) fn logged_out(&mut self, login: u64, shown: LoggedOut, now: Now) {
        if login != self.logins {
            return;
        }
        // What the CLI found before did not help.
        let absent = shown.absent && !self.found;
        let trial = (!absent).then(|| Trial {
            at: now.awake + FIRST_TRIAL,
            pause: FIRST_TRIAL * 2,
            number: None,
        });
        self.require(shown.reason, absent, trial, now);
    }

    /// The CLI says that there is a login, where it was said that there is none.
    pub(super) fn login_found(&mut self) {
        if self.asks_the_cli() {
            self.required = None;
            self.logins += 1;
            self.found = true;
        }
    }

    /// Whether only the CLI can tell that there is a login: it may be one that is not in the file,
    /// such as an API key in its settings.
    pub(super) fn asks_the_cli(&self) -> bool {
        let absent = self.required.as_ref().is_some_and(|it| it.absent);
        absent && !matches!(self.expiry, Expiry::At(_))
    }

    fn require(&mut self, reason: String, absent: bool, trial: Option<Trial>, now: Now) {
        let since = now.wall;
        self.required.get_or_insert(Required {
            told: LoginRequired { since, reason },
            absent,
            trial,
        });
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
