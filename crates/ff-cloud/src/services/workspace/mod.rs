//! The mirror of workspaces, and the way to each one's agent.

use ff_client::AgentClient;
use ff_protocol::workspace::{CloudWorkspace, Owner};
use ff_protocol::{ErrorCode, Page, UserId, VmId, WorkspaceId};

use crate::agent::AgentLink;
use crate::db::entity::workspace::Model;
use crate::db::{Db, workspaces};
use crate::services::vm::VmService;
use crate::{Error, Result};

pub(crate) mod metadata;
mod mirror;
mod pass;

/// Rows of one page.
const PAGE: u64 = 200;

/// Whether a call wants something done, or only looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Wakes a sleeping VM.
    Intent,
    /// Is refused with `suspended` while the VM sleeps.
    Read,
}

/// The way to the agent of a VM, found and running.
#[derive(Debug, Clone)]
pub struct Route {
    /// The VM.
    pub vm_id: VmId,
    /// Its agent, which has proved itself.
    pub agent: AgentClient,
    /// The start of its machine since which it has.
    pub start: String,
    /// What the way is wanted for.
    pub purpose: Purpose,
}

/// Finds workspaces and the agents that hold them.
#[derive(Debug, Clone)]
pub struct WorkspaceService {
    db: Db,
    vms: VmService,
    agents: AgentLink,
}

impl WorkspaceService {
    /// A service over the database, the VMs and their agents.
    pub fn new(db: Db, vms: VmService, agents: AgentLink) -> Self {
        Self { db, vms, agents }
    }

    /// Workspaces of one user or of all, from the mirror. `after` is the cursor of a page.
    ///
    /// # Errors
    /// `bad_request` for a cursor that is none of ours.
    pub async fn list(
        &self,
        user: Option<&UserId>,
        after: Option<&str>,
    ) -> Result<Page<CloudWorkspace>> {
        let after = after.map(parse_cursor).transpose()?;
        let after = after.as_ref().map(|(user, id)| (user, id));
        let rows = workspaces::list(self.db.read(), user, after, PAGE + 1).await?;
        let more = rows.len() as u64 > PAGE;
        let rows = &rows[..rows.len().min(PAGE as usize)];
        let next = rows.last().filter(|_| more).map(cursor);
        let items = rows.iter().map(shown).collect::<Result<_>>()?;
        Ok(Page { items, next })
    }

    /// One workspace, from the mirror.
    ///
    /// # Errors
    /// `not_found`; `ambiguous_user` when several users have one and none is named.
    pub async fn get(&self, id: &WorkspaceId, user: Option<&UserId>) -> Result<CloudWorkspace> {
        shown(&self.row(id, user).await?)
    }

