//! `ff session show WORKSPACE SESSION`.

use ff_protocol::session::SessionDetail;

use crate::cli::SessionArg;
use crate::context::Context;
use crate::output::{fields, wire_name};
use crate::session::history::{Fates, message};
use crate::session::host::{self, Host};
use crate::session::waits::what_for;
use crate::view::session_status;

/// Shows a session with its messages, and what became of each.
pub async fn run(context: &Context, args: &SessionArg) -> anyhow::Result<()> {
    let (known, host, id) = host::of_session(context, &args.workspace, &args.session).await?;
    let detail = host.session(&known.id, &id).await?;
    context.out.result(&detail, || text(&host, &detail))
}

fn text(host: &Host<'_>, detail: &SessionDetail) -> String {
    let session = &detail.session;
    let last = session.last_turn.as_ref();
    let head = fields(&[
        ("session", Some(session.id.to_string())),
        ("name", session.name.clone()),
        ("status", Some(session_status(session))),
        ("activity", Some(wire_name(&session.activity))),
        ("waits for", what_for(host, session)),
        ("last turn", last.map(|turn| wire_name(&turn.outcome))),
        ("reason", last.and_then(|turn| turn.reason.clone())),
        ("error", session.error.clone()),
    ]);
    let fates = Fates::of(detail);
    let messages = detail.messages.iter();
    let messages: Vec<String> = messages
        .filter_map(|entry| message(entry, &fates))
        .collect();
    if messages.is_empty() {
        return head;
    }
    format!("{head}\n\n{}", messages.join("\n\n"))
}
