//! What must hold whenever nobody works on anything. Pure: from the database's file, the engine
//! and the processes, never from what the server says.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::docker::Container;

/// A row of `vms`.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// Its user.
    pub user_id: Option<String>,
    /// The user while it lives.
    pub live_user_id: Option<String>,
    /// Its state, as the file has it.
    pub state: String,
    /// Code of the reason.
    pub reason_code: Option<String>,
    /// Whether an agent ever ran on its home.
    pub has_home: u8,
    /// Whether its limits wait for its next start.
    pub limits_pending: u8,
    /// Its own CPUs.
    pub cpus: Option<f64>,
    /// Identity of its container's last start that it knows.
    pub machine_start: Option<String>,
    /// How often it ended by itself in a row.
    pub restarts: u32,
    /// Number of its agent's token.
    pub token_generation: u64,
}

/// A row of `usage_intervals`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Interval {
    /// Its VM.
    pub vm_id: String,
    /// `awake`, `frozen`, `stopped`.
    pub kind: String,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub ended_at: Option<String>,
}

/// All that can be seen from outside.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The database's VMs.
    pub rows: Vec<Row>,
    /// Its intervals, in the order of their beginnings.
    pub intervals: Vec<Interval>,
    /// The engine's containers.
    pub containers: Vec<Container>,
    /// Its volumes.
    pub volumes: Vec<String>,
    /// The VMs its networks belong to.
    pub networks: Vec<String>,
    /// Ids of containers in whose cgroups there are processes.
    pub inhabited: BTreeSet<String>,
    /// Ids of all containers that were ever seen.
    pub known: BTreeSet<String>,
    /// Processes that have the server's data directory on their command line.
    pub servers: usize,
}

/// What does not hold, for people; nothing when all is well.
pub fn faults(seen: &Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    rows(seen, &mut wrong);
    machines(seen, &mut wrong);
    homes(seen, &mut wrong);
    account(seen, &mut wrong);
    if seen.servers != 1 {
        wrong.push(format!("{} servers run on the data", seen.servers));
    }
    wrong
}

fn lives(row: &Row) -> bool {
    row.state != "TERMINATED"
}

fn rows(seen: &Seen, wrong: &mut Vec<String>) {
    let mut users = BTreeSet::new();
    for row in seen.rows.iter().filter(|row| lives(row)) {
        let Row { id, state, .. } = row;
        let driven = ["PROVISIONING", "SUSPENDING", "RESUMING", "TERMINATING"];
        if driven.contains(&state.as_str()) {
            wrong.push(format!("VM {id} is still {state}"));
        }
        if row.live_user_id != row.user_id {
            wrong.push(format!("VM {id} lives, and its user may have another"));
        }
        if let Some(user) = &row.user_id
            && !users.insert(user)
        {
            wrong.push(format!("{user} has two VMs"));
        }
    }
    for row in seen.rows.iter().filter(|row| !lives(row)) {
        if row.live_user_id.is_some() {
            wrong.push(format!("VM {} is gone, and keeps its user's place", row.id));
        }
    }
}

fn machines(seen: &Seen, wrong: &mut Vec<String>) {
    let rows: BTreeMap<&str, &Row> = seen.rows.iter().map(|row| (row.id.as_str(), row)).collect();
    let mut with = BTreeMap::new();
    for Container { id, vm, state } in &seen.containers {
        if with.insert(vm.as_str(), state.as_str()).is_some() {
            wrong.push(format!("VM {vm} has two containers"));
        }
        if !rows.get(vm.as_str()).is_some_and(|row| lives(row)) {
            wrong.push(format!("container {id} ({state}) belongs to no VM: {vm}"));
        }
    }
    for row in seen.rows.iter().filter(|row| lives(row)) {
        let power = with.get(row.id.as_str()).copied();
        let fits = match row.state.as_str() {
            "RUNNING" | "POOLED" => power == Some("running"),
            "FROZEN" => power == Some("paused"),
            "STOPPED" | "FAILED" => matches!(power, None | Some("exited" | "created")),
            _ => true,
        };
        if !fits {
            let Row { id, state, .. } = row;
            wrong.push(format!("VM {id} is {state}, and its container {power:?}"));
        }
    }
    for vm in &seen.networks {
        if !rows.get(vm.as_str()).is_some_and(|row| lives(row)) {
            wrong.push(format!("a network belongs to no VM: {vm}"));
        }
    }
    let runs = |id: &str| {
        let mut all = seen.containers.iter();
        all.any(|it| it.id == id && matches!(it.state.as_str(), "running" | "paused"))
    };
    for id in seen.inhabited.intersection(&seen.known) {
        if !runs(id) {
            wrong.push(format!("processes of container {id} outlive it"));
        }
    }
}

fn homes(seen: &Seen, wrong: &mut Vec<String>) {
    let volumes: BTreeSet<&str> = seen.volumes.iter().map(String::as_str).collect();
    let mut owned = BTreeSet::new();
    for row in seen.rows.iter().filter(|row| lives(row)) {
        let name = format!("ff-home-{}", row.id);
        let lost = row.reason_code.as_deref() == Some("volume_missing");
        match (volumes.contains(name.as_str()), row.has_home == 1) {
            (false, true) if !lost => wrong.push(format!("the home of VM {} is gone", row.id)),
            (true, _) if lost => wrong.push(format!("VM {} has a new home", row.id)),
            _ => {}
        }
        owned.insert(name);
    }
    for volume in volumes {
        if !owned.contains(volume) {
            wrong.push(format!("volume {volume} belongs to no VM"));
        }
    }
}

fn account(seen: &Seen, wrong: &mut Vec<String>) {
    for row in &seen.rows {
        let of = |it: &&Interval| it.vm_id == row.id;
        let all: Vec<&Interval> = seen.intervals.iter().filter(of).collect();
        for pair in all.windows(2) {
            if pair[0].ended_at.as_ref() != Some(&pair[1].started_at) {
                wrong.push(format!("the account of VM {} has a gap: {pair:?}", row.id));
            }
        }
        let expected = match (row.state.as_str(), &row.user_id) {
            (_, None) => None,
            ("RUNNING", _) => Some("awake"),
            ("FROZEN", _) => Some("frozen"),
            ("STOPPED" | "FAILED", _) => Some("stopped"),
            ("TERMINATED", _) => None,
            _ => continue,
        };
        let open = all.iter().filter(|it| it.ended_at.is_none());
        let open: Vec<&str> = open.map(|it| it.kind.as_str()).collect();
        if open != expected.as_slice() {
            let Row { id, state, .. } = row;
            wrong.push(format!("VM {id} is {state}, and its account says {open:?}"));
        }
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
