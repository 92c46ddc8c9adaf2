//! `ff cloud connect URL [--user NAME]`.

use ff_client::{Auth, ClientError, CloudClient};
use ff_protocol::UserId;

use crate::address::{acceptable, no_address};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::moving::binding;
use crate::output::fields;
use crate::settings::{Cloud, user_id_from};

/// Checks the server with a call as this user, then remembers both. Another one than that of an
/// open hand-off is refused.
pub async fn run(context: &Context, url: &str, user: Option<String>) -> anyhow::Result<()> {
    let url = acceptable(url)?;
    let user_id = match user {
        Some(user) => user.parse()?,
        None => own_user_id()?,
    };
    let client = match CloudClient::new(&url, Auth::User(user_id.clone())) {
        Err(ClientError::Address { .. }) => return Err(no_address(&url).into()),
        client => client?,
    };
    let cloud = Cloud {
        url: client.base_url().to_owned(),
        user_id,
    };
    binding::may_connect(context, &cloud).await?;
    let step = context.progress.step(format!("ask {url}"));
    client.healthz().await?;
    client.vms().await?;
    step.done();
    context.settings.set_cloud(cloud.clone())?;
    context.out.result(&cloud, || {
        fields(&[
            ("cloud", Some(cloud.url.clone())),
            ("user", Some(cloud.user_id.to_string())),
            ("next", Some("ff cloud setup".into())),
        ])
    })
}

/// The user id of whoever runs us, from the name the system knows them by.
fn own_user_id() -> Result<UserId, Failure> {
    let name = ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok());
    let name = name.or_else(system_name).unwrap_or_default();
    user_id_from(&name).ok_or_else(|| {
        Failure::new(Exit::Usage, "no user id can be made from your user name")
            .next("ff cloud connect URL --user NAME")
    })
}

/// The name of our uid in the system's list of users; not every way of starting us sets `USER`.
fn system_name() -> Option<String> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut columns = line.split(':');
        let name = columns.next()?;
        (columns.nth(1)? == uid).then(|| name.to_owned())
    })
}
