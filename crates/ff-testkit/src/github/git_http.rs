use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, timeout_at};
use tokio_util::io::{ReaderStream, StreamReader};
use tokio_util::task::AbortOnDropHandle;

use super::repositories::is_name;

const MAX_CGI_HEADER: u64 = 16 * 1024;
const SERVICES: [&str; 2] = ["git-upload-pack", "git-receive-pack"];

/// A request for one of git's smart HTTP services, with every part checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GitPath {
    pub(super) owner: String,
    pub(super) name: String,
    service: &'static str,
    advertise: bool,
}

impl GitPath {
    /// Reads `/<owner>/<name>[.git]/info/refs`, `…/git-upload-pack` or `…/git-receive-pack`.
    pub(super) fn parse(method: &Method, path: &str, query: Option<&str>) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let (owner, name, service, advertise) = match (method, &parts[..]) {
            (&Method::GET, [owner, name, "info", "refs"]) => {
                (owner, name, query?.strip_prefix("service=")?, true)
            }
            (&Method::POST, [owner, name, service]) => (owner, name, *service, false),
            _ => return None,
        };
        let service = SERVICES.into_iter().find(|known| *known == service)?;
        let name = name.strip_suffix(".git").unwrap_or(name);
        (is_name(owner) && is_name(name)).then(|| Self {
            owner: (*owner).to_owned(),
            name: name.to_owned(),
            service,
            advertise,
        })
    }

    fn path_info(&self) -> String {
        let end = if self.advertise {
            "info/refs"
        } else {
            self.service
        };
        format!("/{}/{}.git/{end}", self.owner, self.name)
    }

    fn query(&self) -> String {
        if self.advertise {
            format!("service={}", self.service)
        } else {
            String::new()
        }
    }
}

/// One run of `git http-backend`; dropping it ends the process.
struct Backend {
    stdout: ReaderStream<BufReader<ChildStdout>>,
    deadline: Instant,
    child: Child,
    _stdin: AbortOnDropHandle<()>,
}

/// Answers through `git http-backend`, with both bodies streamed.
pub(super) async fn serve(
    exec_path: &Path,
    root: &Path,
    git: &GitPath,
    login: &str,
    head: &Parts,
    body: Body,
    limit: Duration,
) -> Result<Response> {
    let deadline = Instant::now() + limit;
    let mut command = Command::new(exec_path.join("git-http-backend"));
    set_environment(&mut command, root, git, login, head);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut child = command.spawn().context("run git http-backend")?;
    let stdin = child.stdin.take().context("no stdin")?;
    let stdin = AbortOnDropHandle::new(tokio::spawn(feed(body, stdin)));
    let mut stdout = BufReader::new(child.stdout.take().context("no stdout")?);
    let (status, headers) = timeout_at(deadline, read_header(&mut stdout))
        .await
        .context("timed out")??;
    let backend = Backend {
        stdout: ReaderStream::new(stdout),
        deadline,
        child,
        _stdin: stdin,
    };
    let body = Body::from_stream(futures_util::stream::unfold(Some(backend), next_chunk));
    Ok((status, headers, body).into_response())
}

fn set_environment(command: &mut Command, root: &Path, git: &GitPath, login: &str, head: &Parts) {
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("HOME", root)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", head.method.as_str())
        .env("PATH_INFO", git.path_info())
        .env("QUERY_STRING", git.query())
        .env("REMOTE_USER", login)
        .env("REMOTE_ADDR", "127.0.0.1")
        .env(
            "CONTENT_TYPE",
            header(header::CONTENT_TYPE.as_str()).unwrap_or_default(),
        )
        .envs(header("content-length").map(|length| ("CONTENT_LENGTH", length)))
        .envs(header("content-encoding").map(|encoding| ("HTTP_CONTENT_ENCODING", encoding)))
        .envs(header("git-protocol").map(|protocol| ("GIT_PROTOCOL", protocol)));
}

async fn feed(body: Body, mut stdin: ChildStdin) {
    let mut reader = StreamReader::new(body.into_data_stream().map_err(io::Error::other));
    if let Err(error) = tokio::io::copy(&mut reader, &mut stdin).await {
        tracing::debug!(%error, "request body not delivered to git");
    }
}

async fn read_header(stdout: &mut (impl AsyncBufRead + Unpin)) -> Result<(StatusCode, HeaderMap)> {
    let mut status = StatusCode::OK;
    let mut headers = HeaderMap::new();
    let mut stdout = stdout.take(MAX_CGI_HEADER);
    loop {
        let mut line = String::new();
        if stdout.read_line(&mut line).await? == 0 {
            bail!("git http-backend ended inside its header");
        }
        let line = line.trim_end();
        if line.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = line.split_once(": ").context("malformed CGI header")?;
        if name.eq_ignore_ascii_case("status") {
            status = value.split(' ').next().unwrap_or_default().parse()?;
        } else {
            headers.append(header::HeaderName::try_from(name)?, value.parse()?);
        }
    }
}

async fn next_chunk(backend: Option<Backend>) -> Option<(io::Result<Bytes>, Option<Backend>)> {
    let mut backend = backend?;
    match timeout_at(backend.deadline, backend.stdout.next()).await {
        Ok(Some(chunk)) => Some((chunk, Some(backend))),
        Ok(None) => {
            let ended = timeout_at(backend.deadline, backend.child.wait()).await;
            tracing::debug!(?ended, "git http-backend ended");
            None
        }
        Err(_) => Some((Err(io::ErrorKind::TimedOut.into()), None)),
    }
}

#[cfg(test)]
#[path = "git_http_tests.rs"]
mod tests;
