//! The way in from the original application, and back.

#![allow(clippy::unwrap_used)]

mod again;
mod database;
mod places;
mod round_trip;
mod transcripts;
mod world;
