//! Texts of a backup that become part of paths, command lines or screens are checked.

use ff_protocol::ErrorCode;

use super::format::Data;
use crate::error::{Error, Result};

const LONGEST_NAME: usize = 500;

/// Checks what ids and types do not.
///
/// # Errors
/// `invalid`, with the place.
pub(super) fn check(data: &Data) -> Result<()> {
    for project in &data.projects {
        let place = |field: &str| format!("the {field} of project {}", project.id);
        is_name(&project.name, || place("name"))?;
        is_slug(&project.slug, || place("slug"))?;
        is_branch(&project.default_branch, || place("default branch"))?;
    }
    for workspace in &data.workspaces {
        let place = |field: &str| format!("the {field} of workspace {}", workspace.id);
        is_name(&workspace.name, || place("name"))?;
        if let Some(branch) = &workspace.branch_name {
            is_branch(branch, || place("branch"))?;
        }
        if workspace.parent_workspace_id.as_ref() == Some(&workspace.id) {
            return refuse(&place("parent"), "it is the workspace itself");
        }
    }
    for session in &data.agent_sessions {
        let place = |field: &str| format!("the {field} of session {}", session.id);
        is_name(&session.workflow, || place("workflow"))?;
        is_name(&session.model, || place("model"))?;
        if let Some(name) = &session.name {
            is_name(name, || place("name"))?;
        }
    }
    Ok(())
}

fn is_name(text: &str, place: impl Fn() -> String) -> Result<()> {
    if text.chars().any(char::is_control) {
        return refuse(&place(), "it holds control characters");
    }
    if text.len() > LONGEST_NAME {
        return refuse(&place(), "it is too long");
    }
    Ok(())
}

fn is_slug(text: &str, place: impl Fn() -> String) -> Result<()> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    match (1..=100).contains(&text.len()) && text.bytes().all(allowed) {
        true => Ok(()),
        false => refuse(&place(), "it has 1 to 100 characters of a-z, 0-9 and -"),
    }
}

/// The rules of `git check-ref-format` that matter to us.
fn is_branch(text: &str, place: impl Fn() -> String) -> Result<()> {
    is_name(text, &place)?;
    let odd = |c: char| c.is_whitespace() || "~^:?*[\\".contains(c);
    let fits = !text.is_empty()
        && !text.starts_with(['-', '/'])
        && !text.contains("..")
        && !text.contains("@{")
        && !text.contains(odd);
    match fits {
        true => Ok(()),
        false => refuse(&place(), "it is no name of a branch"),
    }
}

fn refuse(place: &str, reason: &str) -> Result<()> {
    let detail = format!("{place} cannot be taken over: {reason}");
    Err(Error::refused(ErrorCode::Invalid, detail))
}
