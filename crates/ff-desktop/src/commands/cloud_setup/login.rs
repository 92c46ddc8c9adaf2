//! The two logins. Pure.

use ff_protocol::onboarding::Onboarding;
use ff_protocol::vm::Login;

/// A login to be made in the VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// `gh`.
    Github,
    /// The Claude CLI.
    Claude,
}

impl Step {
    /// In their order.
    pub const ALL: [Self; 2] = [Self::Github, Self::Claude];

    /// Where one logs in.
    pub fn name(self) -> &'static str {
        match self {
            Self::Github => "GitHub",
            Self::Claude => "Claude",
        }
    }

    /// The login as it is.
    pub fn of(self, seen: &Onboarding) -> &Login {
        match self {
            Self::Github => &seen.github,
            Self::Claude => &seen.claude,
        }
    }

    /// Name of the terminal in which it is made: who comes back finds it there.
    pub fn terminal(self) -> &'static str {
        match self {
            Self::Github => "setup-github",
            Self::Claude => "setup-claude",
        }
    }

    /// The command that is typed for the user. It takes the shell's place, so the terminal ends with
    /// it; the space keeps it out of the shell's history.
    pub fn typed(self) -> Vec<u8> {
        format!(" exec {}\r", self.command()).into_bytes()
    }

    /// The command.
    pub fn command(self) -> &'static str {
        match self {
            Self::Github => "gh auth login --hostname github.com --git-protocol https --web",
            Self::Claude => "claude auth login",
        }
    }

    /// What the user will have to do.
    pub fn explained(self) -> &'static str {
        match self {
            Self::Github => {
                "gh shows a one-time code. Open https://github.com/login/device in a browser on any machine,\n\
                 enter the code there, and come back: gh notices by itself. (Enter answers its questions; no browser\n\
                 is needed in the VM.)"
            }
            Self::Claude => {
                "claude shows an address. Open it in a browser on any machine, log in, and paste the code that you\n\
                 get there into this terminal. (With an API key instead: `s` here, and in `ff terminal --vm` put\n\
                 {\"env\": {\"ANTHROPIC_API_KEY\": \"...\"}} into ~/.claude/settings.json.)"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_one_line_that_takes_the_shells_place() {
        for step in Step::ALL {
            let typed = String::from_utf8(step.typed()).unwrap();
            assert!(
                typed.starts_with(" exec ") && typed.ends_with('\r'),
                "{typed}"
            );
            assert!(!typed.trim().contains(char::is_control), "{typed}");
        }
    }
}
