//! Judges samples of derivations: each row has the inputs and what the original computed.
//!
//! A file is a list of rows, `{"in": …, "out": …}` or `{"rollup": …, "viaPrSync": …, "viaRatchet": …,
//! "snapshotKey": …}`, or `{"inputs": […names], "outputs": […names], "rows": [[[…], […]], …]}`.
//! Which derivation it is of shows in its fields.

use anyhow::{Context as _, bail};
use ff_core::derive::{ci, flow, init, pr, ratchet, sessions, status};
use ff_core::ratchet::snapshot;
use ff_protocol::derived::PendingRequest;
use ff_protocol::workspace::{CiStatus, PrState};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// What came of a file.
pub struct Report {
    /// The derivation that its rows are samples of.
    pub derivation: &'static str,
    /// Rows whose result is the original's.
    pub passed: usize,
    /// Rows on which the original's two readings differ, and ours is the one that was chosen.
    pub chosen: usize,
    /// The other rows: input, what was expected, what came.
    pub failed: Vec<String>,
}

impl Report {
    /// All rows.
    pub fn rows(&self) -> usize {
        self.passed + self.chosen + self.failed.len()
    }
}

enum Verdict {
    Same,
    Chosen,
    Other(Value),
}

type Row = Map<String, Value>;

/// Judges every row of a file.
pub fn judge(file: Value) -> anyhow::Result<Report> {
    let rows = rows(file)?;
    let first = rows.first().context("the file has no rows")?;
    let has = |name: &str| first.contains_key(name) || first["in"].get(name).is_some();
    let (derivation, judge): (_, fn(&Row) -> anyhow::Result<Verdict>) = match () {
        () if has("rollup") => ("ci_status", ci_status),
        () if has("isDraft") => ("pr_state", |row| same(row, pr_state(&row["in"])?)),
        () if has("worktreePath") => ("init_policy", |row| same(row, init_policy(&row["in"])?)),
        () if has("lifecycle") => ("status_reason", |row| same(row, status_reason(&row["in"])?)),
        () if has("prUrl") => ("flow_state", |row| same(row, flow_state(&row["in"])?)),
        () if has("prReviewState") => {
            ("ratchet_state", |row| same(row, ratchet_state(&row["in"])?))
        }
        () => bail!("these are samples of no derivation that is known here"),
    };
    let mut report = Report {
        derivation,
        passed: 0,
        chosen: 0,
        failed: Vec::new(),
    };
    for row in &rows {
        match judge(row).with_context(|| format!("row {}", Value::from(row.clone())))? {
            Verdict::Same => report.passed += 1,
            Verdict::Chosen => report.chosen += 1,
            Verdict::Other(got) => {
                let row = Value::from(row.clone());
                report.failed.push(format!("{row} but here {got}"));
            }
        }
    }
    Ok(report)
}

/// The rows with names to their values.
fn rows(file: Value) -> anyhow::Result<Vec<Row>> {
    if file.is_array() {
        return Ok(serde_json::from_value(file)?);
    }
    let names = |which: &str| get::<Vec<String>>(&file, which);
    let (inputs, outputs) = (names("inputs")?, names("outputs")?);
    let rows: Vec<(Vec<Value>, Vec<Value>)> = get(&file, "rows")?;
    let named = |names: &[String], values: Vec<Value>| {
        let pairs = names.iter().cloned().zip(values);
        Value::from(pairs.collect::<Row>())
    };
    let row = |(input, output)| {
        let pairs = [
            ("in".to_owned(), named(&inputs, input)),
            ("out".to_owned(), named(&outputs, output)),
        ];
        pairs.into_iter().collect()
    };
    Ok(rows.into_iter().map(row).collect())
}

fn get<T: DeserializeOwned>(object: &Value, name: &str) -> anyhow::Result<T> {
    let value = object.get(name).cloned().unwrap_or_default();
    serde_json::from_value(value).with_context(|| format!("the field {name}"))
}

fn same(row: &Row, got: Value) -> anyhow::Result<Verdict> {
    Ok(match row["out"] == got {
        true => Verdict::Same,
        false => Verdict::Other(got),
    })
}

