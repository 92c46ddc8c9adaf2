//! A minimal HTTPS client and git runner that trust the stand-in's CA.
#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use ff_testkit::github::{Account, GitHub, GitHubConfig};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_rustls::TlsConnector;

pub struct Fixture {
    pub github: GitHub,
    pub dir: TempDir,
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Value,
}

impl Fixture {
    pub async fn start() -> Result<Self> {
        Self::start_with(GitHubConfig::default()).await
    }

    pub async fn start_with(config: GitHubConfig) -> Result<Self> {
        let github = GitHub::start(GitHubConfig {
            bind: "127.0.0.1:0".parse()?,
            ..config
        })
        .await?;
        let dir = TempDir::new()?;
        std::fs::write(dir.path().join("ca.pem"), github.ca_pem())?;
        Ok(Self { github, dir })
    }

    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Runs git and returns whether it succeeded, with its output.
    pub async fn git(&self, dir: &Path, args: &[&str]) -> Result<(bool, String)> {
        let output = Command::new("git")
            .current_dir(dir)
            .args([
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.com",
                "-c",
                "credential.helper=",
            ])
            .args(args)
            .env("GIT_SSL_CAINFO", self.ca_file())
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .await?;
        let text = [output.stdout, output.stderr].concat();
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        ))
    }

    /// `https://<login>:<token>@localhost:<port>/<path>`.
    pub fn login_url(&self, path: &str) -> String {
        let account = Account::new("octo", 1);
        let rest = self.github.url().replace("https://", "");
        format!("https://{}:{}@{rest}/{path}", account.login, account.token)
    }

    /// Sends one request and reads the answer.
    pub async fn request(
        &self,
        host: &str,
        line: &str,
        auth: Option<&str>,
        body: &str,
    ) -> Result<Answer> {
        let auth = auth
            .map(|auth| format!("Authorization: {auth}\r\n"))
            .unwrap_or_default();
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\n{auth}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        self.exchange(host, &request).await
    }

    /// Sends raw bytes over TLS and reads the answer.
    pub async fn exchange(&self, host: &str, request: &str) -> Result<Answer> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(
            self.github.ca_pem().as_bytes(),
        )?)?;
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
        let tcp = TcpStream::connect(self.github.addr()).await?;
        let name = ServerName::try_from(host.to_owned())?;
        let mut tls = TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await?;
        tls.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        tls.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no header end")?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        Ok(Answer {
            status,
            head: head.to_ascii_lowercase(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        })
    }
}
