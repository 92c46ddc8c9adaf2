//! What an agent answers: the agent's own routes, and whatever the test wants it to serve.

use std::time::{Duration, Instant};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Query, Request};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use ff_protocol::agent::{
    DEADLINE_HEADER, HEALTH_PATH, HELLO_PATH, Health, Hello, QUIESCE_PATH, Quiesce, Quiesced,
    REPORTS_PATH, SuspendTier,
};
use ff_protocol::onboarding::Onboarding;
use ff_protocol::{ErrorCode, PROTOCOL_GENERATION, Problem};
use futures_util::stream;
use tokio::sync::watch;
use tower::ServiceExt;

use super::agent::{At, no_machine};
use super::work::Work;
use super::world::InForce;
use crate::clock;

/// How often a stream of reports shows that it lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// Executes a request that the machine's agent reads now.
pub async fn execute(at: At, request: Request) -> Response {
    if is_too_late(request.headers()) {
        return refuse(Problem::new(
            ErrorCode::Timeout,
            "the request came after its deadline, and was not executed",
        ));
    }
    let path = request.uri().path();
    if request.method() == Method::GET && path == HELLO_PATH {
        return hello(&at, request.uri());
    }
    let onboarding = path == format!("/api/vms/{}/onboarding", at.vm);
    if onboarding || path.starts_with("/agent/") {
        return match at.admits(request.headers()) {
            None => no_machine(),
            Some(false) => StatusCode::UNAUTHORIZED.into_response(),
            Some(true) if onboarding => onboarding_answer(),
            Some(true) => own(at, request).await,
        };
    }
    let quiesced = |run: &mut super::world::Running| run.quiesced().is_some();
    let asked = request.method() != Method::GET;
    if asked && at.world.with_run(&at.vm, at.start, quiesced) != Some(false) {
        return refuse(Problem::new(
            ErrorCode::Quiesced,
            "the VM is about to sleep and executes nothing",
        ));
    }
    let Ok(response) = at.world.engine().oneshot(request).await;
    response
}

/// A deadline that cannot be read counts as passed: the request must not be executed late.
fn is_too_late(headers: &HeaderMap) -> bool {
    let Some(deadline) = headers.get(DEADLINE_HEADER) else {
        return false;
    };
    let deadline = deadline.to_str().ok().and_then(|text| text.parse().ok());
    deadline.is_none_or(|deadline: i64| deadline <= clock::now().timestamp_millis())
}

