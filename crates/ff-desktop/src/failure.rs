//! How a failed command is told: what happened, what to do, and the exit code.

use std::process::ExitCode;

use ff_client::ClientError;
use ff_protocol::{ErrorCode, InvalidId, Problem};

/// Exit codes, as `ff --help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It went wrong.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// No such object.
    NotFound = 3,
    /// The state of things forbids it.
    Refused = 4,
    /// The cloud cannot be reached, or cannot act now.
    Unreachable = 5,
    /// A session waits for its user.
    Waiting = 6,
    /// A signal told it to stop.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error of our own, complete with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened.
    pub text: String,
    /// What to do, in words.
    pub hint: Option<String>,
    /// The command to try next.
    pub next: Option<String>,
}

impl Failure {
    /// An error with its exit code.
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self {
            exit,
            text: text.into(),
            hint: None,
            next: None,
        }
    }

    /// The same error with what to do, in words.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with the command to try next.
    pub fn next(mut self, command: impl Into<String>) -> Self {
        self.next = Some(command.into());
        self
    }

    /// The lines to print on stderr.
    pub fn render(&self) -> String {
        let mut lines = vec![format!("error: {}", self.text)];
        lines.extend(self.hint.as_ref().map(|hint| format!("  {hint}")));
        lines.extend(self.next.as_ref().map(|next| format!("  try: {next}")));
        lines.join("\n")
    }
}

/// What was asked for, to make a proposal that fits.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The command as it was typed.
    pub command: String,
    /// The workspace it named.
    pub workspace: Option<String>,
}

/// Turns any error of a command into words, a proposal and an exit code.
pub fn explain(error: &anyhow::Error, asked: &Asked) -> Failure {
    let mut words: Vec<String> = Vec::new();
    let mut known: Option<Failure> = None;
    for cause in error.chain() {
        known = failure_of(cause, asked);
        let Some(found) = &known else {
            words.push(cause.to_string());
            continue;
        };
        words.push(found.text.clone());
        if cause.is::<ClientError>() && problem_of(cause).is_none() {
            words.extend(root_of(cause));
        }
        break;
    }
    words.dedup();
    let mut failure = known.unwrap_or_else(|| {
        Failure::new(Exit::Failed, "")
            .hint("FF_LOG=debug in the environment tells more")
            .next(asked.command.clone())
    });
    failure.text = words.join(": ");
    failure
}

/// What lies at the root of an error that has causes.
fn root_of(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    std::iter::successors(cause.source(), |next| next.source())
        .last()
        .map(ToString::to_string)
}

