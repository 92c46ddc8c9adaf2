//! How many sockets are relayed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ff_protocol::{ErrorCode, VmId};

use super::inbox::Rooms;
use crate::{Error, Result};

/// Most sockets of one VM at a time.
const PER_VM: usize = 128;

/// Counts the sockets of each VM, and has room for what passes through them.
#[derive(Debug, Clone, Default)]
pub struct Relays {
    counts: Arc<Mutex<HashMap<VmId, usize>>>,
    rooms: Rooms,
}

/// A place among a VM's sockets; dropping it gives it back.
#[derive(Debug)]
pub struct Seat {
    relays: Relays,
    vm: VmId,
}

impl Relays {
    /// Nobody is seated.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a place.
    ///
    /// # Errors
    /// `limit_reached`.
    pub fn seat(&self, vm: &VmId) -> Result<Seat> {
        let mut counts = self.lock();
        let count = counts.entry(vm.clone()).or_default();
        if *count >= PER_VM {
            return Err(Error::refused(
                ErrorCode::LimitReached,
                format!("the VM has {PER_VM} open sockets, which is the limit"),
            )
            .hint("close some"));
        }
        *count += 1;
        Ok(Seat {
            relays: self.clone(),
            vm: vm.clone(),
        })
    }

    /// Room for bytes on their way.
    pub(super) fn rooms(&self) -> Rooms {
        self.rooms.clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<VmId, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.relays.lock();
        if let Some(count) = counts.get_mut(&self.vm) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.vm);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vm_has_so_many_places_and_gets_them_back() {
        let relays = Relays::new();
        let (vm, other) = (VmId::generate(), VmId::generate());
        let seats: Vec<_> = (0..PER_VM).map(|_| relays.seat(&vm).unwrap()).collect();
        let error = relays.seat(&vm).unwrap_err();
        assert_eq!(error.code(), ErrorCode::LimitReached);
        relays.seat(&other).unwrap();
        drop(seats);
        relays.seat(&vm).unwrap();
        assert!(relays.lock().is_empty());
    }
}
