//! What agents report, for all and for single VMs.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard};

use ff_protocol::agent::{Cause, Notice};
use ff_protocol::vm::LoginRequired;
use ff_protocol::{Timestamp, VmId};
use tokio::sync::watch;

use super::world::lock;

/// What an agent reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// Causes that keep the VM awake.
    pub working: Vec<Cause>,
    /// What a stop would end.
    pub holding: Vec<Cause>,
    /// How long nothing has worked, in seconds.
    pub quiet_seconds: i64,
    /// When the VM has to be awake again by itself.
    pub next_wake_at: Option<Timestamp>,
    /// What the user should know.
    pub notices: Vec<Notice>,
    /// Set while sessions wait for a login.
    pub login_required: Option<LoginRequired>,
    /// How often an agent was asked for its health; streams of reports do not count.
    pub asked: usize,
}

impl Work {
    /// Whether a report would say the same.
    pub(super) fn same(&self, other: &Self) -> bool {
        let asked = self.asked;
        *self
            == Self {
                asked,
                ..other.clone()
            }
    }
}

#[derive(Debug, Default)]
struct Told {
    all: Work,
    single: HashMap<VmId, Work>,
}

/// What every agent reports; clones share it.
#[derive(Debug, Clone)]
pub struct Works {
    told: Arc<Mutex<Told>>,
    changed: watch::Sender<()>,
}

impl Default for Works {
    fn default() -> Self {
        Self {
            told: Arc::default(),
            changed: watch::Sender::new(()),
        }
    }
}

impl Works {
    /// What all agents report that have nothing of their own to report.
    pub fn all(&self) -> WorkGuard<'_> {
        self.guard(None)
    }

    /// What the agent of this VM reports, whatever all others do; at first the same as they.
    pub fn of(&self, vm: &VmId) -> WorkGuard<'_> {
        self.guard(Some(vm.clone()))
    }

    /// What the agent of this VM reports now.
    pub fn now(&self, vm: &VmId) -> Work {
        lock(&self.told).of(Some(vm)).clone()
    }

    /// As [`Works::now`], for an agent that was asked; counts.
    pub fn ask(&self, vm: &VmId) -> Work {
        let mut told = lock(&self.told);
        told.all.asked += 1;
        if let Some(work) = told.single.get_mut(vm) {
            work.asked += 1;
        }
        told.of(Some(vm)).clone()
    }

    /// Learns of every change.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn guard(&self, vm: Option<VmId>) -> WorkGuard<'_> {
        let mut told = lock(&self.told);
        if let Some(vm) = &vm
            && !told.single.contains_key(vm)
        {
            let same = told.all.clone();
            told.single.insert(vm.clone(), same);
        }
        WorkGuard {
            told,
            vm,
            changed: false,
            changes: &self.changed,
        }
    }
}

impl Told {
    fn of(&self, vm: Option<&VmId>) -> &Work {
        vm.and_then(|vm| self.single.get(vm)).unwrap_or(&self.all)
    }
}

/// What agents report, to be changed; they report it when this is dropped.
#[derive(Debug)]
pub struct WorkGuard<'a> {
    told: MutexGuard<'a, Told>,
    vm: Option<VmId>,
    changed: bool,
    changes: &'a watch::Sender<()>,
}

impl Deref for WorkGuard<'_> {
    type Target = Work;
    fn deref(&self) -> &Work {
        self.told.of(self.vm.as_ref())
    }
}

impl DerefMut for WorkGuard<'_> {
    fn deref_mut(&mut self) -> &mut Work {
        self.changed = true;
        let told = &mut *self.told;
        let single = self.vm.as_ref().and_then(|vm| told.single.get_mut(vm));
        single.unwrap_or(&mut told.all)
    }
}

impl Drop for WorkGuard<'_> {
    fn drop(&mut self) {
        if self.changed {
            self.changes.send_replace(());
        }
    }
}
