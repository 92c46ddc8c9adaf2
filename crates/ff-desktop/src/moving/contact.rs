//! Who owns the workspaces of this machine, compared with the server at each contact.

use ff_core::Core;
use ff_core::handoff::{Followed, claims};
use ff_protocol::ownership::{Claim, Claims, Ruling};
use ff_protocol::workspace::CloudWorkspace;
use ff_protocol::{HandoffId, WorkspaceId};

use crate::context::{Connection, Context};
use crate::locks;
use crate::output::Output;

/// Compares the records of this machine with the server's list of workspaces, and follows what the
/// server says of those on which they differ. Those that another `ff` moves right now are left to
/// it; this process has `held` itself. A server that does not answer is left for later, and what
/// cannot be followed is told.
///
/// # Errors
/// The local records cannot be read.
pub async fn compare(
    context: &Context,
    cloud: &Connection,
    held: Option<&WorkspaceId>,
) -> anyhow::Result<()> {
    let mut mine = claims(context.store().await?).await?;
    if mine.is_empty() {
        return Ok(());
    }
    let told = async {
        let rows = cloud.client.workspaces().await?;
        mine.retain(|claim| differs(claim, &rows));
        if mine.is_empty() {
            return Ok(Vec::new());
        }
        let asked = Claims {
            claims: mine,
            lost: Vec::new(),
        };
        cloud.client.claim(&asked).await
    };
    let rulings = match told.await {
        Ok(rulings) => rulings,
        Err(error) => {
            tracing::debug!(%error, "who owns workspaces is compared later");
            return Ok(());
        }
    };
    for ruling in rulings {
        let id = &ruling.workspace_id;
        let lock = locks::try_take(context.data_dir(), id.as_str())?;
        if lock.is_none() && held != Some(id) {
            continue;
        }
        if let Err(error) = follow(context.core().await?, &[ruling], context.out).await {
            context.out.say(format!(
                "note: what the cloud says of a workspace cannot be followed yet: {error:#}"
            ));
        }
    }
    Ok(())
}

/// Has the server find out in the VM whether a hand-off was committed of which it has lost the
/// record, and follows. Where it was not, it is given up in the VM.
///
/// # Errors
/// The server or the VM cannot be asked: then nothing is decided.
pub async fn find_out(
    core: &Core,
    cloud: &Connection,
    id: &HandoffId,
    out: Output,
) -> anyhow::Result<()> {
    let Some(record) = core.store().handoff(id).await? else {
        return Ok(());
    };
    let mut all = claims(core.store()).await?;
    all.retain(|claim| claim.workspace_id == record.workspace_id);
    let asked = Claims {
        claims: all,
        lost: vec![id.clone()],
    };
    let rulings = cloud.client.claim(&asked).await?;
    follow(core, &rulings, out).await
}

/// Whether the server knows something else. One that never left this machine it does not know.
fn differs(claim: &Claim, rows: &[CloudWorkspace]) -> bool {
    rows.iter().any(|row| {
        row.id == claim.workspace_id && (row.epoch != claim.epoch || row.owner != claim.owner)
    })
}

async fn follow(core: &Core, rulings: &[Ruling], out: Output) -> anyhow::Result<()> {
    for ruling in rulings {
        let (id, owner) = (&ruling.workspace_id, &ruling.owner);
        let note = match core.follow(ruling).await? {
            Followed::Nothing | Followed::Noted => continue,
            Followed::Fenced => format!(
                "{owner} owns workspace {id} by now; what ran in it here was ended, and its copy stays (see `ff workspace show {id}`)"
            ),
            Followed::Contested => format!(
                "two sides say that they own workspace {id}; nobody acts on it until you decide: `ff workspace reclaim {id}` where its copy is to go on"
            ),
            Followed::TakenBack => format!("this machine owns workspace {id} again"),
        };
        out.say(format!("note: {note}"));
    }
    Ok(())
}
