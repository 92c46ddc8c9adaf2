//! Which branch a workspace works on, and where it starts.

use std::path::{Path, PathBuf};

use ff_protocol::ErrorCode;
use ff_protocol::project::Project;
use ff_protocol::workspace::{CreationSource, Workspace};

use super::fault::{Point, reach};
use super::{names, place};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::git::CheckOut;
use crate::project::remove_dir;

/// Numbers tried after a branch's name.
const NUMBERS: u32 = 999;

/// Where a worktree was made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) path: PathBuf,
    pub(super) branch: String,
    pub(super) is_new: bool,
}

impl Core {
    /// Makes the worktree of a workspace that has none, on its branch. What an earlier attempt
    /// left at the place is removed first: no row names it.
    pub(super) async fn make_worktree(
        &self,
        project: &Project,
        workspace: &Workspace,
    ) -> Result<Made> {
        let repo = PathBuf::from(&project.repo_path);
        let base = Path::new(&project.worktree_base_path);
        let path = place::worktree_path(project, &workspace.id);
        place::prepare(base, &path)?;
        self.git().remove_worktree(&repo, &path).await?;
        remove_dir(&path)?;
        self.git().guard_objects(&repo).await?;
        let (branch, is_new) = match (&workspace.branch_name, workspace.creation_source) {
            (Some(wanted), CreationSource::ResumeBranch) => {
                (self.add_existing(&repo, &path, wanted).await?, false)
            }
            _ => (self.add_new(&repo, &path, project, workspace).await?, true),
        };
        reach(Point::WorktreeMade);
        Ok(Made {
            path,
            branch,
            is_new,
        })
    }

    async fn add_new(
        &self,
        repo: &Path,
        path: &Path,
        project: &Project,
        workspace: &Workspace,
    ) -> Result<String> {
        let base = workspace.base_branch().unwrap_or(&project.default_branch);
        let start = match self.git().has_commits(repo).await? {
            true => Some(self.start_point(repo, short(base), true).await?),
            false => None,
        };
        let planned = self.planned(repo, workspace, start.as_deref()).await?;
        let taken = planned.is_some();
        let branch = match planned {
            Some(branch) => branch,
            None => self.free_branch(repo, &workspace.name).await?,
        };
        self.store().plan_branch(&workspace.id, &branch).await?;
        reach(Point::BranchPlanned);
        let Some(start) = start else {
            self.git().make_unborn_worktree(repo, path, &branch).await?;
            return Ok(branch);
        };
        let (branch_text, start) = (branch.as_str(), start.as_str());
        let what = match taken {
            true => CheckOut::Reset {
                branch: branch_text,
                start,
            },
            false => CheckOut::New {
                branch: branch_text,
                start,
            },
        };
        self.git().make_worktree(repo, path, what).await?;
        Ok(branch)
    }

    /// The branch that an earlier attempt wrote down, if it may be used: it is not there, or it
    /// is just where it would start, so nobody has worked on it.
    async fn planned(
        &self,
        repo: &Path,
        workspace: &Workspace,
        start: Option<&str>,
    ) -> Result<Option<String>> {
        let planned = workspace.branch_name.as_ref();
        let Some(branch) = planned.filter(|_| workspace.is_auto_generated_branch) else {
            return Ok(None);
        };
        if self.git().worktree_of_branch(repo, branch).await?.is_some() {
            return Ok(None);
        }
        let there = self
            .git()
            .commit(repo, &format!("refs/heads/{branch}"))
            .await?;
        let fresh = match (&there, start) {
            (None, _) => !self.git().in_the_way(repo, branch).await?,
            (Some(tip), Some(start)) => self.git().commit(repo, start).await?.as_ref() == Some(tip),
            (Some(_), None) => false,
        };
        Ok(fresh.then(|| branch.clone()))
    }

    /// Where a new branch starts: the remote's branch if it could just be fetched, else the one
    /// here, else what is known of the remote's.
    ///
    /// # Errors
    /// `branch_missing` when there is none of them.
    pub(super) async fn start_point(&self, repo: &Path, base: &str, fetch: bool) -> Result<String> {
        let remote = format!("refs/remotes/origin/{base}");
        let local = format!("refs/heads/{base}");
        let fetched = fetch && self.git().fetch_branch(repo, base).await?;
        let order = match fetched {
            true => [&remote, &local],
            false => [&local, &remote],
        };
        for name in order {
            if self.git().commit(repo, name).await?.is_some() {
                return Ok(name.clone());
            }
        }
        // Not known here yet.
        if !fetch && self.git().fetch_branch(repo, base).await? {
            return Ok(remote);
        }
        let detail = format!("the repository has no branch {base} with a commit to start from");
        Err(Error::refused(ErrorCode::BranchMissing, detail).hint("make a first commit there"))
    }