fn ci_status(row: &Row) -> anyhow::Result<Verdict> {
    let row = Value::from(row.clone());
    let checks: Option<Vec<ci::Check>> = get(&row, "rollup")?;
    let (sync, ratchet): (CiStatus, CiStatus) = (get(&row, "viaPrSync")?, get(&row, "viaRatchet")?);
    let key: String = get(&row, "snapshotKey")?;
    let got = ci::status(checks.as_deref());
    let seen = snapshot::Seen {
        pr_number: 7,
        checks: checks.as_deref(),
        changes_requested: false,
        review_activity: None,
        has_merge_conflict: false,
    };
    let got_key = snapshot::key(&seen);
    if sync == ratchet && sync == got && key == got_key {
        return Ok(Verdict::Same);
    }
    // Failures as the PR sync has them, else what waits as the ratchet has it.
    let chosen = match sync {
        CiStatus::Failure => sync,
        _ => ratchet,
    };
    let key_follows = got != ratchet || key == got_key;
    Ok(match sync != ratchet && got == chosen && key_follows {
        true => Verdict::Chosen,
        false => Verdict::Other(json!({ "status": got, "snapshotKey": got_key })),
    })
}

fn pr_state(input: &Value) -> anyhow::Result<Value> {
    let decision = pr::review_decision(get(input, "reviewDecision")?);
    let state: String = get(input, "state")?;
    let state = pr::state(&state, get(input, "isDraft")?, decision.as_deref());
    Ok(serde_json::to_value(state)?)
}

fn ratchet_state(input: &Value) -> anyhow::Result<Value> {
    let review: Option<String> = get(input, "prReviewState")?;
    let state = ratchet::state(ratchet::Input {
        enabled: get(input, "ratchetEnabled")?,
        pr_state: get(input, "prState")?,
        ci_status: get(input, "prCiStatus")?,
        has_merge_conflict: get(input, "prHasMergeConflict")?,
        review_state: review.as_deref(),
    });
    Ok(serde_json::to_value(state)?)
}

fn flow_state(input: &Value) -> anyhow::Result<Value> {
    let url: Option<String> = get(input, "prUrl")?;
    let state = flow::state(flow::Input {
        has_pr_url: flow::has_url(url.as_deref()),
        pr_state: get(input, "prState")?,
        ci_status: get(input, "prCiStatus")?,
        ratchet_enabled: get(input, "ratchetEnabled")?,
        ratchet_state: get(input, "ratchetState")?,
    });
    Ok(serde_json::to_value(state)?)
}

fn init_policy(input: &Value) -> anyhow::Result<Value> {
    let path: Option<String> = get(input, "worktreePath")?;
    let error: Option<String> = get(input, "initErrorMessage")?;
    let policy = init::policy(init::Input {
        status: get(input, "status")?,
        worktree_path: path.as_deref(),
        init_error_message: error.as_deref(),
    });
    Ok(serde_json::to_value(policy)?)
}

fn status_reason(input: &Value) -> anyhow::Result<Value> {
    let review: Option<String> = get(input, "prReviewState")?;
    let (pr_state, ci_status): (PrState, CiStatus) =
        (get(input, "prState")?, get(input, "prCiStatus")?);
    let (enabled, conflict): (bool, bool) = (
        get(input, "ratchetEnabled")?,
        get(input, "hasMergeConflict")?,
    );
    let pending: Option<PendingRequest> = get(input, "pendingRequestType")?;
    let (mode, iteration): (String, Option<String>) =
        (get(input, "mode")?, get(input, "autoIterationStatus")?);
    let ratchet_state = ratchet::state(ratchet::Input {
        enabled,
        pr_state,
        ci_status,
        has_merge_conflict: conflict,
        review_state: review.as_deref(),
    });
    let flow = flow::state(flow::Input {
        has_pr_url: get(input, "hasPrUrl")?,
        pr_state,
        ci_status,
        ratchet_enabled: enabled,
        ratchet_state,
    });
    let reason = status::reason(&status::Input {
        status: get(input, "lifecycle")?,
        has_had_sessions: get(input, "hasHadSessions")?,
        sessions: sessions::Activity {
            is_working: get(input, "isWorking")?,
            is_starting: get(input, "isSessionStarting")?,
            pending,
            has_error: get(input, "hasSessionRuntimeError")?,
        },
        pr_state,
        ci_status,
        has_merge_conflict: conflict,
        ratchet_enabled: enabled,
        dispatch_stalled: get(input, "dispatchStalled")?,
        ratchet_state,
        flow: flow.phase,
        auto_iterating: mode == "AUTO_ITERATION" && iteration.as_deref() == Some("RUNNING"),
    });
    Ok(json!({
        "code": reason.code,
        "tone": reason.tone,
        "needsUser": reason.needs_user,
        "column": reason.column,
        "flowPhase": flow.phase,
        "ratchetState": ratchet_state,
    }))
}
