//! What Docker and the databases' files say, asked without the product.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};

use super::process::Run;

/// Label that says which server something in Docker belongs to.
pub(super) const INSTANCE: &str = "cloud.factory-factory.instance";

fn docker<'a>(args: impl IntoIterator<Item = &'a str>) -> Run {
    Run::new("docker").args(args)
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
