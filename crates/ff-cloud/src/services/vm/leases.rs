//! Promises to keep a VM awake, each with an end.

use chrono::TimeDelta;
use ff_protocol::awake::{CreateLease, Lease};
use ff_protocol::{ErrorCode, LeaseId, UserId, VmId};

use super::VmService;
use crate::db::entity::lease::Model;
use crate::db::leases;
use crate::{Error, Result, clock};

/// Most leases of a VM at a time.
const MOST: usize = 32;
const LONGEST_NAME: usize = 200;

impl VmService {
    /// Keeps a VM awake for a time, and wakes it if it sleeps. A time beyond the longest is cut to
    /// that, and the lease says so.
    ///
    /// # Errors
    /// `not_found`; `invalid` for no time or too long a name; `limit_reached`; what waking the VM
    /// may answer.
    pub async fn lease(
        &self,
        id: &VmId,
        user: Option<&UserId>,
        ask: &CreateLease,
    ) -> Result<Lease> {
        self.get(id, user).await?;
        let name = ask.name.as_deref().unwrap_or("lease").trim();
        let sound = !name.is_empty()
            && name.chars().count() <= LONGEST_NAME
            && !name.contains(char::is_control);
        if !sound || ask.seconds == 0 {
            let detail = format!(
                "a lease has 1 second at least, and a name of 1 to {LONGEST_NAME} characters"
            );
            return Err(Error::refused(ErrorCode::Invalid, detail));
        }
        let longest = self.0.settings.longest_lease.as_secs();
        let now = clock::now();
        if leases::of_vm(self.0.db.read(), id, now).await?.len() >= MOST {
            let detail = format!("the VM has {MOST} leases, which is the limit");
            return Err(Error::refused(ErrorCode::LimitReached, detail).hint("end one"));
        }
        let seconds = i64::try_from(ask.seconds.min(longest)).unwrap_or(i64::MAX);
        let row = Model {
            id: LeaseId::generate().into(),
            vm_id: id.to_string(),
            name: name.to_owned(),
            expires_at: now + TimeDelta::seconds(seconds),
            created_at: now,
        };
        leases::insert(self.0.db.write(), &row).await?;
        self.awake(id).await?;
        Ok(Lease {
            clamped_from_seconds: Some(ask.seconds).filter(|asked| *asked > longest),
            ..shown(row)?
        })
    }

    /// A VM's leases, the first to end first.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn leases(&self, id: &VmId, user: Option<&UserId>) -> Result<Vec<Lease>> {
        self.get(id, user).await?;
        let rows = leases::of_vm(self.0.db.read(), id, clock::now()).await?;
        rows.into_iter().map(shown).collect()
    }

    /// Ends a lease before its time.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn end_lease(&self, id: &VmId, user: Option<&UserId>, lease: &LeaseId) -> Result<()> {
        self.get(id, user).await?;
        match leases::remove(self.0.db.write(), id, lease.as_str()).await? {
            true => Ok(()),
            false => Err(Error::not_found("lease", lease)),
        }
    }
}

fn shown(row: Model) -> Result<Lease> {
    let damaged = |error: ff_protocol::InvalidId| Error::Bug(format!("a row is damaged: {error}"));
    Ok(Lease {
        id: row.id.try_into().map_err(damaged)?,
        vm_id: row.vm_id.try_into().map_err(damaged)?,
        name: row.name,
        expires_at: row.expires_at,
        clamped_from_seconds: None,
    })
}
