//! Stands in for the agent while the relay is measured: `ff-cloud serve --dev --provider process
//! --agent-binary ff-raw-agent`.

use ff_testkit::raw_agent::Agent;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    Agent::from_env()?.serve().await
}