fn problem_of(cause: &(dyn std::error::Error + 'static)) -> Option<Problem> {
    if let Some(problem) = cause.downcast_ref::<Problem>() {
        return Some(problem.clone());
    }
    if let Some(ClientError::Problem(problem)) = cause.downcast_ref() {
        return Some(problem.clone());
    }
    match cause.downcast_ref() {
        Some(ff_core::Error::Refused(problem)) => Some(problem.clone()),
        _ => None,
    }
}

fn failure_of(cause: &(dyn std::error::Error + 'static), asked: &Asked) -> Option<Failure> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(failure.clone());
    }
    if let Some(problem) = problem_of(cause) {
        return Some(of_problem(&problem, asked));
    }
    if let Some(error) = cause.downcast_ref::<ClientError>() {
        return Some(of_client(error, asked));
    }
    let invalid = cause.downcast_ref::<InvalidId>()?;
    Some(Failure::new(Exit::Usage, invalid.to_string()).next(help_of(&asked.command)))
}

fn of_client(error: &ClientError, asked: &Asked) -> Failure {
    let (exit, hint, next) = match error {
        ClientError::Address { .. } => (
            Exit::Refused,
            "give the address of a cloud server",
            "ff cloud connect http://localhost:3000".into(),
        ),
        ClientError::Local(_) => (Exit::Failed, "", asked.command.clone()),
        ClientError::Refused { .. } | ClientError::Unreachable { .. } => (
            Exit::Unreachable,
            "is the server running, and is this its address? `ff cloud connect URL` changes it",
            "ff cloud status".into(),
        ),
        _ => (Exit::Unreachable, "", asked.command.clone()),
    };
    let failure = Failure::new(exit, error.to_string()).next(next);
    if hint.is_empty() {
        return failure;
    }
    failure.hint(hint)
}

fn of_problem(problem: &Problem, asked: &Asked) -> Failure {
    let mut failure = Failure::new(exit_of(problem.code), problem.detail.clone());
    failure.hint = problem.hint.clone();
    if problem.code == ErrorCode::Internal
        && let Some(request) = &problem.request_id
    {
        failure.text = format!("{} (request {request})", failure.text);
    }
    let names_a_command = problem
        .hint
        .as_ref()
        .is_some_and(|hint| hint.contains("`ff "));
    if !names_a_command {
        failure.next = Some(next_after(problem.code, asked));
    }
    failure
}

/// The exit code that goes with a code of the wire.
pub fn exit_of(code: ErrorCode) -> Exit {
    use ErrorCode as C;
    match code {
        C::BadRequest | C::Invalid => Exit::Usage,
        C::NotFound => Exit::NotFound,
        C::Unauthorized
        | C::ForeignOrigin
        | C::MethodNotAllowed
        | C::Conflict
        | C::AmbiguousUser
        | C::NotOwner
        | C::Contested
        | C::HandoffActive
        | C::TurnActive
        | C::RatchetActive
        | C::GitIndexLocked
        | C::LoginRequired
        | C::BranchMissing
        | C::CloneFailed
        | C::TooLarge
        | C::Suspended
        | C::Busy
        | C::Quiesced
        | C::OwnsWorkspaces
        | C::Gone
        | C::LimitReached
        | C::CliUnavailable
        | C::GhUnavailable
        | C::RateLimited => Exit::Refused,
        C::ComputeUnavailable
        | C::AgentUnavailable
        | C::GithubUnavailable
        | C::ShuttingDown
        | C::Timeout => Exit::Unreachable,
        C::Corrupted | C::GithubFailed | C::Internal => Exit::Failed,
    }
}

fn next_after(code: ErrorCode, asked: &Asked) -> String {
    use ErrorCode as C;
    let workspace = asked.workspace.as_deref().unwrap_or("WORKSPACE");
    let again = asked.command.clone();
    let is = |command: &str| {
        let rest = again.strip_prefix(command);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    match code {
        C::NotFound if is("ff session") => format!("ff session list {workspace}"),
        C::NotFound if is("ff pr") => format!("ff pr show {workspace}"),
        C::NotFound if is("ff terminal") => "ff terminal list".into(),
        C::NotFound if is("ff cloud") => "ff cloud status".into(),
        C::NotFound if is("ff import") || is("ff workspace new") => help_of(&again),
        C::NotFound => "ff workspace list".into(),
        C::Unauthorized | C::ForeignOrigin | C::AmbiguousUser => {
            "ff cloud connect URL --user NAME".into()
        }
        C::GitIndexLocked if is("ff workspace archive") => {
            format!("ff workspace archive {workspace} --remove-git-index-lock")
        }
        C::GitIndexLocked => again,
        C::Conflict | C::LimitReached if is_of_sessions(&asked.command) => {
            format!("ff session list {workspace}")
        }
        C::LimitReached if asked.command.starts_with("ff terminal") => "ff terminal list".into(),
        C::LimitReached => "ff workspace list".into(),
        // What is in the way is told; without it the same goes.
        C::Conflict | C::TooLarge if is("ff send") || is("ff pull") => again,
        C::NotOwner | C::Conflict if asked.workspace.is_none() => "ff workspace list".into(),
        C::NotOwner | C::Conflict => format!("ff workspace show {workspace}"),
        C::Contested => format!("ff workspace reclaim {workspace}"),
        C::TurnActive | C::RatchetActive => format!("ff session list {workspace}"),
        C::LoginRequired if is("ff pr") => "gh auth login".into(),
        C::LoginRequired if is("ff workspace new") && !again.contains(" --cloud") => {
            "gh auth login".into()
        }
        C::LoginRequired => "ff cloud setup".into(),
        C::BranchMissing if is("ff workspace new") => {
            "git branch --all, in the project's repository".into()
        }
        C::BranchMissing => format!("push the branch (git push -u origin BRANCH), then: {again}"),
        C::CloneFailed => "ff terminal --vm  (and there: gh auth status, git ls-remote URL)".into(),
        C::CliUnavailable => "claude --version, where the workspace is".into(),
        C::GhUnavailable => "gh --version, where the workspace is".into(),
        C::Suspended => "ff terminal --vm  (it wakes the VM), then the same command".into(),
        C::Gone => "ff cloud setup".into(),
        C::OwnsWorkspaces => "ff workspace list  (then ff pull each of them)".into(),
        C::ComputeUnavailable | C::AgentUnavailable => "ff cloud status".into(),
        C::BadRequest | C::Invalid | C::MethodNotAllowed | C::TooLarge => help_of(&again),
        C::HandoffActive
        | C::Busy
        | C::Quiesced
        | C::Corrupted
        | C::RateLimited
        | C::GithubFailed
        | C::GithubUnavailable
        | C::ShuttingDown
        | C::Timeout
        | C::Internal => again,
    }
}

fn is_of_sessions(command: &str) -> bool {
    command.starts_with("ff session") || command.starts_with("ff chat")
}

/// The help of a command: `ff send W` has `ff send --help`, `ff workspace new N` that of `new`.
fn help_of(command: &str) -> String {
    let groups = ["project", "workspace", "cloud", "session", "pr", "ratchet"];
    let words: Vec<&str> = command.split(' ').collect();
    let length = match words.get(1) {
        Some(word) if groups.contains(word) => 3,
        _ => 2,
    };
    let words = &words[..words.len().min(length)];
    format!("{} --help", words.join(" "))
}

#[cfg(test)]
mod tests;