    /// Checks that a workspace can go on with an existing branch.
    ///
    /// # Errors
    /// `invalid`, `conflict` when it is checked out elsewhere, `branch_missing`.
    pub(super) async fn check_existing(&self, repo: &Path, wanted: &str) -> Result<()> {
        let branch = short(wanted);
        if !self.git().is_branch_name(branch).await? {
            return Err(no_name(branch));
        }
        if let Some(other) = self.git().worktree_of_branch(repo, branch).await? {
            let detail = format!("branch {branch} is checked out in {}", other.display());
            return Err(Error::refused(ErrorCode::Conflict, detail)
                .hint("check out another branch there first"));
        }
        for name in ["refs/heads/", "refs/remotes/origin/"] {
            if self
                .git()
                .commit(repo, &format!("{name}{branch}"))
                .await?
                .is_some()
            {
                return Ok(());
            }
        }
        if self.git().fetch_branch(repo, branch).await? {
            return Ok(());
        }
        let detail = format!("there is no branch {branch}, here or at the remote");
        Err(Error::refused(ErrorCode::BranchMissing, detail)
            .hint("run `git fetch` or check its name"))
    }

    /// A worktree on an existing branch. The branch here is brought up to the remote's where that
    /// loses nothing, or where the remote's was asked for by name.
    async fn add_existing(&self, repo: &Path, path: &Path, wanted: &str) -> Result<String> {
        self.check_existing(repo, wanted).await?;
        let branch = short(wanted).to_owned();
        let (local, remote) = (
            format!("refs/heads/{branch}"),
            format!("refs/remotes/origin/{branch}"),
        );
        let fetched = self.git().fetch_branch(repo, &branch).await?;
        let here = self.git().commit(repo, &local).await?;
        let there = self.git().commit(repo, &remote).await?;
        let by_name = branch != wanted && !wanted.starts_with("refs/heads/");
        let what = match (&here, &there) {
            (Some(here), Some(there)) => {
                let behind =
                    fetched && here != there && self.git().is_ancestor(repo, here, there).await?;
                match behind || by_name {
                    true => CheckOut::Reset {
                        branch: &branch,
                        start: &remote,
                    },
                    false => CheckOut::Branch(&branch),
                }
            }
            (Some(_), None) => CheckOut::Branch(&branch),
            (None, _) => CheckOut::New {
                branch: &branch,
                start: &remote,
            },
        };
        self.git().make_worktree(repo, path, what).await?;
        if here.is_none() {
            let upstream = format!("origin/{branch}");
            self.git().set_upstream(path, &branch, &upstream).await?;
        }
        Ok(branch)
    }

    /// A branch's name for a new workspace that no branch stands in the way of.
    async fn free_branch(&self, repo: &Path, name: &str) -> Result<String> {
        let plain = names::branch(name);
        let wanted = match self.login_name().await {
            Some(login)
                if !self
                    .git()
                    .in_the_way(repo, &format!("{login}/{plain}"))
                    .await? =>
            {
                return Ok(format!("{login}/{plain}"));
            }
            // Where a branch has the login's own name, none can lie below it.
            Some(login) if !self.git().in_the_way(repo, &login).await? => {
                format!("{login}/{plain}")
            }
            _ => plain,
        };
        if !self.git().in_the_way(repo, &wanted).await? {
            return Ok(wanted);
        }
        for number in 1..=NUMBERS {
            let name = format!("{wanted}-{number}");
            if !self.git().in_the_way(repo, &name).await? {
                return Ok(name);
            }
        }
        Ok(format!("{wanted}-{}", names::random(12)))
    }

    /// The name of the login at GitHub, fit for a branch's name; `None` without one.
    async fn login_name(&self) -> Option<String> {
        let fits = |name: &String| {
            !name.starts_with('-') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        self.github().user().await.ok().filter(fits)
    }
}

/// A branch's name without what git may put before it.
pub(super) fn short(name: &str) -> &str {
    let name = name.strip_prefix("refs/heads/").unwrap_or(name);
    let name = name.strip_prefix("refs/remotes/").unwrap_or(name);
    name.strip_prefix("origin/").unwrap_or(name)
}

pub(super) fn no_name(branch: &str) -> Error {
    Error::refused(ErrorCode::Invalid, format!("`{branch}` is no branch name"))
}
