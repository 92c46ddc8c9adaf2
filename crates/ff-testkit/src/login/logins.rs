use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::{Credentials, Refresh};

const LIFETIME: Duration = Duration::from_secs(8 * 3600);

/// The logins that were given out. Clones share them. Never shows a token.
#[derive(Clone, Default)]
pub struct Logins(Arc<Mutex<Given>>);

#[derive(Default)]
struct Given {
    access: HashMap<String, SystemTime>,
    fresh: HashSet<String>,
    used: HashSet<String>,
    revoked: HashSet<String>,
    delay: Duration,
    down: bool,
}

/// What an access token is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It is good.
    Good,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
    /// Nobody gave it out.
    Unknown,
}

/// A login as the token host answers it.
pub(super) struct Grant {
    pub(super) access: String,
    pub(super) refresh: String,
    pub(super) lifetime: Duration,
}

impl Logins {
    /// A new login, as after `claude auth login`, that is valid for so long.
    pub fn log_in(&self, valid: Duration) -> Credentials {
        let grant = self.lock().give(valid);
        Credentials::new(grant.access, grant.refresh, SystemTime::now() + valid)
    }

    /// Revokes everything that was given out.
    pub fn revoke(&self) {
        let mut given = self.lock();
        let access = std::mem::take(&mut given.access);
        given.revoked.extend(access.into_keys());
        given.fresh.clear();
    }

    /// Ends the time of every access token; refresh tokens stay good.
    pub fn expire(&self) {
        let past = SystemTime::UNIX_EPOCH;
        let mut given = self.lock();
        given.access.values_mut().for_each(|until| *until = past);
    }

    /// Whether the token host answers 503 to whoever wants to renew a login.
    pub fn set_down(&self, down: bool) {
        self.lock().down = down;
    }

    /// What an access token is worth now.
    pub fn check(&self, access: &str) -> Checked {
        let given = self.lock();
        match given.access.get(access) {
            Some(until) if *until > SystemTime::now() => Checked::Good,
            Some(_) => Checked::Expired,
            None if given.revoked.contains(access) => Checked::Revoked,
            None => Checked::Unknown,
        }
    }

    /// A login as the token host gives it for a code.
    pub(super) fn fresh(&self) -> Grant {
        self.lock().give(LIFETIME)
    }

    /// Every token that was given out, to look for in what must not have any.
    pub fn tokens(&self) -> Vec<String> {
        let given = self.lock();
        let access = given.access.keys().chain(&given.revoked);
        access
            .chain(&given.fresh)
            .chain(&given.used)
            .cloned()
            .collect()
    }

    pub(super) fn renew(&self, refresh: &str) -> Result<Grant, Refresh> {
        let mut given = self.lock();
        if given.down {
            return Err(Refresh::Unavailable);
        }
        if given.used.contains(refresh) {
            return Err(Refresh::UsedBefore);
        }
        if !given.fresh.remove(refresh) {
            return Err(Refresh::Refused);
        }
        given.used.insert(refresh.to_owned());
        Ok(given.give(LIFETIME))
    }

    pub(super) fn delay(&self) -> Duration {
        self.lock().delay
    }

    pub(super) fn set_delay(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    fn lock(&self) -> MutexGuard<'_, Given> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Given {
    fn give(&mut self, lifetime: Duration) -> Grant {
        let access = format!("sk-ant-oat01-{}", Uuid::new_v4().simple());
        let refresh = format!("sk-ant-ort01-{}", Uuid::new_v4().simple());
        self.access
            .insert(access.clone(), SystemTime::now() + lifetime);
        self.fresh.insert(refresh.clone());
        Grant {
            access,
            refresh,
            lifetime,
        }
    }
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_works_once() {
        let logins = Logins::default();
        let first = logins.lock().give(LIFETIME);
        let second = logins.renew(&first.refresh).ok().unwrap();
        assert_ne!(first.access, second.access);
        assert_eq!(logins.check(&first.access), Checked::Good);
        assert_eq!(
            logins.renew(&first.refresh).err(),
            Some(Refresh::UsedBefore)
        );
        assert!(logins.renew(&second.refresh).is_ok());
        assert_eq!(logins.renew("other").err(), Some(Refresh::Refused));
    }

    #[test]
    fn tokens_expire_and_are_revoked() {
        let logins = Logins::default();
        let first = logins.lock().give(LIFETIME);
        logins.expire();
        assert_eq!(logins.check(&first.access), Checked::Expired);
        logins.set_down(true);
        assert_eq!(
            logins.renew(&first.refresh).err(),
            Some(Refresh::Unavailable)
        );
        logins.set_down(false);
        logins.revoke();
        assert_eq!(logins.check(&first.access), Checked::Revoked);
        assert_eq!(logins.renew(&first.refresh).err(), Some(Refresh::Refused));
        assert_eq!(logins.check("other"), Checked::Unknown);
        assert!(!format!("{logins:?}").contains("sk-ant"));
    }
}
