//! `ff terminal [--vm | WORKSPACE] [--name NAME]`.

use std::process::ExitCode;

use super::target::{self, Target};
use crate::cli::{TerminalArgs, TerminalPlaceArgs};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{interactive, say};
use crate::stop;
use crate::tty::attach::{self, Left, View};
use crate::tty::shell::{self, Opened, Wanted};

/// Opens a terminal and stays until its shell ends or the user detaches.
pub async fn run(context: &Context, args: TerminalArgs) -> anyhow::Result<ExitCode> {
    if context.out.is_json() {
        return Err(Failure::new(Exit::Usage, "a terminal has no JSON form")
            .next("ff terminal WORKSPACE")
            .into());
    }
    let by_hand = interactive();
    let wanted = Wanted {
        name: args.name.as_deref(),
        read_only: args.read_only,
        on_a_screen: by_hand,
    };
    let place = args.place.clone().unwrap_or(TerminalPlaceArgs {
        workspace: None,
        vm: true,
    });
    let opening = open(context, &place, wanted);
    let mut opened = stop::unless(context.stop(), opening).await?;
    let left = if by_hand {
        greet(&args, &opened);
        let view = View {
            key: args.detach_key,
            read_only: args.read_only,
            first: None,
        };
        let never = std::future::pending();
        attach::person(context, &mut opened.line, view, never).await
    } else {
        attach::pipe(context, &mut opened.line, args.read_only).await
    };
    match left? {
        Left::Exited(exit) => {
            if by_hand {
                say(format!("\r\n[ff: the shell ended with {exit}]"));
            }
            opened.place.forget(&opened.terminal).await;
            let code = u8::try_from(exit.code & 0xff).unwrap_or(u8::MAX);
            Ok(ExitCode::from(code))
        }
        Left::Detached | Left::Over => {
            let way_back = opened.place.way_back(&opened.terminal);
            say(format!("\r\n[ff: detached; {way_back}]"));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn greet(args: &TerminalArgs, opened: &Opened) {
    let leave = match args.detach_key.name() {
        Some(key) => format!("{key} detaches"),
        None => "no key detaches".to_owned(),
    };
    let name = &opened.terminal.name;
    let how = match (opened.new, args.read_only) {
        (true, _) => "opened",
        (false, false) => "back in",
        (false, true) => "looking at",
    };
    say(format!("[ff: {how} `{name}`; {leave}]"));
}

async fn open(
    context: &Context,
    place: &TerminalPlaceArgs,
    wanted: Wanted<'_>,
) -> anyhow::Result<Opened> {
    match target::find(context, place).await? {
        Target::Engine(engine, place) => shell::elsewhere(&engine, place, wanted).await,
        Target::Here(context, workspace) => {
            shell::here(context.core().await?, &workspace, wanted).await
        }
    }
}
