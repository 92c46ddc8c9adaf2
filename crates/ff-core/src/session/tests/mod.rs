//! Sessions over a scripted CLI. What the real one does is tested where there is one.

mod crashes;
mod ends;
mod login;
mod requests;
mod settings;
mod turns;
pub(crate) mod world;
