//! The user's VM.

use ff_protocol::vm::{Login, Vm, VmState};

use crate::context::Connection;
use crate::failure::{Exit, Failure};

/// The VM of the connected user.
///
/// # Errors
/// There is none yet, or the cloud cannot be reached.
pub async fn of_user(cloud: &Connection) -> anyhow::Result<Vm> {
    let none =
        || Failure::new(Exit::NotFound, "you have no VM in the cloud yet").next("ff cloud setup");
    Ok(find(cloud).await?.ok_or_else(none)?)
}

/// The VM of the connected user, if there is one.
///
/// # Errors
/// The cloud cannot be reached.
pub async fn find(cloud: &Connection) -> anyhow::Result<Option<Vm>> {
    let alive = |vm: &Vm| {
        vm.user_id == cloud.settings.user_id
            && !matches!(vm.state, VmState::Terminating | VmState::Terminated)
    };
    Ok(cloud.client.vms().await?.into_iter().find(alive))
}

/// A login for people.
pub fn login(login: &Login) -> String {
    if let Some(required) = &login.login_required {
        return format!("sessions wait for a new login ({})", required.reason);
    }
    match (login.logged_in, &login.account) {
        (true, Some(account)) => format!("logged in as {account}"),
        (true, None) => "logged in".into(),
        (false, _) => "not logged in".into(),
    }
}
