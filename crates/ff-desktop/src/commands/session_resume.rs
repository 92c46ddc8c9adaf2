//! `ff session resume WORKSPACE SESSION`.

use crate::cli::ResumeArgs;
use crate::context::Context;
use crate::session::waits::Standing;
use crate::session::{follow, host, prompt};
use crate::stop;

/// Lets messages that wait go on, and shows the turn. Where none does, the process is started, if
/// something keeps it.
pub async fn run(context: &Context, args: &ResumeArgs) -> anyhow::Result<()> {
    let asked = &args.session;
    let (known, host, id) =
        host::of_session_waking(context, &asked.workspace, &asked.session).await?;
    prompt::check_stay(&host, &args.stay)?;
    let detail = host.session(&known.id, &id).await?;
    let waiting = detail.session.queued > 0;
    if host.is_here() && !waiting {
        let send = format!("ff session send {} {id} --prompt TEXT", known.id);
        return context.out.result(&detail.session, || {
            format!("no message of this session waits; to send one: {send}")
        });
    }
    if args.stay.detach || !waiting {
        let session = host.resume(&known.id, &id).await?;
        let standing = Standing::of(&host, session);
        return context.out.result(&standing, || standing.text());
    }
    let begin = async {
        let before = follow::Before::of(&detail);
        let events = host.events(&known.id, Some(before.seq)).await?;
        let session = host.resume(&known.id, &id).await?;
        Ok((events, before, session))
    };
    let (events, before, session) = stop::unless(context.stop(), begin).await?;
    let last = follow::until_end(context, &known, &host, events, &session, before).await?;
    prompt::conclude(context, &known, &host, &last).await
}
