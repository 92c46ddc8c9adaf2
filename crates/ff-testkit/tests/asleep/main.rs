//! What the sleep of VMs promises, on real Docker with the real CLI and `gh`, looked at from
//! outside.
//!
//! Most of it is waiting, so the stories run side by side, each with a server, stand-ins and a VM
//! of its own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod build;
mod idle;
mod long;
mod moves;
#[path = "../support/stage.rs"]
mod stage;
mod stopped;
mod tab;
mod vm;

use std::time::Duration;

use futures_util::future::LocalBoxFuture;

type Story = fn() -> LocalBoxFuture<'static, ()>;

/// Longest a story may take, whatever it waits for.
const DEADLINE: Duration = Duration::from_secs(240);

const STORIES: &[(&str, Story)] = &[
    ("a stopped VM comes back for a prompt", || {
        Box::pin(stopped::story())
    }),
    ("thoughts keep a VM awake, a tab does not", || {
        Box::pin(idle::story())
    }),
    ("a build keeps a VM awake until it ends", || {
        Box::pin(build::story())
    }),
    ("a long freeze ends nothing", || Box::pin(long::story())),
];

#[test]
fn a_vm_sleeps_when_nothing_works_and_comes_back_as_it_was() {
    let tell = |story: Story| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let told = async { tokio::time::timeout(DEADLINE, story()).await };
        runtime.unwrap().block_on(told).expect("it takes too long");
    };
    let failed: Vec<&str> = std::thread::scope(|scope| {
        let begin = |&(name, story): &(&'static str, Story)| {
            // The name is in what a panic says.
            let thread = std::thread::Builder::new().name(name.to_owned());
            let thread = thread.spawn_scoped(scope, move || tell(story));
            (name, thread.unwrap())
        };
        let begun: Vec<_> = STORIES.iter().map(begin).collect();
        let ended = begun.into_iter().map(|(name, story)| (name, story.join()));
        let failed = ended.filter(|(_, end)| end.is_err());
        failed.map(|(name, _)| name).collect()
    });
    assert!(failed.is_empty(), "{failed:?}");
}
