//! What follows from the records of a workspace: pure functions without I/O or clock.
//!
//! The rules are those of the original application, version 0.4.6, so that its users find what
//! they know. Each module has its rules as a table; where the original contradicts itself the
//! module says which answer is taken.
//!
//! ```text
//! checks --ci--> CiStatus --+
//! gh pr  --pr--> PrState ---+--ratchet--> RatchetState --flow--> FlowState --+
//!                                                                            +--status--> StatusReason
//! sessions --sessions--> Activity -------------------------------------------+
//! status, worktree, error --init--> InitPolicy
//! ```

pub mod ci;
pub mod flow;
pub mod init;
pub mod pr;
pub mod ratchet;
pub mod sessions;
pub mod sidebar;
pub mod status;

#[cfg(test)]
mod tests;
