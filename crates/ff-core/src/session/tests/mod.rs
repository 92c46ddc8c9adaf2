//! Sessions over a scripted CLI. What the real one does is tested where there is one.

mod ends;
mod requests;
mod turns;
mod world;
