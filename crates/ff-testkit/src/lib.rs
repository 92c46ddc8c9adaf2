//! Stand-ins for what a test machine cannot reach, and the journey that uses them.
//!
//! [`messages`] plays the Anthropic Messages API, [`login`] the host that renews its logins, [`github`] plays GitHub's
//! API and its git host, [`journey`] walks the main job from end to end, [`bench`] measures it ([`raw_agent`] the relay in it), [`chaos`] kills
//! the server in it, [`sessions_chaos`] kills server, agent and CLI in the turns of sessions,
//! [`terminals_chaos`] breaks what is between a terminal and its viewer, and [`handoff_chaos`] kills, fills disks and cuts streams in
//! moves.

pub mod bench;
pub mod capture;
pub mod chaos;
pub mod container;
pub mod github;
pub mod handoff_chaos;
pub mod handoff_states;
pub mod journey;
pub mod link;
pub mod login;
pub mod messages;
pub mod raw_agent;
mod request_log;
mod server;
pub mod sessions_chaos;
pub mod states;
pub mod terminals_chaos;
mod tunnel;
