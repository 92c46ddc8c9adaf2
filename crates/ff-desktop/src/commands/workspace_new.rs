//! `ff workspace new NAME`.

use std::path::Path;

use ff_protocol::project::Project;

use crate::cli::NewWorkspace;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::find::{Candidate, pick_one};
use crate::output::fields;

/// Makes a workspace on this machine.
pub async fn run(context: &Context, args: NewWorkspace) -> anyhow::Result<()> {
    let core = context.core().await?;
    let projects = core.projects().await?;
    let project = match &args.project {
        Some(text) => named(text, &projects)?,
        None => implied(&projects, std::env::current_dir().ok().as_deref())?,
    };
    let step = context
        .progress
        .step(format!("make workspace {}", args.name));
    let branch = args.branch.as_deref();
    let workspace = core.workspace_new(&project.id, &args.name, branch).await?;
    step.done();
    context.out.result(&workspace, || {
        fields(&[
            ("workspace", Some(workspace.name.clone())),
            ("id", Some(workspace.id.to_string())),
            ("branch", workspace.branch_name.clone()),
            ("path", workspace.worktree_path.clone()),
            (
                "next",
                Some("ff session start WORKSPACE --prompt TEXT, or ff send WORKSPACE".into()),
            ),
        ])
    })
}

fn named<'a>(text: &str, projects: &'a [Project]) -> Result<&'a Project, Failure> {
    if let Some(project) = projects.iter().find(|project| project.slug == text) {
        return Ok(project);
    }
    let candidates: Vec<Candidate<'_>> = projects
        .iter()
        .map(|p| Candidate {
            id: p.id.as_str(),
            name: Some(&p.name),
        })
        .collect();
    let at = pick_one("project", text, &candidates, "ff project list")?;
    Ok(&projects[at])
}

/// The project of the current directory, or the only one there is.
fn implied<'a>(projects: &'a [Project], here: Option<&Path>) -> Result<&'a Project, Failure> {
    let holds = |project: &&Project| here.is_some_and(|dir| dir.starts_with(&project.repo_path));
    if let Some(project) = projects.iter().find(holds) {
        return Ok(project);
    }
    match projects {
        [] => {
            Err(Failure::new(Exit::NotFound, "there is no project yet").next("ff project add PATH"))
        }
        [only] => Ok(only),
        _ => Err(Failure::new(Exit::Usage, "there are several projects")
            .hint("name one with `--project`; `ff project list` shows them")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(name: &str, path: &str) -> Project {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        Project {
            id: name.parse().unwrap(),
            name: name.into(),
            slug: format!("{name}-slug"),
            repo_path: path.into(),
            worktree_base_path: "/w".into(),
            default_branch: "main".into(),
            github_owner: None,
            github_repo: None,
            is_archived: false,
            issue_provider: Default::default(),
            startup: Default::default(),
            created_at: now,
            updated_at: now,
        }
    }

    #[test]
    fn project_is_that_of_the_directory_or_the_only_one() {
        let two = [project("aaaa", "/src/a"), project("bbbb", "/src/b")];
        let inside = implied(&two, Some(Path::new("/src/b/deep"))).unwrap();
        assert_eq!(inside.name, "bbbb");
        assert_eq!(
            implied(&two, Some(Path::new("/src"))).unwrap_err().exit,
            Exit::Usage
        );
        assert_eq!(implied(&two[..1], None).unwrap().name, "aaaa");
        assert_eq!(implied(&[], None).unwrap_err().exit, Exit::NotFound);
        assert_eq!(named("bbbb-slug", &two).unwrap().name, "bbbb");
    }
}
