//! Projects: repositories on this machine.

use std::path::{Path, PathBuf};

use ff_protocol::handoff::Plan;
use ff_protocol::project::{CreateProject, IssueProvider, Project, StartupScript, UpdateProject};
use ff_protocol::{ErrorCode, ProjectId};

use crate::clock;
use crate::core::Core;
use crate::error::{Error, IoContext, Result};
use crate::git::{CleanRemote, Remote};

impl Core {
    /// Adds the repository at a path as a project; the same path again gives the same project.
    ///
    /// # Errors
    /// `invalid` when the path is no git checkout, a bare repository, or in a worktree that
    /// belongs to another checkout.
    pub async fn project_add(&self, path: &Path) -> Result<Project> {
        let path = std::fs::canonicalize(path).map_err(|_| {
            Error::refused(
                ErrorCode::Invalid,
                format!("there is no directory {}", path.display()),
            )
        })?;
        if !path.is_dir() {
            let detail = format!("{} is not a directory", path.display());
            return Err(Error::refused(ErrorCode::Invalid, detail));
        }
        let top = self.main_checkout(&path).await?;
        let repo_path = utf8(&top)?;
        if let Some(known) = self.store().project_at(&repo_path).await? {
            return Ok(known);
        }
        let base = top
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let remote = match self.git().remote_url(&top).await? {
            Some(url) => Remote::parse(&url).map(|clean| clean.remote),
            None => None,
        };
        let default_branch = self.git().default_branch(&top).await?;
        let project = self
            .new_project(
                ProjectId::generate(),
                display_name(&base),
                &base,
                &top,
                default_branch,
                remote.as_ref(),
            )
            .await?;
        self.store().insert_project(&project).await?;
        Ok(project)
    }

    /// Adds the repository at a path as [`Core::project_add`] does, with what runs in each new
    /// workspace of it. A project that is known gets these scripts, too.
    ///
    /// # Errors
    /// As there; `invalid` for scripts that cannot be.
    pub async fn project_create(&self, create: &CreateProject) -> Result<Project> {
        check_startup(&create.startup)?;
        let path = Path::new(&create.repo_path);
        if !path.is_absolute() {
            let detail = format!("`{}` is no absolute path", create.repo_path);
            return Err(Error::refused(ErrorCode::Invalid, detail));
        }
        let project = self.project_add(path).await?;
        if create.startup == StartupScript::default() {
            return Ok(project);
        }
        let update = UpdateProject {
            startup: Some(create.startup.clone()),
            is_archived: None,
        };
        self.project_update(&project.id, &update).await
    }

    /// Changes a project; what is absent stays.
    ///
    /// # Errors
    /// `not_found`; `invalid` for scripts that cannot be.
    pub async fn project_update(&self, id: &ProjectId, update: &UpdateProject) -> Result<Project> {
        let mut project = self.known_project(id).await?;
        if let Some(startup) = &update.startup {
            check_startup(startup)?;
            project.startup = startup.clone();
        }
        project.is_archived = update.is_archived.unwrap_or(project.is_archived);
        project.updated_at = clock::now();
        self.store().update_project(&project).await?;
        Ok(project)
    }

    /// The top of the main checkout that a path lies in.
    async fn main_checkout(&self, path: &Path) -> Result<PathBuf> {
        let refused =
            |detail: String, hint: &str| Err(Error::refused(ErrorCode::Invalid, detail).hint(hint));
        if self.git().is_bare(path).await? {
            let detail = format!(
                "{} is a bare repository, without a checkout",
                path.display()
            );
            return refused(detail, "clone it, and name the clone");
        }
        let Some(top) = self.git().top_level(path).await? else {
            let detail = format!("{} is not a git checkout", path.display());
            return refused(
                detail,
                "run `git init` there, or name the directory of a clone",
            );
        };
        let all = self.git().worktrees(&top).await?;
        match all.first() {
            Some(main) if main.path != top => {
                let detail = format!(
                    "{} is in a worktree of another checkout, {}",
                    path.display(),
                    main.path.display()
                );
                refused(detail, "name that one")
            }
            _ => Ok(top),
        }
    }

    /// A project by its id.
    ///
    /// # Errors
    /// `not_found` when there is none.
    pub async fn project(&self, id: &ProjectId) -> Result<Project> {
        self.known_project(id).await
    }

    /// All projects.
    pub async fn projects(&self) -> Result<Vec<Project>> {
        self.store().projects().await
    }