async fn own(at: At, request: Request) -> Response {
    let path = request.uri().path();
    if *request.method() == Method::GET {
        return match path {
            HEALTH_PATH => {
                let work = at.world.works.ask(&at.vm);
                at.report(work).map_or_else(no_machine, Json::into_response)
            }
            REPORTS_PATH => reports(at),
            _ => StatusCode::NOT_FOUND.into_response(),
        };
    }
    if *request.method() == Method::POST && path == QUIESCE_PATH {
        return match Json::<Quiesce>::from_request(request, &()).await {
            Ok(Json(asked)) => quiesce(&at, asked),
            Err(refused) => refused.into_response(),
        };
    }
    let ended = path
        .strip_prefix(QUIESCE_PATH)
        .and_then(|rest| rest.strip_prefix('/'));
    match (request.method(), ended) {
        (&Method::DELETE, Some(id)) => end_quiesce(&at, id),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

impl At {
    fn admits(&self, headers: &HeaderMap) -> Option<bool> {
        self.world.with_run(&self.vm, self.start, |run| {
            let expected = format!("Bearer {}", run.token.expose());
            headers
                .get(header::AUTHORIZATION)
                .is_some_and(|given| given.as_bytes() == expected.as_bytes())
        })
    }

    fn report(&self, work: Work) -> Option<Json<Health>> {
        self.world.with_run(&self.vm, self.start, |run| {
            Json(Health {
                vm_id: self.vm.clone(),
                working: work.working,
                holding: work.holding,
                quiesced: run.quiesced().map(str::to_owned),
                next_wake_at: work.next_wake_at,
                notices: work.notices,
                login_required: work.login_required,
                last_active_at: clock::now() - chrono::TimeDelta::seconds(work.quiet_seconds),
                uptime_seconds: run.since.elapsed().as_secs(),
            })
        })
    }
}

#[derive(serde::Deserialize)]
struct Nonce {
    nonce: String,
}

fn hello(at: &At, uri: &Uri) -> Response {
    let Ok(Query(Nonce { nonce })) = Query::try_from_uri(uri) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let proof =
        |run: &mut super::world::Running| ff_client::proof::proof(&run.token, &at.vm, &nonce);
    match at.world.with_run(&at.vm, at.start, proof) {
        None => no_machine(),
        Some(proof) => Json(Hello {
            vm_id: at.vm.clone(),
            generation: PROTOCOL_GENERATION,
            version: "sim".to_owned(),
            proof,
        })
        .into_response(),
    }
}

/// A stream of reports: what it sent last, and what it waits for.
struct Reports {
    at: At,
    changes: watch::Receiver<()>,
    frozen: watch::Receiver<bool>,
    sent: Option<Work>,
}

impl Reports {
    /// The next line; `None` once the machine's run is over.
    async fn next(mut self) -> Option<(Result<Bytes, std::convert::Infallible>, Self)> {
        let due = tokio::time::sleep(SIGN_OF_LIFE);
        tokio::pin!(due);
        let mut is_due = self.sent.is_none();
        loop {
            if *self.frozen.borrow_and_update() {
                // It has no CPU, and no time goes by for it.
                self.frozen.wait_for(|frozen| !frozen).await.ok()?;
                is_due = true;
            }
            self.changes.borrow_and_update();
            let work = self.at.world.works.now(&self.at.vm);
            if is_due || !self.sent.as_ref().is_some_and(|sent| sent.same(&work)) {
                let report = self.at.report(work.clone())?;
                let mut line = serde_json::to_vec(&report.0).ok()?;
                line.push(b'\n');
                self.sent = Some(work);
                return Some((Ok(line.into()), self));
            }
            tokio::select! {
                () = self.at.stop.cancelled() => return None,
                () = &mut due => is_due = true,
                changed = self.changes.changed() => changed.ok()?,
                changed = self.frozen.changed() => changed.ok()?,
            }
        }
    }
}

fn reports(at: At) -> Response {
    let subscribe = |run: &mut super::world::Running| run.frozen.subscribe();
    let Some(frozen) = at.world.with_run(&at.vm, at.start, subscribe) else {
        return no_machine();
    };
    let reports = Reports {
        changes: at.world.works.changes(),
        frozen,
        at,
        sent: None,
    };
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (
        kind,
        Body::from_stream(stream::unfold(reports, Reports::next)),
    )
        .into_response()
}

fn quiesce(at: &At, asked: Quiesce) -> Response {
    let work = at.world.works.now(&at.vm);
    let ttl = Duration::from_secs(asked.ttl_seconds.into());
    let begun = at.world.with_run(&at.vm, at.start, |run| {
        let again = run.quiesced() == Some(asked.id.as_str());
        if !again && let Some(why) = busy(&asked, &work) {
            return Err(why);
        }
        run.quiesce = Some(InForce {
            id: asked.id,
            until: Instant::now() + ttl,
        });
        Ok(())
    });
    match begun {
        None => no_machine(),
        Some(Err(why)) => refuse(Problem::new(ErrorCode::Busy, why)),
        Some(Ok(())) => Json(Quiesced {
            holding: work.holding,
            next_wake_at: work.next_wake_at,
        })
        .into_response(),
    }
}

/// Why the VM cannot sleep so deep, if it cannot.
fn busy(asked: &Quiesce, work: &Work) -> Option<String> {
    let names = |causes: &[ff_protocol::agent::Cause]| {
        let names: Vec<_> = causes.iter().map(|cause| cause.name.as_str()).collect();
        names.join(", ")
    };
    if !work.working.is_empty() {
        return Some(format!("at work: {}", names(&work.working)));
    }
    if u64::try_from(work.quiet_seconds).unwrap_or(0) < asked.idle_seconds {
        return Some(format!(
            "something worked {} s ago, less than {} s",
            work.quiet_seconds, asked.idle_seconds
        ));
    }
    let held = asked.tier == SuspendTier::Stopped && !asked.let_go && !work.holding.is_empty();
    held.then(|| format!("a stop would end: {}", names(&work.holding)))
}

/// Ends the quiesce of this id; another stays in force.
fn end_quiesce(at: &At, id: &str) -> Response {
    let ended = at.world.with_run(&at.vm, at.start, |run| {
        if run.quiesced() == Some(id) {
            run.quiesce = None;
        }
    });
    match ended {
        None => no_machine(),
        Some(()) => StatusCode::NO_CONTENT.into_response(),
    }
}

fn onboarding_answer() -> Response {
    Json(Onboarding {
        next_step: Some("log in".to_owned()),
        ..Onboarding::default()
    })
    .into_response()
}

fn refuse(problem: Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::CONFLICT);
    let kind = [(header::CONTENT_TYPE, Problem::MEDIA_TYPE)];
    (
        status,
        kind,
        serde_json::to_vec(&problem).unwrap_or_default(),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use ff_protocol::agent::{Cause, CauseKind};

    use super::*;

    fn cause(name: &str) -> Vec<Cause> {
        vec![Cause {
            kind: CauseKind::Turn,
            name: name.to_owned(),
            since: clock::now(),
        }]
    }

    #[test]
    fn only_what_is_quiet_for_long_enough_and_holds_nothing_stops() {
        let mut asked = Quiesce {
            id: "q".to_owned(),
            tier: SuspendTier::Stopped,
            ttl_seconds: 10,
            idle_seconds: 60,
            let_go: false,
        };
        let mut work = Work {
            quiet_seconds: 60,
            ..Work::default()
        };
        assert_eq!(busy(&asked, &work), None);
        work.holding = cause("a question");
        assert!(busy(&asked, &work).unwrap().contains("a question"));
        asked.let_go = true;
        assert_eq!(busy(&asked, &work), None);
        asked.let_go = false;
        asked.tier = SuspendTier::Frozen;
        assert_eq!(busy(&asked, &work), None);
        work.quiet_seconds = 59;
        assert!(busy(&asked, &work).is_some());
        work.quiet_seconds = 3600;
        work.working = cause("a turn");
        assert!(busy(&asked, &work).unwrap().contains("a turn"));
    }

    #[test]
    fn a_deadline_counts_in_milliseconds_and_one_that_is_no_number_has_passed() {
        let with = |text: &str| {
            HeaderMap::from_iter([(
                header::HeaderName::from_static(DEADLINE_HEADER),
                text.parse().unwrap(),
            )])
        };
        let now = clock::now().timestamp_millis();
        assert!(!is_too_late(&HeaderMap::new()));
        assert!(!is_too_late(&with(&(now + 60_000).to_string())));
        assert!(is_too_late(&with(&(now - 1).to_string())));
        assert!(is_too_late(&with("soon")));
    }
}
