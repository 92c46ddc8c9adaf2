//! Finding what the user means by an id, the beginning of one, or a name.

use ff_protocol::session::Session;
use ff_protocol::workspace::{CloudWorkspace, Location, Owner, Workspace};
use ff_protocol::{SessionId, WorkspaceId};

use crate::context::Context;
use crate::failure::{Exit, Failure};

/// Fewest characters of an id that stand for it.
const PREFIX: usize = 4;

/// Something that can be meant.
pub struct Candidate<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name, where it has one.
    pub name: Option<&'a str>,
}

/// What a text means among the candidates: its place, `None`, or all places it may mean.
pub fn pick(text: &str, candidates: &[Candidate<'_>]) -> Result<Option<usize>, Vec<usize>> {
    if let Some(at) = candidates.iter().position(|c| c.id == text) {
        return Ok(Some(at));
    }
    let places = |wanted: &dyn Fn(&Candidate<'_>) -> bool| -> Vec<usize> {
        let all = candidates.iter().enumerate();
        all.filter(|(_, c)| wanted(c)).map(|(at, _)| at).collect()
    };
    let mut found = places(&|c| c.name == Some(text));
    if found.is_empty() && text.len() >= PREFIX {
        found = places(&|c| c.id.starts_with(text));
    }
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        _ => Err(found),
    }
}

/// As [`pick`], with words for the user.
pub fn pick_one(
    kind: &str,
    text: &str,
    candidates: &[Candidate<'_>],
    list: &str,
) -> Result<usize, Failure> {
    match pick(text, candidates) {
        Ok(Some(at)) => Ok(at),
        Ok(None) => {
            Err(Failure::new(Exit::NotFound, format!("there is no {kind} `{text}`")).next(list))
        }
        Err(places) => {
            let ids: Vec<&str> = places.iter().map(|at| candidates[*at].id).collect();
            let text = format!("`{text}` may mean {} {kind}s", ids.len());
            Err(Failure::new(Exit::Usage, text)
                .hint(format!("use one of: {}", ids.join(", ")))
                .next(list))
        }
    }
}

/// A workspace as this machine and the cloud know it; at least one of them does.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its id.
    pub id: WorkspaceId,
    /// The row of this machine.
    pub local: Option<Workspace>,
    /// The row of the cloud's mirror.
    pub cloud: Option<CloudWorkspace>,
    /// Whether the cloud told its rows.
    pub cloud_told: bool,
}

impl Known {
    /// Its name, as the side that owns it has it.
    pub fn name(&self) -> &str {
        match (&self.local, &self.cloud) {
            (Some(local), Some(cloud)) if cloud.epoch <= local.epoch => &local.name,
            (_, Some(cloud)) => &cloud.name,
            (Some(local), None) => &local.name,
            (None, None) => "",
        }
    }

    /// Owner and epoch: the higher epoch is the newer truth.
    pub fn owner(&self) -> (Owner, u64) {
        match (&self.local, &self.cloud) {
            (Some(local), Some(cloud)) if cloud.epoch <= local.epoch => {
                (local.owner.clone(), local.epoch)
            }
            (_, Some(cloud)) => (cloud.owner.clone(), cloud.epoch),
            (Some(local), None) => (local.owner.clone(), local.epoch),
            (None, None) => (Owner::Cloud, 0),
        }
    }

    /// Where it is, as shown.
    pub fn location(&self) -> Location {
        self.owner().0.location()
    }

    /// Whether it should be in the cloud, and the cloud has no such workspace.
    pub fn is_missing(&self) -> bool {
        self.cloud_told && self.cloud.is_none() && self.location() == Location::Cloud
    }

    /// The error of one that is missing.
    pub fn missing(&self) -> Failure {
        let text = format!("the cloud has no workspace {} any more", self.name());
        Failure::new(Exit::NotFound, text)
            .hint("it was deleted there, or with its VM, or is on another server")
            .next(format!("ff workspace delete {}", self.id))
    }
}

