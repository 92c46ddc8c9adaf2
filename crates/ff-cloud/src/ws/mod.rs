//! Relay of WebSockets between clients and agents. It never decodes a payload.
//!
//! A client's socket stays open while its VM is frozen. Then nothing is sent to the agent, not
//! even a ping, and its silence means nothing. Input wakes the VM and is passed on when it is
//! awake, once and in order; other messages wait for that without waking it.

mod frame;
mod held;
mod open;
mod pump;
mod relays;
mod side;
mod up;

pub use held::Kind;
pub use open::{Caller, relay};
pub use relays::Relays;
