//! What a user has done, and has still to do, in their VM.

use serde::{Deserialize, Serialize};

use crate::vm::{GitIdentity, Login};

/// Longest time that `GET /api/vms/{vm}/onboarding?after=VERSION&wait=SECONDS` takes to answer, in
/// seconds.
pub const LONGEST_WAIT: u64 = 60;

/// What a user has done and has still to do in their VM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Onboarding {
    /// Stands for all the rest: another one says that something has changed.
    #[serde(default)]
    pub version: String,
    /// The login of `gh`.
    pub github: Login,
    /// The login of the Claude CLI.
    pub claude: Login,
    /// The git identity commits will carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_identity: Option<GitIdentity>,
    /// What of the git identity is missing: `user.name`, `user.email`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub git_identity_missing: Vec<String>,
    /// The git identity that goes with the GitHub account, while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_identity_proposed: Option<GitIdentity>,
    /// Versions of the tools.
    #[serde(default)]
    pub tools: Tools,
    /// Stable code of `nextStep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_step_code: Option<NextStep>,
    /// The one thing to do next; absent when there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
}

impl Onboarding {
    /// Whether workspaces can work in the VM: both logins are there. A git identity may still be
    /// missing, as a workspace that is sent brings the one it had.
    pub fn is_ready(&self) -> bool {
        self.github.logged_in && self.claude.logged_in
    }
}

/// Versions of the tools in a VM, as they name them; absent for one that does not run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tools {
    /// The Claude CLI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claude: Option<String>,
    /// `gh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gh: Option<String>,
    /// `git`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<String>,
    /// Node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// Codes of the next step, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NextStep {
    /// A tool does not run.
    ToolMissing,
    /// Log in to GitHub.
    GithubLogin,
    /// Log in to Claude.
    ClaudeLogin,
    /// Say who commits.
    GitIdentity,
    /// Something an agent newer than this reader knows.
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_an_older_agent_is_understood() {
        let text = r#"{"github": {"loggedIn": true}, "claude": {"loggedIn": false}, "nextStep": "log in"}"#;
        let read: Onboarding = serde_json::from_str(text).unwrap();
        assert_eq!(read.next_step.as_deref(), Some("log in"));
        assert_eq!((read.next_step_code, read.tools), (None, Tools::default()));
    }

    #[test]
    fn a_code_of_a_newer_agent_is_understood() {
        let read: NextStep = serde_json::from_str(r#""dance""#).unwrap();
        assert_eq!(read, NextStep::Other);
    }
}
