//! Hand-offs between the real `ff`, the real server and the real agent in a container of the built
//! image, when something comes in between.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod cut;
mod keeping;
mod meanwhile;
mod race;
mod restored;
mod secrets;

use common::Desktop;
use common::server::Server;

/// A desktop with a workspace `demo`, connected to a server with a VM that is a container.
async fn connected() -> (Desktop, Server) {
    let desktop = Desktop::with_workspace();
    let server = Server::with_container_for(&desktop).await;
    desktop.ok(&["cloud", "connect", &server.url, "--user", "test-user"]);
    (desktop, server)
}

/// Location, whether it is moving, epoch.
fn place(desktop: &Desktop) -> (String, bool, u64) {
    let shown = desktop.json(&["workspace", "show", "demo"]);
    let location = shown["location"].as_str().unwrap().to_owned();
    let moving = shown["moving"].as_bool().unwrap();
    (location, moving, shown["epoch"].as_u64().unwrap())
}

/// Bytes that do not get smaller in a bundle.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()
    };
    let bytes = std::iter::repeat_with(next).flatten();
    bytes.take(length).collect()
}