    /// The user of a workspace: the one named, or its only one.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn user(&self, id: &WorkspaceId) -> Result<UserId> {
        parse(self.row(id, None).await?.user_id)
    }

    /// The way to the engine that holds the workspace.
    ///
    /// # Errors
    /// As [`Self::get`]; `not_owner` while a desktop owns it; what finding and waking its VM
    /// may answer.
    pub async fn route(
        &self,
        id: &WorkspaceId,
        user: Option<&UserId>,
        purpose: Purpose,
    ) -> Result<Route> {
        let row = self.row(id, user).await?;
        let owner = owner(&row)?;
        if owner == Owner::Contested {
            return Err(contested(id));
        }
        if owner != Owner::Cloud {
            return Err(Error::refused(
                ErrorCode::NotOwner,
                format!("workspace `{id}` is on a desktop"),
            )
            .hint("use it there, or move it here with `ff send`"));
        }
        self.to_agent(&parse(row.vm_id)?, purpose).await
    }

    /// The way to the agent of a VM of this user, or anyone's for `None`.
    ///
    /// # Errors
    /// `not_found`, also when it is another user's; what finding and waking the VM may answer;
    /// `agent_unavailable`.
    pub async fn vm_route(
        &self,
        vm: &VmId,
        user: Option<&UserId>,
        purpose: Purpose,
    ) -> Result<Route> {
        self.vms.get(vm, user).await?;
        self.to_agent(vm, purpose).await
    }

    /// The way to the agent of a VM that the caller may use.
    async fn to_agent(&self, vm: &VmId, purpose: Purpose) -> Result<Route> {
        match self.try_agent(vm, purpose).await {
            // Once more, because its machine may have ended a moment ago.
            Err(error) if error.code() == ErrorCode::AgentUnavailable => {
                self.vms.doubt(vm);
                self.try_agent(vm, purpose).await
            }
            tried => tried,
        }
    }

    async fn try_agent(&self, vm: &VmId, purpose: Purpose) -> Result<Route> {
        let endpoint = match purpose {
            Purpose::Intent => self.vms.awake(vm).await?,
            Purpose::Read => self.vms.running(vm).await?,
        };
        Ok(Route {
            vm_id: vm.clone(),
            agent: self.agents.client(&endpoint).await?,
            start: endpoint.start,
            purpose,
        })
    }

    async fn row(&self, id: &WorkspaceId, user: Option<&UserId>) -> Result<Model> {
        let found = match user {
            Some(user) => workspaces::get(self.db.read(), user, id).await?,
            None => {
                let mut rows = workspaces::with_id(self.db.read(), id).await?;
                if rows.len() > 1 {
                    return Err(Error::refused(
                        ErrorCode::AmbiguousUser,
                        format!("several users have a workspace `{id}`"),
                    )
                    .hint("name the user with ?userId= or the header X-FF-User"));
                }
                rows.pop()
            }
        };
        found.ok_or_else(|| Error::not_found("workspace", id))
    }
}

/// Two sides say that they own a workspace.
pub(crate) fn contested(id: &WorkspaceId) -> Error {
    let detail = format!("two sides say that they own workspace `{id}`");
    Error::refused(ErrorCode::Contested, detail)
        .hint("decide with `ff workspace reclaim`, on the machine whose copy is to go on")
}

/// The owner in a row.
///
/// # Errors
/// The row holds none.
pub(crate) fn owner(row: &Model) -> Result<Owner> {
    row.owner
        .parse()
        .map_err(|error| Error::Bug(format!("workspace row: {error}")))
}

/// An id in a row.
///
/// # Errors
/// The row holds none.
pub(crate) fn parse<T>(text: String) -> Result<T>
where
    T: TryFrom<String, Error = ff_protocol::InvalidId>,
{
    text.try_into()
        .map_err(|error| Error::Bug(format!("database row: {error}")))
}

fn shown(row: &Model) -> Result<CloudWorkspace> {
    let owner = owner(row)?;
    // A desktop tells nobody how it goes on.
    let metadata = match owner {
        Owner::Cloud => metadata::Metadata::in_row(row),
        Owner::Desktop(_) | Owner::Contested => metadata::Metadata::default(),
    };
    Ok(CloudWorkspace {
        id: parse(row.id.clone())?,
        name: row.name.clone(),
        project_name: row.project_name.clone(),
        branch_name: row.branch_name.clone(),
        location: owner.location(),
        owner,
        epoch: row.epoch.unsigned_abs(),
        vm_id: parse(row.vm_id.clone())?,
        status: metadata.status,
        pr: metadata.pr,
        updated_at: row.updated_at,
    })
}

fn cursor(row: &Model) -> String {
    format!("{}:{}", row.user_id, row.id)
}

fn parse_cursor(text: &str) -> Result<(UserId, WorkspaceId)> {
    let bad = || {
        Error::refused(
            ErrorCode::BadRequest,
            "`after` is not a cursor of this list",
        )
    };
    let (user, id) = text.split_once(':').ok_or_else(bad)?;
    Ok((
        user.parse().map_err(|_| bad())?,
        id.parse().map_err(|_| bad())?,
    ))
}