    /// A clone for a project that arrives from elsewhere: cloned when it is new here, fetched
    /// when it is known.
    pub(crate) async fn project_arrives(&self, plan: &Plan) -> Result<Project> {
        let Some(CleanRemote { remote, .. }) = Remote::parse(&plan.remote_url) else {
            let detail = "`remoteUrl` is no address that a VM can clone from";
            return Err(Error::refused(ErrorCode::Invalid, detail));
        };
        if let Some(known) = self.store().project(&plan.project_id).await? {
            self.git()
                .fetch(Path::new(&known.repo_path), &remote)
                .await?;
            return Ok(known);
        }
        let dir = self
            .config()
            .base_dir
            .join("repos")
            .join(plan.project_id.as_str());
        if self
            .git()
            .top_level(&dir)
            .await
            .is_ok_and(|top| top.as_deref() == Some(dir.as_path()))
        {
            self.git().fetch(&dir, &remote).await?;
        } else {
            crate::core::private_dir(&self.config().base_dir.join("repos"))?;
            remove_dir(&dir)?;
            if let Err(error) = self.git().clone_with_login(&remote, &dir).await {
                remove_dir(&dir)?;
                return Err(error);
            }
        }
        let branch = plan.default_branch.clone();
        let name = plan.project_name.clone();
        let project = self
            .new_project(
                plan.project_id.clone(),
                name.clone(),
                &name,
                &dir,
                branch,
                Some(&remote),
            )
            .await?;
        self.store().insert_project(&project).await?;
        Ok(project)
    }

    async fn new_project(
        &self,
        id: ProjectId,
        name: String,
        slug_from: &str,
        repo: &Path,
        default_branch: String,
        remote: Option<&Remote>,
    ) -> Result<Project> {
        let slug = self.free_slug(&slug(slug_from)).await?;
        let now = clock::now();
        let on_github = remote
            .filter(|remote| remote.host == "github.com")
            .and_then(Remote::owner_and_repo);
        Ok(Project {
            id,
            name,
            repo_path: utf8(repo)?,
            worktree_base_path: utf8(&self.config().base_dir.join("worktrees").join(&slug))?,
            slug,
            default_branch,
            github_owner: on_github.map(|(owner, _)| owner.to_owned()),
            github_repo: on_github.map(|(_, repo)| repo.to_owned()),
            is_archived: false,
            issue_provider: IssueProvider::Github,
            startup: StartupScript::default(),
            created_at: now,
            updated_at: now,
        })
    }

    async fn free_slug(&self, slug: &str) -> Result<String> {
        for number in 1..=100 {
            let name = if number == 1 {
                slug.to_owned()
            } else {
                format!("{slug}-{number}")
            };
            if !self.store().slug_taken(&name).await? {
                return Ok(name);
            }
        }
        let detail = format!("a hundred projects are named {slug}");
        Err(Error::refused(ErrorCode::LimitReached, detail))
    }
}

/// Removes a directory with all it holds; fine when it is not there.
pub(crate) fn remove_dir(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

/// Checks what is to run in each new workspace.
///
/// # Errors
/// `invalid`, with what is wrong.
fn check_startup(startup: &StartupScript) -> Result<()> {
    let invalid = |detail: &str| Err(Error::refused(ErrorCode::Invalid, detail));
    if startup.command.is_some() && startup.path.is_some() {
        return invalid("a project has a start-up command or a start-up script, not both");
    }
    if !(1..=StartupScript::MAX_TIMEOUT).contains(&startup.timeout_secs) {
        return invalid("scripts get 1 to 3600 seconds");
    }
    if startup
        .command
        .as_deref()
        .is_some_and(|text| text.trim().is_empty())
    {
        return invalid("the start-up command is empty");
    }
    match &startup.path {
        Some(path) => crate::workspace::check_script_path(path),
        None => Ok(()),
    }
}

pub(crate) fn utf8(path: &Path) -> Result<String> {
    PathBuf::from(path)
        .into_os_string()
        .into_string()
        .map_err(|path| {
            let detail = format!("the path {} is not UTF-8", path.to_string_lossy());
            Error::refused(ErrorCode::Invalid, detail)
        })
}

/// The directory's name for people: `-` and `_` become spaces, words are capitalised.
fn display_name(base: &str) -> String {
    let words = base.split(['-', '_']).filter(|word| !word.is_empty());
    let capitalised = words.map(|word| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect::<String>())
            .unwrap_or_default()
    });
    capitalised.collect::<Vec<_>>().join(" ")
}

/// The directory's name for paths: lower case, other characters become `-`.
fn slug(base: &str) -> String {
    let mut slug = String::new();
    for c in base.to_lowercase().chars() {
        let c = if c.is_ascii_alphanumeric() { c } else { '-' };
        if c != '-' || !(slug.is_empty() || slug.ends_with('-')) {
            slug.push(c);
        }
    }
    let slug: String = slug.trim_end_matches('-').chars().take(50).collect();
    if slug.is_empty() {
        "project".to_owned()
    } else {
        slug
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_directory() {
        assert_eq!(display_name("my-first_app"), "My First App");
        for (base, expected) in [
            ("My_App", "my-app"),
            ("--a--b--", "a-b"),
            ("é", "project"),
            ("", "project"),
        ] {
            assert_eq!(slug(base), expected, "{base:?}");
        }
    }
}
