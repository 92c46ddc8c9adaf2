//! Relay of WebSockets between clients and agents. It follows the headers of frames and passes
//! frames on as they stand: no payload is unmasked, decoded or framed anew.
//!
//! Control frames are each leg's own: pings are answered here, pongs end here, and ours are placed
//! between two frames of the other side. Nothing is read from one leg that the other does not take.
//!
//! A client's socket stays open while its VM is frozen. Then nothing is sent to the agent, not
//! even a ping, and its silence means nothing. Input wakes the VM and is passed on when it is
//! awake, once and in order; other messages wait for that without waking it.

mod control;
mod follower;
mod gate;
mod inbox;
mod open;
mod pump;
mod relays;
mod side;
mod way;

pub use gate::Kind;
pub use open::{Caller, relay};
pub use relays::Relays;
