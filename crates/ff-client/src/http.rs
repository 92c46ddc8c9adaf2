//! One HTTP peer: its address, our credentials, and the deadlines of calls to it.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use ff_protocol::agent::DEADLINE_HEADER;
use ff_protocol::{Problem, UserId};
use futures_util::{Stream, StreamExt};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ClientError, Result, transport};
use crate::secret::Secret;

/// Longest wait for a connection.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// Deadline of a call that reads or changes a record.
pub(crate) const SHORT: Duration = Duration::from_secs(60);
/// Deadline of a call that may have to wake a VM or start a CLI.
pub(crate) const WAKE: Duration = Duration::from_secs(180);
/// Deadline of a call that may clone or restore a repository.
pub(crate) const LONG: Duration = Duration::from_secs(660);
/// Longest time a transfer may stand still.
pub(crate) const STALL: Duration = Duration::from_secs(60);
/// How long a connection is kept between calls.
const IDLE: Duration = Duration::from_secs(15);
/// Largest JSON answer we take, in bytes.
const BODY_LIMIT: usize = 64 << 20;

const USER_HEADER: HeaderName = HeaderName::from_static("x-ff-user");

const DEADLINE: HeaderName = HeaderName::from_static(DEADLINE_HEADER);

/// The deadline as Unix time in milliseconds.
fn deadline_value(now: SystemTime, limit: Duration) -> HeaderValue {
    let now = now.duration_since(SystemTime::UNIX_EPOCH);
    let at = now.unwrap_or_default().saturating_add(limit).as_millis();
    HeaderValue::from(u64::try_from(at).unwrap_or(u64::MAX))
}

/// How we say who we are.
#[derive(Debug, Clone, Default)]
pub enum Auth {
    /// We do not.
    #[default]
    None,
    /// As this user, of a server in `--dev` mode (`X-FF-User`).
    User(UserId),
    /// With a token (`Authorization: Bearer`).
    Bearer(Secret),
}

impl Auth {
    /// The headers that carry it.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::None => {}
            Self::User(user) => {
                if let Ok(value) = HeaderValue::from_str(user.as_str()) {
                    headers.insert(USER_HEADER, value);
                }
            }
            Self::Bearer(token) => {
                let value = format!("Bearer {}", token.expose());
                if let Ok(mut value) = HeaderValue::from_str(&value) {
                    value.set_sensitive(true);
                    headers.insert(header::AUTHORIZATION, value);
                }
            }
        }
        headers
    }
}

/// Connections to any number of peers, kept for a little while between calls. Clones share them;
/// many clients over one of these need far less memory than each with its own. It must not be
/// used beyond the runtime it was first used in.
#[derive(Debug, Clone)]
pub struct Connections(reqwest::Client);

impl Connections {
    /// None yet.
    ///
    /// # Errors
    /// The system gives no access to its network settings.
    pub fn new() -> Result<Self> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .build()
            .map_err(|error| transport("the network", CONNECT, error))?;
        Ok(Self(client))
    }
}

/// A peer and how we speak to it.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    connections: Connections,
    base: String,
    address: String,
    auth: Auth,
    tells_deadlines: bool,
}

impl Http {
    pub(crate) fn new(base: &str, auth: Auth) -> Result<Self> {
        Self::over(Connections::new()?, base, auth)
    }