/// Puts the rows of both sides together by id: the local ones in their order, then those only
/// the cloud knows. `None` when the cloud did not tell.
pub fn merge(local: Vec<Workspace>, cloud: Option<Vec<CloudWorkspace>>) -> Vec<Known> {
    let cloud_told = cloud.is_some();
    let mut cloud = cloud.unwrap_or_default();
    let mut all: Vec<Known> = Vec::with_capacity(local.len() + cloud.len());
    for row in local {
        let at = cloud.iter().position(|c| c.id == row.id);
        all.push(Known {
            id: row.id.clone(),
            cloud: at.map(|at| cloud.remove(at)),
            local: Some(row),
            cloud_told,
        });
    }
    all.extend(cloud.into_iter().map(|row| Known {
        id: row.id.clone(),
        local: None,
        cloud: Some(row),
        cloud_told,
    }));
    all
}

/// The workspaces of this machine and of the cloud. A cloud that does not answer is told on
/// stderr and left out.
///
/// # Errors
/// The local records cannot be read.
pub async fn workspaces(context: &Context) -> anyhow::Result<Vec<Known>> {
    let local = context.store().await?.workspaces().await?;
    let Some(cloud) = context.cloud_if_connected()? else {
        return Ok(merge(local, None));
    };
    let rows = cloud.client.workspaces().await;
    if let Err(error) = &rows {
        let note = format!("note: the cloud did not say which workspaces it has: {error}");
        context.out.say(note);
    }
    Ok(merge(local, rows.ok()))
}

/// The workspace a text means, on this machine or in the cloud.
///
/// # Errors
/// None or several are meant; or only the cloud can know it, and it does not answer.
pub async fn workspace(context: &Context, text: &str) -> anyhow::Result<Known> {
    let local = context.store().await?.workspaces().await?;
    let mut all = merge(local, None);
    let known_here = pick(text, &candidates(&all)) != Ok(None);
    if let Some(cloud) = context.cloud_if_connected()? {
        match cloud.client.workspaces().await {
            Ok(rows) => {
                all = merge(
                    all.into_iter().filter_map(|k| k.local).collect(),
                    Some(rows),
                )
            }
            // What this machine knows is enough; whoever needs the cloud will meet the error.
            Err(error) if known_here => tracing::debug!(%error, "the cloud was not asked"),
            Err(error) => return Err(error.into()),
        }
    }
    let at = pick_one("workspace", text, &candidates(&all), "ff workspace list")?;
    Ok(all.swap_remove(at))
}

fn candidates(all: &[Known]) -> Vec<Candidate<'_>> {
    let candidate = |known| {
        let known: &Known = known;
        Candidate {
            id: known.id.as_str(),
            name: Some(known.name()),
        }
    };
    all.iter().map(candidate).collect()
}

/// The session a text means.
///
/// # Errors
/// None or several are meant.
pub fn session(text: &str, workspace: &str, sessions: &[Session]) -> Result<SessionId, Failure> {
    let candidates: Vec<Candidate<'_>> = sessions
        .iter()
        .map(|s| Candidate {
            id: s.id.as_str(),
            name: s.name.as_deref(),
        })
        .collect();
    let list = format!("ff session list {workspace}");
    let at = pick_one("session", text, &candidates, &list)?;
    Ok(sessions[at].id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Candidate<'static>; 3] = [
        Candidate {
            id: "0190-aaaa",
            name: Some("demo"),
        },
        Candidate {
            id: "0190-bbbb",
            name: Some("twice"),
        },
        Candidate {
            id: "0191-cccc",
            name: Some("twice"),
        },
    ];

    #[test]
    fn id_name_and_beginning_of_an_id_are_understood() {
        assert_eq!(pick("0190-bbbb", &ALL), Ok(Some(1)));
        assert_eq!(pick("demo", &ALL), Ok(Some(0)));
        assert_eq!(pick("0191", &ALL), Ok(Some(2)));
    }

    #[test]
    fn too_short_unknown_and_ambiguous_are_not() {
        assert_eq!(pick("019", &ALL), Ok(None));
        assert_eq!(pick("nothing", &ALL), Ok(None));
        assert_eq!(pick("0190", &ALL), Err(vec![0, 1]));
        assert_eq!(pick("twice", &ALL), Err(vec![1, 2]));
    }

    #[test]
    fn an_ambiguous_name_lists_what_it_may_mean() {
        let failure = pick_one("workspace", "twice", &ALL, "ff workspace list").unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.hint.unwrap().contains("0191-cccc"));
    }
}
