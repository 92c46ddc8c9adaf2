//! What to do next. Pure.

use ff_protocol::onboarding::{NextStep, Onboarding};

/// The next step of who has come so far, if there is one.
pub(super) fn step(seen: &Onboarding) -> Option<(NextStep, String)> {
    let tools = [
        ("claude", &seen.tools.claude),
        ("gh", &seen.tools.gh),
        ("git", &seen.tools.git),
    ];
    if let Some((tool, _)) = tools.iter().find(|(_, version)| version.is_none()) {
        let text = format!(
            "`{tool}` does not run in the VM: install it there, or have the VM's image renewed"
        );
        return Some((NextStep::ToolMissing, text));
    }
    let (code, text) = if !seen.github.logged_in {
        let text = "log in to GitHub: run `gh auth login` in the VM's terminal";
        (NextStep::GithubLogin, text)
    } else if !seen.claude.logged_in {
        let text = "log in to Claude: run `claude auth login` in the VM's terminal";
        (NextStep::ClaudeLogin, text)
    } else if seen.git_identity.is_none() {
        let text = "say who commits: run `ff cloud setup`, or `git config --global` in the VM's terminal for user.name and user.email";
        (NextStep::GitIdentity, text)
    } else {
        return None;
    };
    Some((code, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use ff_protocol::vm::GitIdentity;

    use super::*;

    #[test]
    fn steps_come_one_after_the_other() {
        let code = |seen: &Onboarding| step(seen).map(|(code, _)| code);
        let mut seen = Onboarding::default();
        assert_eq!(code(&seen), Some(NextStep::ToolMissing));
        for tool in [
            &mut seen.tools.claude,
            &mut seen.tools.gh,
            &mut seen.tools.git,
        ] {
            *tool = Some("1".into());
        }
        assert_eq!(code(&seen), Some(NextStep::GithubLogin));
        seen.github.logged_in = true;
        assert_eq!(code(&seen), Some(NextStep::ClaudeLogin));
        seen.claude.logged_in = true;
        assert_eq!(code(&seen), Some(NextStep::GitIdentity));
        let identity = |part: &str| part.to_owned();
        seen.git_identity = Some(GitIdentity {
            name: identity("a"),
            email: identity("b"),
        });
        assert_eq!(code(&seen), None);
    }
}
