//! Which pull request is whose. Pure.

use ff_protocol::WorkspaceId;
use ff_protocol::workspace::Workspace;

use crate::github::PullSummary;

/// Gives each open pull request of a repository to the newest workspace on its branch that was
/// there before it; the oldest pull request is given first, and each workspace gets one at most.
///
/// One whose branch is in another repository is nobody's: anybody can give a branch of a fork any
/// name.
pub(super) fn matched<'a>(
    pulls: &'a [PullSummary],
    workspaces: &[Workspace],
) -> Vec<(WorkspaceId, &'a PullSummary)> {
    let mut pulls: Vec<_> = pulls.iter().filter(|it| !it.is_cross_repository).collect();
    pulls.sort_by_key(|pull| (pull.created_at, pull.number));
    let mut free: Vec<&Workspace> = workspaces.iter().collect();
    free.sort_by_key(|workspace| std::cmp::Reverse((workspace.created_at, workspace.id.clone())));
    let mut found = Vec::new();
    for pull in pulls {
        let is_its = |workspace: &&Workspace| {
            workspace.branch_name.as_deref() == Some(&*pull.head_ref_name)
                && workspace.created_at <= pull.created_at
        };
        if let Some(at) = free.iter().position(is_its) {
            found.push((free.remove(at).id.clone(), pull));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ff_protocol::ProjectId;
    use ff_protocol::workspace::Owner;

    use super::*;
    use crate::clock;

    fn pull(number: u64, branch: &str, age: u64) -> PullSummary {
        PullSummary {
            number,
            url: format!("https://github.com/octo/demo/pull/{number}"),
            head_ref_name: branch.into(),
            is_cross_repository: false,
            created_at: clock::now() - Duration::from_secs(age),
        }
    }

    fn workspace(branch: &str, age: u64) -> Workspace {
        let made = clock::now() - Duration::from_secs(age);
        Workspace {
            branch_name: Some(branch.into()),
            ..Workspace::new(ProjectId::generate(), branch, Owner::Cloud, made)
        }
    }

    #[test]
    fn the_oldest_goes_to_the_newest_workspace_that_was_there_before_it() {
        let workspaces = [
            workspace("a", 300),
            workspace("a", 200),
            workspace("a", 20),
            workspace("b", 300),
            workspace("c", 10),
        ];
        let fork = PullSummary {
            is_cross_repository: true,
            ..pull(9, "b", 100)
        };
        let pulls = [
            pull(3, "a", 50),
            pull(2, "a", 100),
            pull(4, "c", 100),
            pull(5, "nobody's", 100),
            fork,
        ];
        let found: Vec<_> = matched(&pulls, &workspaces)
            .into_iter()
            .map(|(id, pull)| (id, pull.number))
            .collect();
        let [older, newer, ..] = workspaces.map(|it| it.id);
        assert_eq!(found, [(newer, 2), (older, 3)]);
    }
}
