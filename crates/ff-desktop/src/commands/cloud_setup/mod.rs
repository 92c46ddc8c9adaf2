//! `ff cloud setup`: from nothing to a VM that is ready.

mod guide;
mod identity;
mod login;
mod news;
mod provision;
mod report;

use std::process::ExitCode;

use ff_protocol::vm::GitIdentity;

use self::guide::Guide;
use crate::cli::SetupArgs;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::interactive;
use crate::stop;

/// Gets the user's VM, and leads through what is left to do in it.
pub async fn run(context: &Context, args: SetupArgs) -> anyhow::Result<ExitCode> {
    walk(context, args)
        .await
        .map_err(|error| match error.downcast::<Failure>() {
            Ok(failure) if failure.exit == Exit::Interrupted => failure
                .hint("what is done stays done")
                .next("ff cloud setup  (it goes on from there)")
                .into(),
            Ok(failure) => failure.into(),
            Err(error) => error,
        })
}

async fn walk(context: &Context, args: SetupArgs) -> anyhow::Result<ExitCode> {
    let cloud = context.cloud()?;
    let beginning = async {
        let vm = provision::ready_vm(context, &cloud).await?;
        if let (Some(name), Some(email)) = (args.git_name, args.git_email) {
            let identity = GitIdentity { name, email };
            cloud.client.set_git_identity(&vm.id, &identity).await?;
        }
        let seen = provision::look(context, &cloud, &vm).await?;
        // It may have been woken for the look.
        let vm = cloud.client.vm(&vm.id).await.unwrap_or(vm);
        Ok((vm, seen))
    };
    let (vm, seen) = stop::unless(context.stop(), beginning).await?;
    let mut guide = Guide::new(context, &cloud, vm, args.detach_key, seen);
    if interactive() && !context.out.is_json() {
        guide.lead().await?;
    }
    let (vm, seen) = guide.end();
    report::tell(context, vm, seen)
}
