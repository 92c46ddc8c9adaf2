//! What Docker and the databases' files say, asked without the product.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
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

/// Removes what one server has in the machine's engine; as [`remove_of`].
///
/// # Errors
/// As there.
pub fn remove_labelled(instance: &str) -> Result<()> {
    remove_of(None, instance)
}

/// Removes containers, volumes and networks of one server, and its names for images, until two
/// looks in a row find none: a call the server made last may still be under way. Blocks: it also
/// runs when a test has failed.
///
/// # Errors
/// Docker cannot be run, or what is removed comes back.
pub fn remove_of(host: Option<&str>, instance: &str) -> Result<()> {
    let mut empty = 0;
    for _ in 0..20 {
        empty = match remove_once(host, instance)? {
            true => 0,
            false => empty + 1,
        };
        if empty == 2 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    bail!("containers, volumes or names of images of {instance} keep coming back")
}

/// Removes what is there now; `false` when that is nothing.
fn remove_once(host: Option<&str>, instance: &str) -> Result<bool> {
    let label = format!("label={INSTANCE}={instance}");
    let kept = format!("reference=ff-kept-{instance}");
    let kinds: [(&[&str], &str, &[&str]); 4] = [
        (
            &["ps", "--all", "--quiet"],
            &label,
            &["rm", "--force", "--volumes"],
        ),
        (
            &["volume", "ls", "--quiet"],
            &label,
            &["volume", "rm", "--force"],
        ),
        (&["network", "ls", "--quiet"], &label, &["network", "rm"]),
        // By their names: the image itself may have others.
        (
            &["images", "--format", "{{.Repository}}:{{.Tag}}"],
            &kept,
            &["rmi"],
        ),
    ];
    let docker = |args: &[&str]| {
        let mut command = std::process::Command::new("docker");
        if let Some(host) = host {
            command.env("DOCKER_HOST", host);
        }
        command.args(args).output()
    };
    let mut any = false;
    for (list, filter, remove) in kinds {
        let found = docker(&[list, &["--filter", filter]].concat())?;
        for name in String::from_utf8_lossy(&found.stdout).lines() {
            any = true;
            // What cannot be removed yet is there at the next look.
            docker(&[remove, &[name]].concat())?;
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

/// The first column of all rows of a SQLite file, read only, as text.
///
/// # Errors
/// It cannot be opened, or a column is no text.
pub async fn sqlite_texts(file: &Path, sql: &str) -> Result<Vec<String>> {
    let db = Database::connect(format!("sqlite://{}?mode=ro", file.display()))
        .await
        .with_context(|| format!("cannot open {}", file.display()))?;
    let rows = db
        .query_all_raw(Statement::from_string(DbBackend::Sqlite, sql))
        .await;
    db.close().await?;
    let texts = rows?.into_iter().map(|row| Ok(row.try_get_by_index(0)?));
    texts.collect()
}
