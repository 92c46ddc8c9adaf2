//! What Docker and the databases' files say, asked without the product.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};

use super::process::Run;

const INSTANCE: &str = "cloud.factory-factory.instance";

fn docker<'a>(args: impl IntoIterator<Item = &'a str>) -> Run {
    Run::new("docker").args(args)
}

/// The host's address on Docker's default bridge: where VMs reach the stand-ins.
pub async fn bridge_gateway() -> Result<IpAddr> {
    let format = "{{with index .IPAM.Config 0}}{{.Gateway}} {{.Subnet}}{{end}}";
    let text = docker(["network", "inspect", "bridge", "--format", format])
        .text()
        .await?;
    let mut words = text
        .split_whitespace()
        .filter(|word| *word != "<no" && *word != "value>");
    let first = words.next().context("Docker's bridge has no address")?;
    if let Ok(gateway) = first.parse() {
        return Ok(gateway);
    }
    // An engine of its own choosing leaves the gateway out; it is the subnet's first address.
    let network = first.split('/').next().unwrap_or(first);
    match network.parse()? {
        IpAddr::V4(v4) => Ok(IpAddr::V4((u32::from(v4) + 1).into())),
        v6 => Ok(v6),
    }
}

/// Containers, volumes and networks of one server.
pub async fn labelled(instance: &str) -> Result<Vec<String>> {
    let filter = format!("label={INSTANCE}={instance}");
    let lists: [&[&str]; 3] = [
        &["ps", "--all", "--quiet"],
        &["volume", "ls", "--quiet"],
        &["network", "ls", "--quiet"],
    ];
    let mut all = Vec::new();
    for list in lists {
        let text = docker(list.iter().copied().chain(["--filter", &filter]))
            .text()
            .await?;
        all.extend(text.lines().map(str::to_owned));
    }
    Ok(all)
}

/// Removes containers, volumes and networks of one server, until two looks in a row find none: a
/// call the server made last may still be under way. Blocks: it also runs when a test has failed.
///
/// # Errors
/// Docker refuses.
pub fn remove_labelled(instance: &str) -> Result<()> {
    let mut empty = 0;
    for _ in 0..20 {
        empty = if remove_once(instance)? { 0 } else { empty + 1 };
        if empty == 2 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    bail!("containers or volumes of {instance} keep coming back")
}

/// Removes what is there now; `false` when that is nothing.
fn remove_once(instance: &str) -> Result<bool> {
    let filter = format!("label={INSTANCE}={instance}");
    let kinds: [(&[&str], &[&str]); 3] = [
        (&["ps", "--all", "--quiet"], &["rm", "--force", "--volumes"]),
        (&["volume", "ls", "--quiet"], &["volume", "rm", "--force"]),
        (&["network", "ls", "--quiet"], &["network", "rm"]),
    ];
    let docker = |args: &[&str]| std::process::Command::new("docker").args(args).output();
    let mut any = false;
    for (list, remove) in kinds {
        let found = docker(&[list, &["--filter", &filter]].concat())?;
        for name in String::from_utf8_lossy(&found.stdout).lines() {
            any = true;
            let removed = docker(&[remove, &[name]].concat())?;
            ensure!(
                removed.status.success(),
                "{}",
                String::from_utf8_lossy(&removed.stderr)
            );
        }
    }
    Ok(any)
}

/// A field of `docker inspect`.
pub async fn inspect(container: &str, format: &str) -> Result<String> {
    docker(["inspect", "--format", format, container])
        .text()
        .await
}

/// Looks inside a container as its user; the product never does.
pub async fn look_inside(container: &str, command: &str) -> Result<String> {
    docker(["exec", container, "bash", "-c", command])
        .text()
        .await
}

/// Breaks something inside a container.
pub async fn break_inside(container: &str, command: &str) -> Result<()> {
    docker(["exec", "--user", "root", container, "bash", "-c", command])
        .ok()
        .await
        .map(drop)
}

/// Changes rows of a SQLite file that a server has open.
///
/// # Errors
/// It cannot be opened or stays busy.
pub async fn sqlite_change(file: &Path, sql: &str) -> Result<()> {
    let db = Database::connect(format!("sqlite://{}?mode=rw", file.display()))
        .await
        .with_context(|| format!("cannot open {}", file.display()))?;
    let changed = db
        .execute_raw(Statement::from_string(DbBackend::Sqlite, sql))
        .await;
    db.close().await?;
    changed?;
    Ok(())
}

/// One row of a SQLite file, read only; every column as text.
pub async fn sqlite_row(file: &Path, sql: &str, columns: &[&str]) -> Result<Option<Vec<String>>> {
    let db = Database::connect(format!("sqlite://{}?mode=ro", file.display()))
        .await
        .with_context(|| format!("cannot open {}", file.display()))?;
    let row = db
        .query_one_raw(Statement::from_string(DbBackend::Sqlite, sql))
        .await?;
    let values = row.map(|row| {
        columns
            .iter()
            .map(|column| row.try_get::<String>("", column).map_err(Into::into))
            .collect::<Result<_>>()
    });
    let values = values.transpose();
    db.close().await?;
    values
}