    /// A peer over connections that others use too.
    pub(crate) fn over(connections: Connections, base: &str, auth: Auth) -> Result<Self> {
        let bad = |why| ClientError::Address {
            url: base.chars().take(200).collect(),
            why,
        };
        let url = Url::parse(base).map_err(|_| bad("it is not a URL like http://host:3000"))?;
        if url.scheme() != "http" {
            return Err(bad("only http:// is supported so far"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            return Err(bad("leave out user, password and query"));
        }
        let host = url.host_str().ok_or_else(|| bad("it names no host"))?;
        let address = format!("{host}:{}", url.port_or_known_default().unwrap_or(80));
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self {
            connections,
            base,
            address,
            auth,
            tells_deadlines: false,
        })
    }

    /// The same peer, to whom we do not say who we are.
    pub(crate) fn anonymous(&self) -> Self {
        Self {
            auth: Auth::None,
            tells_deadlines: false,
            ..self.clone()
        }
    }

    /// The same peer, told with each call until when we wait for it ([`DEADLINE_HEADER`]).
    pub(crate) fn telling_deadlines(mut self) -> Self {
        self.tells_deadlines = true;
        self
    }

    /// Sends a request for whose answer we wait for `limit` at most.
    pub(crate) async fn dispatch(
        &self,
        request: RequestBuilder,
        limit: Duration,
    ) -> reqwest::Result<Response> {
        let mut headers = HeaderMap::new();
        if self.tells_deadlines {
            headers.insert(DEADLINE, deadline_value(SystemTime::now(), limit));
        }
        // In place of one that was passed on.
        request.headers(headers).send().await
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn auth(&self) -> &Auth {
        &self.auth
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.connections
            .0
            .request(method, format!("{}{path}", self.base))
            .headers(self.auth.headers())
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, limit: Duration) -> Result<T> {
        self.send(self.request(Method::GET, path), limit).await
    }

    pub(crate) async fn post<B, T>(&self, path: &str, body: &B, limit: Duration) -> Result<T>
    where
        B: Serialize + ?Sized,
        T: DeserializeOwned,
    {
        let request = self.request(Method::POST, path).json(body);
        self.send(request, limit).await
    }

    /// `POST` without a body.
    pub(crate) async fn post_empty<T: DeserializeOwned>(
        &self,
        path: &str,
        limit: Duration,
    ) -> Result<T> {
        self.send(self.request(Method::POST, path), limit).await
    }

    /// Sends a request whose answer has no content of interest.
    pub(crate) async fn unit(&self, request: RequestBuilder, limit: Duration) -> Result<()> {
        self.within(limit, async {
            self.checked(request, limit).await.map(|_| ())
        })
        .await
    }

    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        limit: Duration,
    ) -> Result<T> {
        self.within(limit, async {
            let response = self.checked(request, limit).await?;
            let status = response.status().as_u16();
            let body = self.body(response, limit).await?;
            serde_json::from_slice(&body)
                .map_err(|error| self.unexpected(Some(status), error.to_string()))
        })
        .await
    }

    /// Sends, and turns an error status into [`ClientError::Problem`].
    pub(crate) async fn checked(
        &self,
        request: RequestBuilder,
        limit: Duration,
    ) -> Result<Response> {
        let response = self
            .dispatch(request, limit)
            .await
            .map_err(|error| transport(&self.address, limit, error))?;
        self.accept(response, limit).await
    }

    /// Turns an answer with an error status into the error it stands for.
    pub(crate) async fn accept(&self, response: Response, limit: Duration) -> Result<Response> {
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = self.body(response, limit).await?;
        Err(self.refusal(status, &body))
    }

    /// The error an answer with an error status stands for.
    pub(crate) fn refusal(&self, status: u16, body: &[u8]) -> ClientError {
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => ClientError::Problem(problem),
            Err(_) => self.unexpected(Some(status), format!("HTTP status {status}")),
        }
    }

    pub(crate) fn unexpected(&self, status: Option<u16>, detail: String) -> ClientError {
        ClientError::Unexpected {
            address: self.address.clone(),
            status,
            detail,
        }
    }

    pub(crate) fn timeout(&self, after: Duration) -> ClientError {
        ClientError::Timeout {
            address: self.address.clone(),
            after,
        }
    }

    async fn within<T>(&self, limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::time::timeout(limit, work)
            .await
            .unwrap_or_else(|_| Err(self.timeout(limit)))
    }

    async fn body(&self, response: Response, limit: Duration) -> Result<Bytes> {
        let status = response.status().as_u16();
        let mut stream = self.chunks(response, limit);
        let mut body = BytesMut::new();
        while let Some(chunk) = stream.next().await {
            body.extend_from_slice(&chunk?);
            if body.len() > BODY_LIMIT {
                return Err(self.unexpected(Some(status), "its body is too large".into()));
            }
        }
        Ok(body.freeze())
    }

    /// The body as it comes; `stall` is the longest time between two chunks.
    pub(crate) fn chunks(
        &self,
        response: Response,
        stall: Duration,
    ) -> impl Stream<Item = Result<Bytes>> + Send + Unpin + 'static + use<> {
        let address = self.address.clone();
        Box::pin(futures_util::stream::unfold(
            Some((response, address)),
            move |state| async move {
                let (mut response, address) = state?;
                match tokio::time::timeout(stall, response.chunk()).await {
                    Ok(Ok(Some(chunk))) => Some((Ok(chunk), Some((response, address)))),
                    Ok(Ok(None)) => None,
                    Ok(Err(error)) => Some((Err(transport(&address, stall, error)), None)),
                    Err(_) => Some((
                        Err(ClientError::Timeout {
                            address,
                            after: stall,
                        }),
                        None,
                    )),
                }
            },
        ))
    }
}
