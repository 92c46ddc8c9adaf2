//! `ff session start WORKSPACE --prompt TEXT`.

use ff_protocol::session::StartSession;

use crate::cli::StartArgs;
use crate::context::Context;
use crate::output::fields;
use crate::session::{follow, host, prompt};
use crate::stop;

/// Starts a session, and shows its first turn.
pub async fn run(context: &Context, args: StartArgs) -> anyhow::Result<()> {
    let (known, host) = host::of_workspace(context, &args.workspace).await?;
    prompt::check_stay(&host, &args.stay)?;
    let start = StartSession {
        prompt: Some(prompt::text(context, &args.prompt).await?),
        name: args.name,
        model: args.model,
        permissions: args.permissions.map(Into::into),
        ..StartSession::default()
    };
    if args.stay.detach {
        let session = host.start(&known.id, start).await?;
        return context.out.result(&session, || {
            fields(&[
                ("session", Some(session.id.to_string())),
                (
                    "next",
                    Some(format!("ff session show {} {}", known.id, session.id)),
                ),
            ])
        });
    }
    let begin = async {
        let events = host.events(&known.id, None).await?;
        Ok((events, host.start(&known.id, start).await?))
    };
    let (events, session) = stop::unless(context.stop(), begin).await?;
    context.out.say(format!("session {}", session.id));
    let last = follow::until_end(
        context,
        &known,
        &host,
        events,
        &session,
        follow::Before::default(),
    )
    .await?;
    prompt::conclude(context, &known, &host, &last).await
}
