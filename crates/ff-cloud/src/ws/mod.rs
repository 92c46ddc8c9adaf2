//! Relay of WebSockets between clients and agents. It never decodes a payload.

mod frame;
mod open;
mod pump;
mod relays;

pub use open::{Caller, relay};
pub use relays::Relays;
