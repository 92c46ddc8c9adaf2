use ff_testkit::github::GitHubFault;
use futures_util::future::join_all;

use super::*;

/// Long enough for twenty tasks to ask meanwhile.
const SLOW: Duration = Duration::from_millis(700);

#[tokio::test]
async fn twenty_identical_reads_at_once_are_one_process() {
    let world = World::new().await;
    let pull = world.open("one");
    world.stand_in.set_fault(Some(GitHubFault::Slow(SLOW)));
    let github = world.client();
    let reads = (0..20).map(|_| {
        let (github, pull) = (github.clone(), pull.clone());
        tokio::spawn(async move { github.pull_request(&pull).await })
    });
    for read in join_all(reads).await {
        assert_eq!(read.unwrap().unwrap().value.head_ref_name, "one");
    }
    assert_eq!(world.gh.runs().len(), 1, "{:?}", world.gh.runs());
    let asked = world.api_calls();
    github.pull_request(&pull).await.unwrap();
    assert_eq!(
        world.gh.runs().len(),
        2,
        "an old answer was given out again"
    );
    assert_eq!(
        world.api_calls(),
        2 * asked,
        "the twenty asked more than one"
    );
}

#[tokio::test]
async fn a_reader_that_goes_away_does_not_end_the_others() {
    let world = World::new().await;
    let pull = world.open("one");
    world.stand_in.set_fault(Some(GitHubFault::Slow(SLOW)));
    let github = world.client();
    let read = |github: &GitHub| {
        let (github, pull) = (github.clone(), pull.clone());
        tokio::spawn(async move { github.pull_request(&pull).await })
    };
    let (first, second) = (read(&github), read(&github));
    while world.gh.runs().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    first.abort();
    assert_eq!(second.await.unwrap().unwrap().value.number, 1);
    assert_eq!(world.gh.runs().len(), 1);
}

#[tokio::test]
async fn no_more_than_five_run_at_a_time() {
    let world = World::new().await;
    let pulls: Vec<Numbered> = (0..12).map(|n| world.open(&format!("b{n}"))).collect();
    world.stand_in.set_fault(Some(GitHubFault::Slow(SLOW)));
    let github = world.client();
    let reads = pulls.iter().map(|pull| github.pull_request(pull));
    for (read, pull) in join_all(reads).await.into_iter().zip(&pulls) {
        assert_eq!(read.unwrap().value.number, pull.number);
    }
    assert_eq!(world.gh.runs().len(), 12);
    assert_eq!(world.gh.most_at_once(), 5);
    assert!(github.processes().is_empty(), "they are still listed");
}
