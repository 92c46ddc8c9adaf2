//! `ff chat WORKSPACE`.

use ff_protocol::SessionId;
use ff_protocol::session::{Configure, PermissionPreset, StartSession};

use crate::chat;
use crate::cli::ChatArgs;
use crate::context::Context;
use crate::find::{self, Known};
use crate::session::host::{self, Host};
use crate::stop;

/// Talks with a session: the one that is named, the one used last, or a new one.
pub async fn run(context: &Context, args: ChatArgs) -> anyhow::Result<()> {
    let opening = async {
        let (known, host) = host::of_workspace(context, &args.workspace).await?;
        host.settle().await?;
        let host = host.waking();
        let id = session(&known, &host, &args).await?;
        let history = host.history(&known.id, &id).await?;
        anyhow::Ok((known, host, history))
    };
    let (known, host, history) = stop::unless(context.stop(), opening).await?;
    chat::run(context, &known, &host, history, args.allow && !args.deny).await
}

async fn session(known: &Known, host: &Host<'_>, args: &ChatArgs) -> anyhow::Result<SessionId> {
    let sessions = host.sessions(&known.id).await?;
    let open = sessions
        .iter()
        .filter(|session| session.closed_at.is_none());
    let id = match &args.session {
        Some(text) => Some(find::session(text, &args.workspace, &sessions)?),
        None if args.new => None,
        None => open
            .max_by_key(|session| session.updated_at)
            .map(|s| s.id.clone()),
    };
    let (model, permissions) = (args.model.clone(), args.permissions.map(Into::into));
    match id {
        Some(id) => {
            configure(known, host, &id, model, permissions).await?;
            Ok(id)
        }
        None => {
            let start = StartSession {
                model,
                permissions,
                ..StartSession::default()
            };
            Ok(host.start(&known.id, start).await?.id)
        }
    }
}

/// Takes over what the command line asks for.
async fn configure(
    known: &Known,
    host: &Host<'_>,
    id: &SessionId,
    model: Option<String>,
    permissions: Option<PermissionPreset>,
) -> anyhow::Result<()> {
    if model.is_none() && permissions.is_none() {
        return Ok(());
    }
    let change = Configure {
        model,
        permissions,
        ..Configure::default()
    };
    host.configure(&known.id, id, change).await?;
    Ok(())
}
