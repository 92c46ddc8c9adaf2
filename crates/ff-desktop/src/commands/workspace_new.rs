//! `ff workspace new [NAME]`.

use std::path::Path;

use ff_protocol::WorkspaceId;
use ff_protocol::project::Project;
use ff_protocol::workspace::{CreateWorkspace, Workspace};

use crate::cli::NewWorkspace;
use crate::context::Context;
use crate::domain::not_made;
use crate::failure::{Exit, Failure};
use crate::find::{Candidate, pick_one};
use crate::output::{fields, wire_name};
use crate::session::host::Host;
use crate::session::prompt;

/// Makes a workspace, on this machine or in the VM.
pub async fn run(context: &Context, args: NewWorkspace) -> anyhow::Result<()> {
    let host = match args.cloud {
        true => Host::of_cloud(context)?.waking(),
        false => Host::of_this_machine(context).await?,
    };
    if args.detach && host.is_here() {
        let text = "nothing would go on making the workspace when this command has ended";
        return Err(Failure::new(Exit::Refused, text)
            .hint("start `ff serve` first, or leave out --detach")
            .into());
    }
    let projects = host.projects().await?;
    let here = std::env::current_dir().ok();
    let here = here.as_deref().filter(|_| !args.cloud);
    let project = match (&args.project, &args.issue) {
        (Some(text), _) => Some(named(text, &projects)?),
        (None, Some(_)) => None,
        (None, None) => Some(implied(&projects, here)?),
    };
    let initial_prompt = match args.prompt {
        Some(text) => Some(prompt::text(context, &text).await?),
        None => None,
    };
    let create = CreateWorkspace {
        id: Some(WorkspaceId::generate()),
        project_id: project.map(|project| project.id.clone()),
        name: args.name,
        description: None,
        branch: args.branch,
        base_branch: args.from,
        issue: args.issue,
        initial_prompt,
    };
    let entered = host.create_workspace(create).await?;
    let step = context
        .progress
        .step(format!("make workspace {}", entered.name));
    let made = match args.detach {
        true => entered,
        false => host.settled(&entered.id).await?,
    };
    step.done();
    told(context, &made, args.detach)?;
    if host.is_here() && made.initial_prompt().is_some() {
        context.out.say(format!(
            "its first message waits: `ff chat {}` goes on with it",
            made.id
        ));
    }
    Ok(())
}

/// Prints what became of a workspace.
pub fn told(context: &Context, made: &Workspace, detached: bool) -> anyhow::Result<()> {
    context.out.result(made, || {
        fields(&[
            ("workspace", Some(made.name.clone())),
            ("id", Some(made.id.to_string())),
            ("status", Some(wire_name(&made.status))),
            ("branch", made.branch_name.clone()),
            ("path", made.worktree_path.clone()),
            (
                "next",
                Some("ff session start WORKSPACE --prompt TEXT, or ff send WORKSPACE".into()),
            ),
        ])
    })?;
    if detached {
        return Ok(());
    }
    if let Some(failure) = not_made(made) {
        return Err(failure.into());
    }
    if let Some(warning) = &made.init.error_message {
        let id = &made.id;
        context.out.say(format!(
            "warning: {warning}\n  `ff workspace log {id}` shows it whole; `retry` runs the scripts again, `dismiss` forgets it"
        ));
    }
    Ok(())
}

/// The project that a text means.
pub fn named<'a>(text: &str, projects: &'a [Project]) -> Result<&'a Project, Failure> {
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
    // An empty path is one that is not on this machine.
    let holds = |project: &&Project| {
        let repo = Some(&project.repo_path).filter(|path| !path.is_empty());
        here.zip(repo)
            .is_some_and(|(dir, repo)| dir.starts_with(repo))
    };
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
