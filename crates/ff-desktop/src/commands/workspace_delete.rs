//! `ff workspace delete WORKSPACE`.

use std::io::BufRead;

use serde::Serialize;

use crate::cli::DeleteArgs;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{fields, interactive};
use crate::session::host::of_workspace;

#[derive(Serialize)]
struct Deleted {
    deleted: String,
}

/// Removes a workspace, once its user is sure.
pub async fn run(context: &Context, args: &DeleteArgs) -> anyhow::Result<()> {
    let (known, host) = of_workspace(context, &args.workspace.workspace).await?;
    if !args.yes {
        sure(context, known.name())?;
    }
    host.delete(&known.id).await?;
    let deleted = Deleted {
        deleted: known.id.to_string(),
    };
    context.out.result(&deleted, || {
        fields(&[("deleted", Some(known.name().to_owned()))])
    })
}

fn sure(context: &Context, name: &str) -> Result<(), Failure> {
    let refused = |text: &str| Failure::new(Exit::Refused, text);
    if !interactive() {
        let text = "what is not committed there would be lost";
        return Err(refused(text).hint("say --yes if that is right"));
    }
    context.out.say(format!(
        "Delete workspace {name} with its checkout and its conversations? Type its name:"
    ));
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    match read {
        Ok(1..) if line.trim() == name => Ok(()),
        _ => Err(refused("nothing was deleted")),
    }
}
