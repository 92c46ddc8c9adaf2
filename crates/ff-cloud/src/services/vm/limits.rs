//! What a VM may use.

use ff_protocol::limits::{Applied, ChangeLimits, Limits, VmLimits};
use ff_protocol::{ErrorCode, UserId, VmId};

use super::VmService;
use crate::db::entity::vm::Model;
use crate::db::vms;
use crate::fault::{self, Point};
use crate::{Error, Result};

const LEAST_MEMORY: u64 = 64 << 20;
const MOST_MEMORY: u64 = 1 << 50;
const LEAST_PIDS: u32 = 64;
const MOST_PIDS: u32 = 4 << 20;

impl VmService {
    /// A VM's limits: its own, or the server's.
    pub(super) fn limits_of(&self, row: &Model) -> Limits {
        let all = self.0.settings.limits;
        Limits {
            cpus: row.cpus.unwrap_or(all.cpus),
            memory: row.memory.map_or(all.memory, i64::unsigned_abs),
            pids: row
                .pids
                .and_then(|pids| u32::try_from(pids).ok())
                .unwrap_or(all.pids),
        }
    }

    /// The same as the API shows it.
    pub(super) fn limits_shown(&self, row: &Model) -> VmLimits {
        VmLimits {
            limits: self.limits_of(row),
            applied: match row.limits_pending {
                true => Applied::NextResume,
                false => Applied::Now,
            },
        }
    }

    /// Changes what a VM may use: at once where the provider can, else from its next start on,
    /// and says which.
    ///
    /// # Errors
    /// `not_found`, `gone`; `invalid` with the field that is out of range.
    pub async fn change_limits(
        &self,
        id: &VmId,
        user: Option<&UserId>,
        ask: &ChangeLimits,
    ) -> Result<VmLimits> {
        self.get(id, user).await?;
        let row = self.row(id).await?;
        let limits = changed(self.limits_of(&row), ask)?;
        vms::set_limits(self.0.db.write(), id, limits, true).await?;
        fault::point(Point::LimitsNoted);
        let applied = match self.0.provider.inspect(id).await? {
            Some(_) => self.0.provider.set_limits(id, limits).await?,
            None => Applied::NextResume,
        };
        fault::point(Point::LimitsApplied);
        if applied == Applied::Now {
            vms::set_limits(self.0.db.write(), id, limits, false).await?;
        }
        Ok(VmLimits { limits, applied })
    }
}

fn changed(now: Limits, ask: &ChangeLimits) -> Result<Limits> {
    let base = ask.preset.map_or(now, |preset| preset.limits());
    let limits = Limits {
        cpus: ask.cpus.unwrap_or(base.cpus),
        memory: ask.memory.unwrap_or(base.memory),
        pids: ask.pids.unwrap_or(base.pids),
    };
    let refuse = |detail: &str| Err(Error::refused(ErrorCode::Invalid, detail));
    if !(0.01..=1024.0).contains(&limits.cpus) {
        return refuse("`cpus` is between 0.01 and 1024");
    }
    if !(LEAST_MEMORY..=MOST_MEMORY).contains(&limits.memory) {
        return refuse("`memory` is in bytes, 67108864 (64 MiB) at least");
    }
    if !(LEAST_PIDS..=MOST_PIDS).contains(&limits.pids) {
        return refuse("`pids` is between 64 and 4194304");
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use ff_protocol::limits::Preset;

    use super::*;

    #[test]
    fn single_values_go_before_the_preset_and_nonsense_is_named() {
        let now = Preset::Small.limits();
        let ask = ChangeLimits {
            preset: Some(Preset::Large),
            cpus: Some(0.5),
            ..Default::default()
        };
        let expected = Limits {
            cpus: 0.5,
            ..Preset::Large.limits()
        };
        assert_eq!(changed(now, &ask).unwrap(), expected);
        assert_eq!(changed(now, &ChangeLimits::default()).unwrap(), now);
        for (ask, word) in [
            (
                ChangeLimits {
                    cpus: Some(f64::NAN),
                    ..Default::default()
                },
                "cpus",
            ),
            (
                ChangeLimits {
                    cpus: Some(-1.0),
                    ..Default::default()
                },
                "cpus",
            ),
            (
                ChangeLimits {
                    memory: Some(1),
                    ..Default::default()
                },
                "memory",
            ),
            (
                ChangeLimits {
                    pids: Some(0),
                    ..Default::default()
                },
                "pids",
            ),
        ] {
            let error = changed(now, &ask).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
