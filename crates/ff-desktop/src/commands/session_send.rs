//! `ff session send WORKSPACE SESSION --prompt TEXT`.

use ff_protocol::ClientId;
use ff_protocol::session::Prompt;

use crate::cli::SendArgs;
use crate::context::Context;
use crate::output::fields;
use crate::session::{follow, host, prompt};
use crate::stop;

/// Gives a session its next prompt, and shows the turn.
pub async fn run(context: &Context, args: SendArgs) -> anyhow::Result<()> {
    let asked = &args.session;
    let (known, host, id) =
        host::of_session_waking(context, &asked.workspace, &asked.session).await?;
    prompt::check_stay(&host, &args.stay)?;
    let text = prompt::text(context, &args.prompt).await?;
    let next = Prompt {
        text,
        id: Some(ClientId::generate()),
    };
    if args.stay.detach {
        let session = host.prompt(&known.id, &id, next).await?;
        return context.out.result(&session, || {
            fields(&[("next", Some(format!("ff session show {} {id}", known.id)))])
        });
    }
    let begin = async {
        let before = follow::Before::of(&host.session(&known.id, &id).await?);
        let events = host.events(&known.id, Some(before.seq)).await?;
        let session = host.prompt(&known.id, &id, next).await?;
        Ok((events, before, session))
    };
    let (events, before, session) = stop::unless(context.stop(), begin).await?;
    let last = follow::until_end(context, &known, &host, events, &session, before).await?;
    prompt::conclude(context, &known, &host, &last).await
}
