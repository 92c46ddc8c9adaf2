//! Server, agent and CLI, each killed once in each moment of a turn, while three clients follow.

#![allow(clippy::unwrap_used)]

#[path = "support/stage.rs"]
mod stage;

use ff_testkit::sessions_chaos::{self, Moment, Settings, Victim};
use stage::options;

#[tokio::test(flavor = "multi_thread")]
async fn sessions_survive_the_death_of_server_agent_and_cli() {
    let options = options();
    let settings = Settings {
        programs: options.programs,
        image: options.image,
        seed: 1,
        rounds: 1,
        only: None,
    };
    let report = sessions_chaos::run(settings, |line| println!("{line}"))
        .await
        .unwrap();
    println!("{}", report.text());
    assert_eq!(report.failures, [""; 0]);
    assert_eq!(report.hits.len(), Victim::ALL.len() * Moment::ALL.len());
}
