//! Random working states that go and come back, compared by plain git, `find` and `sha256sum`.

use std::panic::AssertUnwindSafe;

use ff_testkit::states::{
    BASE, HOME, Here, Random, Shell, Story, Table, after, differences, look, stories,
};

use futures_util::FutureExt;

use super::world::World;

const REPOSITORIES: usize = 20;
/// How often each kind comes, at least.
const FEWEST: usize = 2;
const SEED: u64 = 6;

#[tokio::test]
async fn random_working_states_go_and_come_back_as_they_were() {
    let seed = std::env::var("FF_STATES_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    let only = std::env::var("FF_STATES_ONLY").map(|number| number.parse::<usize>().unwrap());
    let (mut table, mut failures) = (Table::default(), Vec::new());
    for (number, story) in stories(seed, REPOSITORIES).into_iter().enumerate() {
        if only.as_ref().is_ok_and(|only| *only != number) {
            continue;
        }
        table.add(&story);
        let played = AssertUnwindSafe(play(&story)).catch_unwind().await;
        let found = played.unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<String>().cloned();
            vec![format!("broke down: {}", said.unwrap_or_default())]
        });
        for failure in found {
            failures.push(format!("{number} {:?}: {failure}", story.kinds));
        }
    }
    let table_text = table.text();
    assert!(failures.is_empty(), "{table_text}{}", failures.join("\n"));
    if only.is_err() {
        assert_eq!(table.rare(FEWEST), [""; 0], "{table_text}");
    }
}

/// What did not hold.
async fn play(story: &Story) -> Vec<String> {
    let world = World::with(&format!("{HOME}{BASE}")).await;
    let mut random = Random::new(story.seed);
    let (home, dir) = (world.vm.home.clone(), world.vm.home.clone());
    Here { home, dir }.run(HOME).unwrap();
    let here = world.place(&world.desktop).await;

    here.run(story.stays.make).unwrap();
    let begun = world
        .desktop
        .core
        .handoff_begin_send(&world.workspace.id, false);
    let (name, named) = (story.stays.name, story.stays.named);
    match begun.await {
        Err(refusal) if refusal.to_string().contains(named) => {}
        said => return vec![format!("with a {name} the send says {said:?}")],
    }
    here.run(story.stays.undo).unwrap();

    for kind in &story.kinds {
        if let Err(error) = here.run(&kind.script(&mut random)) {
            return vec![format!("{kind:?} cannot be made: {error:#}")];
        }
    }
    let sent = look(&here).unwrap();
    let there = world.send().await;
    let in_vm = world.place(&world.vm).await;
    let arrived = look(&in_vm).unwrap();
    let mut failures = differences(&sent, &arrived);
    failures
        .iter_mut()
        .for_each(|it| it.insert_str(0, "send: "));

    if let Err(error) = in_vm.run(&after(&mut random)) {
        failures.push(format!("nothing can be done there: {error:#}"));
    }
    let sent = look(&in_vm).unwrap();
    world.pull(there.epoch).await;
    let back = look(&here).unwrap();
    let lost = differences(&sent, &back);
    failures.extend(lost.into_iter().map(|it| format!("pull: {it}")));
    failures
}
