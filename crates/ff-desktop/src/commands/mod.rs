//! The commands, one a file.

mod chat;
mod cloud_connect;
mod cloud_setup;
mod cloud_status;
mod completions;
mod export;
mod import;
mod pr;
mod project_add;
mod project_list;
mod project_set;
mod pull;
mod ratchet;
mod send;
mod serve;
mod session_answer;
mod session_close;
mod session_configure;
mod session_fork;
mod session_interrupt;
mod session_list;
mod session_resume;
mod session_send;
mod session_show;
mod session_start;
mod session_stop;
mod terminal;
mod workspace_archive;
mod workspace_delete;
mod workspace_dismiss;
mod workspace_list;
mod workspace_log;
mod workspace_new;
mod workspace_reclaim;
mod workspace_rename;
mod workspace_restore;
mod workspace_retry;
mod workspace_run;
mod workspace_show;

use std::process::ExitCode;

use crate::cli::{
    CloudCommand, Command, ProjectCommand, RunCommand, SessionCommand, WorkspaceCommand,
};
use crate::context::Context;
use crate::stop;

/// Runs a command; the exit code is 0 unless the command has one of its own.
///
/// # Errors
/// Whatever the command met.
pub async fn run(context: &Context, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Project(command) => {
            stop::unless(context.stop(), project(context, command)).await?
        }
        // It stops what it runs by itself.
        Command::Workspace(WorkspaceCommand::Run(command)) => {
            workspace_run::run(context, command).await?;
        }
        Command::Workspace(command) => {
            stop::unless(context.stop(), workspace(context, command)).await?;
        }
        Command::Cloud(command) => return cloud(context, command).await,
        Command::Send(args) => send::run(context, &args).await?,
        Command::Pull(args) => pull::run(context, &args).await?,
        Command::Terminal(args) => return terminal::run(context, args).await,
        Command::Session(command) => session(context, command).await?,
        Command::Pr(command) => stop::unless(context.stop(), pr::run(context, command)).await?,
        Command::Ratchet(command) => {
            stop::unless(context.stop(), ratchet::run(context, command)).await?;
        }
        Command::Chat(args) => chat::run(context, args).await?,
        Command::Serve(args) => serve::run(context, &args).await?,
        Command::Completions { shell } => completions::run(shell)?,
        Command::Import(args) => {
            stop::unless(context.stop(), import::run(context, args)).await?;
        }
        Command::Export(args) => {
            stop::unless(context.stop(), export::run(context, args)).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn project(context: &Context, command: ProjectCommand) -> anyhow::Result<()> {
    match command {
        ProjectCommand::Add { path, startup } => project_add::run(context, &path, startup).await,
        ProjectCommand::List => project_list::run(context).await,
        ProjectCommand::Set {
            project,
            startup,
            no_startup,
        } => project_set::run(context, &project, startup, no_startup).await,
    }
}

async fn workspace(context: &Context, command: WorkspaceCommand) -> anyhow::Result<()> {
    match command {
        WorkspaceCommand::New(args) => workspace_new::run(context, args).await,
        WorkspaceCommand::List => workspace_list::run(context).await,
        WorkspaceCommand::Show(args) => workspace_show::run(context, &args.workspace).await,
        WorkspaceCommand::Log(args) => workspace_log::run(context, &args.workspace).await,
        WorkspaceCommand::Retry(args) => workspace_retry::run(context, args).await,
        WorkspaceCommand::Dismiss(args) => workspace_dismiss::run(context, &args.workspace).await,
        WorkspaceCommand::Rename(args) => workspace_rename::run(context, &args).await,
        WorkspaceCommand::Restore(args) => workspace_restore::run(context, &args.workspace).await,
        WorkspaceCommand::Reclaim(args) => workspace_reclaim::run(context, &args).await,
        WorkspaceCommand::Archive(args) => workspace_archive::run(context, &args).await,
        WorkspaceCommand::Delete(args) => workspace_delete::run(context, &args).await,
        WorkspaceCommand::Run(command) => workspace_run::run(context, command).await,
    }
}

async fn cloud(context: &Context, command: CloudCommand) -> anyhow::Result<ExitCode> {
    match command {
        CloudCommand::Connect { url, user } => {
            stop::unless(context.stop(), cloud_connect::run(context, &url, user)).await?;
        }
        CloudCommand::Setup(args) => return cloud_setup::run(context, args).await,
        CloudCommand::Status => {
            stop::unless(context.stop(), cloud_status::run(context)).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What runs a turn sees to signals itself: the turn has to be interrupted first.
async fn session(context: &Context, command: SessionCommand) -> anyhow::Result<()> {
    match command {
        SessionCommand::Start(args) => session_start::run(context, args).await,
        SessionCommand::Send(args) => session_send::run(context, args).await,
        SessionCommand::Fork(args) => session_fork::run(context, args).await,
        SessionCommand::Resume(args) => session_resume::run(context, &args).await,
        other => stop::unless(context.stop(), short_session(context, other)).await,
    }
}

async fn short_session(context: &Context, command: SessionCommand) -> anyhow::Result<()> {
    match command {
        SessionCommand::List(args) => session_list::run(context, &args.workspace).await,
        SessionCommand::Show(args) => session_show::run(context, &args).await,
        SessionCommand::Interrupt(args) => session_interrupt::run(context, &args).await,
        SessionCommand::Stop(args) => session_stop::run(context, &args).await,
        SessionCommand::Close(args) => session_close::run(context, &args).await,
        SessionCommand::Configure(args) => session_configure::run(context, args).await,
        SessionCommand::Answer(args) => session_answer::run(context, args).await,
        SessionCommand::Start(_)
        | SessionCommand::Send(_)
        | SessionCommand::Fork(_)
        | SessionCommand::Resume(_) => Ok(()),
    }
}

/// The workspace a command names.
pub fn workspace_of(command: &Command) -> Option<String> {
    let name = match command {
        Command::Send(args) => args.workspace.as_ref()?,
        Command::Pull(args) => &args.workspace.workspace,
        Command::Workspace(command) => match command {
            WorkspaceCommand::Show(args)
            | WorkspaceCommand::Log(args)
            | WorkspaceCommand::Restore(args)
            | WorkspaceCommand::Dismiss(args) => &args.workspace,
            WorkspaceCommand::Retry(args) => &args.workspace.workspace,
            WorkspaceCommand::Reclaim(args) => &args.workspace.workspace,
            WorkspaceCommand::Rename(args) => &args.workspace.workspace,
            WorkspaceCommand::Archive(args) => &args.workspace.workspace,
            WorkspaceCommand::Delete(args) => &args.workspace.workspace,
            WorkspaceCommand::Run(
                RunCommand::Start(args) | RunCommand::Stop(args) | RunCommand::Logs(args),
            ) => &args.workspace,
            WorkspaceCommand::New(_) | WorkspaceCommand::List => return None,
        },
        Command::Terminal(args) => args.workspace()?,
        Command::Chat(args) => &args.workspace,
        Command::Pr(command) => command.workspace(),
        Command::Ratchet(command) => command.workspace(),
        Command::Session(command) => match command {
            SessionCommand::Start(args) => &args.workspace,
            SessionCommand::List(args) => &args.workspace,
            SessionCommand::Send(args) => &args.session.workspace,
            SessionCommand::Answer(args) => &args.session.workspace,
            SessionCommand::Fork(args) => &args.session.workspace,
            SessionCommand::Resume(args) => &args.session.workspace,
            SessionCommand::Configure(args) => &args.session.workspace,
            SessionCommand::Show(args)
            | SessionCommand::Interrupt(args)
            | SessionCommand::Stop(args)
            | SessionCommand::Close(args) => &args.workspace,
        },
        Command::Project(_)
        | Command::Cloud(_)
        | Command::Serve(_)
        | Command::Import(_)
        | Command::Export(_)
        | Command::Completions { .. } => return None,
    };
    Some(quoted(name))
}

/// The command as it was typed, fit to be typed again.
pub fn as_typed() -> String {
    let words = std::env::args_os().skip(1);
    let words: Vec<String> = words.map(|word| quoted(&word.to_string_lossy())).collect();
    format!("ff {}", words.join(" "))
}

/// A word as a shell takes it; one that is too long to be shown is cut.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.len() <= 200 && word.chars().all(plain) {
        return word.to_owned();
    }
    if word.chars().count() > 60 || word.contains('\n') {
        return "'...'".to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("http://localhost:3000"), "http://localhost:3000");
        assert_eq!(quoted("two words"), "'two words'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted(&"long ".repeat(50)), "'...'");
    }
}
