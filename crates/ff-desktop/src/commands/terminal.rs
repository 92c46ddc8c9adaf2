//! `ff terminal [--vm | WORKSPACE] [--name NAME]`.

use std::process::ExitCode;

use crate::cli::TerminalArgs;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{interactive, say};
use crate::session::host::{self, Host};
use crate::tty::attach::{self, Left};
use crate::tty::shell;
use crate::{stop, vm};

/// Opens a terminal and stays until its shell ends or the user detaches.
pub async fn run(context: &Context, args: TerminalArgs) -> anyhow::Result<ExitCode> {
    if context.out.is_json() {
        return Err(Failure::new(Exit::Usage, "a terminal has no JSON form")
            .next("ff terminal WORKSPACE")
            .into());
    }
    let name = args.name.as_deref();
    let opened = stop::unless(context.stop(), open(context, &args, name)).await?;
    let left = if interactive() {
        say("[ff: Ctrl-] detaches]");
        attach::person(context, opened.line).await
    } else {
        attach::pipe(context, opened.line).await
    };
    match left? {
        Left::Exited(code) => {
            opened.place.forget(&opened.terminal).await;
            Ok(ExitCode::from(u8::try_from(code & 0xff).unwrap_or(u8::MAX)))
        }
        Left::Detached => {
            say(format!(
                "\r\n[ff: detached; {}]",
                opened.place.way_back(&opened.terminal)
            ));
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn open(
    context: &Context,
    args: &TerminalArgs,
    name: Option<&str>,
) -> anyhow::Result<shell::Opened> {
    let Some(workspace) = &args.workspace else {
        let cloud = context.cloud()?;
        let vm = vm::of_user(&cloud).await?;
        return shell::in_vm(cloud.client.engine(), &vm.id, name).await;
    };
    let (known, host) = host::of_workspace(context, workspace).await?;
    match host {
        Host::Engine(engine, _) => shell::in_workspace(&engine, &known.id, name).await,
        Host::Here(context) => shell::here(context.core().await?, &known.id, name).await,
    }
}
