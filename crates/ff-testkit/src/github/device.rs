use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::SCOPES;

const LIFETIME: Duration = Duration::from_secs(900);
const MAX_PENDING: usize = 1_000;

/// Who approves a device login, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceApproval {
    /// This account, after so many polls were answered "pending".
    AfterPolls {
        /// The approving account.
        login: String,
        /// The polls answered "pending" first.
        polls: u32,
    },
    /// Only [`GitHub::approve_device`](super::GitHub::approve_device).
    ByHand,
}

/// The OAuth device flow's open codes.
pub(super) struct DeviceFlow {
    approval: RwLock<DeviceApproval>,
    pending: Mutex<HashMap<String, Pending>>,
}

struct Pending {
    user_code: String,
    started: Instant,
    polls: u32,
    approved_by: Option<String>,
}

/// What a poll finds.
pub(super) enum Poll {
    Pending,
    Approved(String),
    Expired,
}

impl DeviceFlow {
    pub(super) fn new(approval: DeviceApproval) -> Self {
        Self {
            approval: RwLock::new(approval),
            pending: Mutex::default(),
        }
    }

    pub(super) fn set_approval(&self, approval: DeviceApproval) {
        *self
            .approval
            .write()
            .unwrap_or_else(PoisonError::into_inner) = approval;
    }

    /// Opens a login and returns GitHub's answer to `/login/device/code`.
    pub(super) fn start(&self, web_url: &str) -> Value {
        let device_code = Uuid::new_v4().simple().to_string();
        let digits = Uuid::new_v4().simple().to_string().to_uppercase();
        let user_code = format!("{}-{}", &digits[..4], &digits[4..8]);
        let open = Pending {
            user_code: user_code.clone(),
            started: Instant::now(),
            polls: 0,
            approved_by: None,
        };
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.retain(|_, open| open.started.elapsed() < LIFETIME);
        if pending.len() >= MAX_PENDING {
            pending.clear();
        }
        pending.insert(device_code.clone(), open);
        json!({
            "device_code": device_code, "user_code": user_code, "verification_uri": format!("{web_url}/login/device"),
            "expires_in": LIFETIME.as_secs(), "interval": 1,
        })
    }

    pub(super) fn approve(&self, user_code: &str, login: &str) -> bool {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let open = pending
            .values_mut()
            .find(|open| open.user_code == user_code);
        open.map(|open| open.approved_by = Some(login.to_owned()))
            .is_some()
    }

    pub(super) fn poll(&self, device_code: &str) -> Poll {
        let approval = self
            .approval
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = pending.get_mut(device_code) else {
            return Poll::Expired;
        };
        open.polls += 1;
        if let DeviceApproval::AfterPolls { login, polls } = approval
            && open.polls > polls
        {
            open.approved_by = Some(login);
        }
        match open.approved_by.clone() {
            Some(login) => {
                pending.remove(device_code);
                Poll::Approved(login)
            }
            None => Poll::Pending,
        }
    }
}

/// GitHub's answer to `/login/oauth/access_token`.
pub(super) fn token_answer(poll: &Poll, token: Option<&str>) -> Value {
    match (poll, token) {
        (Poll::Pending, _) => json!({"error": "authorization_pending"}),
        (Poll::Approved(_), Some(token)) => {
            json!({"access_token": token, "token_type": "bearer", "scope": SCOPES.replace(' ', "")})
        }
        (Poll::Approved(_), None) => json!({"error": "access_denied"}),
        (Poll::Expired, _) => json!({"error": "expired_token"}),
    }
}
