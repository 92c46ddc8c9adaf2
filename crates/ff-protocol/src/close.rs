//! Close codes of our WebSockets (RFC 6455, 7.4; 4000 and up are ours).

/// The conversation is over: the terminal's shell ended.
pub const DONE: u16 = 1000;
/// The peer goes away; connect again.
pub const GOING_AWAY: u16 = 1001;
/// The peer broke the rules of this socket; connecting again would not help.
pub const POLICY: u16 = 1008;
/// A message is larger than this socket takes; sending it again would not help.
pub const TOO_LARGE: u16 = 1009;
/// A fault at the peer; connect again.
pub const FAULT: u16 = 1011;
/// The server restarts; connect again a little later.
pub const RESTART: u16 = 1012;
/// The way to the VM broke; connect again a little later.
pub const TRY_LATER: u16 = 1013;
/// The VM went to sleep. Connecting again wakes it, so do that only with something to say.
pub const SUSPENDED: u16 = 4001;
/// The workspace has moved to its other side.
pub const MOVED: u16 = 4002;

/// There is nothing by that name here; connecting again would not help.
pub const NOT_FOUND: u16 = 4004;

/// Whether a client comes back by itself after this code.
pub fn reconnects(code: u16) -> bool {
    matches!(code, GOING_AWAY | 1005 | 1006 | FAULT | RESTART | TRY_LATER)
}
