//! Runs the stand-ins until Ctrl-C, for use by hand, and prints how to reach them.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use ff_testkit::github::{Account, GitHub, GitHubConfig};
use ff_testkit::messages::MessagesApi;

#[derive(Parser)]
#[command(about = "Run stand-ins for the Messages API and GitHub")]
struct Options {
    /// Where the Messages API listens
    #[arg(long, default_value = "127.0.0.1:0")]
    messages: SocketAddr,
    /// Where GitHub listens (github.com itself is reached on port 443 only)
    #[arg(long, default_value = "127.0.0.1:0")]
    github: SocketAddr,
    /// More names and addresses for GitHub's certificate
    #[arg(long)]
    name: Vec<String>,
    /// Keep GitHub's repositories in this directory
    #[arg(long)]
    repositories: Option<PathBuf>,
    /// Where to write GitHub's CA certificate
    #[arg(long, default_value = "stand-in-ca.pem")]
    ca_file: PathBuf,
    /// Make these repositories, as OWNER/NAME
    #[arg(long, default_value = "octo/demo")]
    repo: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let account = Account::new("octo", 1);
    let api = MessagesApi::start(options.messages).await?;
    let github = GitHub::start(GitHubConfig {
        bind: options.github,
        names: options.name,
        repositories: options.repositories,
        accounts: vec![account.clone()],
        ..GitHubConfig::default()
    })
    .await?;
    std::fs::write(&options.ca_file, github.ca_pem())?;
    for repo in &options.repo {
        let (owner, name) = repo.split_once('/').context("a repository is OWNER/NAME")?;
        if !github
            .repositories_dir()
            .join(owner)
            .join(format!("{name}.git"))
            .exists()
        {
            github.create_repo(owner, name).await?;
        }
    }
    let ca = options.ca_file.canonicalize()?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "export ANTHROPIC_BASE_URL={} ANTHROPIC_API_KEY={}",
        api.url(),
        api.api_key()
    )?;
    writeln!(
        out,
        "export SSL_CERT_FILE={0} GIT_SSL_CAINFO={0}",
        ca.display()
    )?;
    writeln!(
        out,
        "# GitHub listens on {}, also {}",
        github.addr(),
        github.url()
    )?;
    writeln!(out, "# user {}, token {}", account.login, account.token)?;
    drop(out);
    tokio::signal::ctrl_c().await?;
    github.shutdown().await;
    api.shutdown().await;
    Ok(())
}
