//! The steps that happen on the desktop.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::fixture::git;
use super::model::RECALL;
use super::outside;
use super::process;
use super::world::World;

impl World {
    /// Makes a project and a workspace, with a commit that only this desktop has.
    pub(super) async fn make_workspace(&mut self) -> Result<String> {
        let checkout = self.fixture.checkout(&self.home());
        self.ff(["project", "add", &checkout.to_string_lossy()])
            .ok()
            .await?;
        let made = self
            .ff(["--json", "workspace", "new", "Answer the note"])
            .json()
            .await?;
        let id = field(&made, "id").context("the new workspace has no id")?;
        self.workspace = Some(id);
        let dir = self.local_checkout().await?;
        std::fs::write(dir.join(&self.fixture.unpushed_file), "only here\n")?;
        git(&self.home(), &dir, &["add", "--all"]).await?;
        git(
            &self.home(),
            &dir,
            &["commit", "--quiet", "--message", "Local work"],
        )
        .await?;
        let branch = git(&self.home(), &dir, &["branch", "--show-current"]).await?;
        Ok(format!("branch {branch} with an unpushed commit"))
    }

    /// Sends it; the VM's checkout has the same commit, cloned with the VM's own login.
    pub(super) async fn send(&mut self) -> Result<String> {
        let dir = self.local_checkout().await?;
        let commit = git(&self.home(), &dir, &["rev-parse", "HEAD"]).await?;
        let workspace = self.workspace()?.to_owned();
        let sent = self.ff(["--json", "send", &workspace]).json().await?;
        ensure!(
            field(&sent, "location").as_deref() == Some("CLOUD"),
            "it is not in the cloud: {sent}"
        );
        let there = format!("git -C {} rev-parse HEAD", self.vm_checkout()?);
        let there = outside::look_inside(self.container()?, &there).await?;
        ensure!(
            there == commit,
            "the VM has commit {there}, the desktop {commit}"
        );
        let pack = format!("/octo/{}.git/git-upload-pack", self.fixture.repository);
        let cloned = self.github()?.requests().into_iter();
        let cloned = cloned.filter(|request| request.path.contains(&pack) && request.status == 200);
        ensure!(cloned.clone().count() > 0, "GitHub has seen no clone");
        ensure!(
            cloned
                .clone()
                .all(|request| request.login.as_deref() == Some("octo")),
            "a clone without login"
        );
        Ok(format!(
            "commit {} is in the VM",
            &commit[..12.min(commit.len())]
        ))
    }

    /// The server's database and `ff` agree that the cloud owns it.
    pub(super) async fn is_in_the_cloud(&mut self) -> Result<String> {
        let owner = self.owner_in_database().await?;
        ensure!(owner == "cloud", "the server's database says {owner}");
        let shown = self.shown_location().await?;
        ensure!(shown == "CLOUD", "`ff workspace show` says {shown}");
        let dir = self.local_checkout().await?;
        let branch = git(&self.home(), &dir, &["branch", "--show-current"]).await?;
        ensure!(
            branch.is_empty(),
            "the desktop's copy is still on branch {branch}"
        );
        Ok("in the server's database and in `ff`".to_owned())
    }

    /// Prompts, and sees the answer come piece by piece.
    pub(super) async fn prompt(&mut self) -> Result<String> {
        let workspace = self.workspace()?.to_owned();
        let prompt = "Read the note, answer it in a file, and commit that.";
        let run = self.ff(["session", "start", &workspace, "--prompt", prompt]);
        let ran = run.ok().await?;
        ensure!(
            ran.stdout.contains(&self.fixture.note),
            "the answer does not quote the note: {}",
            ran.stdout
        );
        let (first, last) = match ran.pieces.as_slice() {
            [first, .., last] => (first.0, last.0),
            _ => bail!("the answer came in one piece: {}", ran.stdout),
        };
        let spread = last - first;
        ensure!(
            ran.pieces.len() >= 5,
            "the answer came in {} pieces",
            ran.pieces.len()
        );
        ensure!(
            spread >= Duration::from_millis(200),
            "the answer came within {} ms",
            spread.as_millis()
        );
        let sessions = self
            .ff(["--json", "session", "list", &workspace])
            .json()
            .await?;
        let id = field(&sessions, "id").context("there is no session")?;
        let shown = self
            .ff(["--json", "session", "show", &workspace, &id])
            .json()
            .await?;
        let outcome = shown
            .pointer("/lastTurn/outcome")
            .or(shown.pointer("/session/lastTurn/outcome"));
        ensure!(
            outcome.and_then(Value::as_str) == Some("completed"),
            "the turn did not complete: {shown}"
        );
        self.session = Some(id);
        Ok(format!(
            "answer in {} pieces over {} ms",
            ran.pieces.len(),
            spread.as_millis()
        ))
    }

    /// Pulls it back.
    pub(super) async fn pull(&mut self) -> Result<String> {
        let workspace = self.workspace()?.to_owned();
        let pulled = self.ff(["--json", "pull", &workspace]).json().await?;
        ensure!(
            field(&pulled, "location").as_deref() == Some("DESKTOP"),
            "it is not here: {pulled}"
        );
        Ok("done".to_owned())
    }

    /// The server's database and `ff` agree that this desktop owns it.
    pub(super) async fn is_on_the_desktop(&mut self) -> Result<String> {
        let owner = self.owner_in_database().await?;
        ensure!(
            owner.starts_with("desktop:"),
            "the server's database says {owner}"
        );
        let shown = self.shown_location().await?;
        ensure!(shown == "DESKTOP", "`ff workspace show` says {shown}");
        Ok(format!(
            "owner {}",
            owner.chars().take(16).collect::<String>()
        ))
    }

    /// The desktop's git has the VM's commit, checked out on its branch, and its own remote.
    pub(super) async fn has_the_commit(&mut self) -> Result<String> {
        let (home, dir) = (self.home(), self.local_checkout().await?);
        let wanted = self.cloud_commit.clone().context("the VM made no commit")?;
        let head = git(&home, &dir, &["rev-parse", "HEAD"]).await?;
        ensure!(
            head == wanted,
            "the desktop is at {head}, the VM was at {wanted}"
        );
        let file = format!("HEAD:answer-to-{}", self.fixture.note_file);
        let content = git(&home, &dir, &["show", &file]).await?;
        ensure!(
            content == format!("I read: {}", self.fixture.note),
            "the file says {content:?}"
        );
        ensure!(
            dir.join(&self.fixture.unpushed_file).is_file(),
            "the local commit is gone"
        );
        let status = git(&home, &dir, &["status", "--porcelain"]).await?;
        ensure!(status.is_empty(), "the tree is not clean: {status}");
        let branch = git(&home, &dir, &["branch", "--show-current"]).await?;
        ensure!(!branch.is_empty(), "no branch is checked out");
        let url = git(&home, &dir, &["config", "remote.origin.url"]).await?;
        ensure!(url == self.fixture.remote(), "the remote became {url}");
        Ok(format!(
            "{} on branch {branch}, remote unchanged",
            &head[..12.min(head.len())]
        ))
    }

    /// The session's messages and the CLI's transcript are here.
    pub(super) async fn history_is_intact(&mut self) -> Result<String> {
        let (workspace, session) = self.workspace_and_session()?;
        let shown = self
            .ff(["--json", "session", "show", &workspace, &session])
            .json()
            .await?;
        let text = shown.to_string();
        ensure!(
            text.contains("Read the note, answer it") && text.contains(&self.fixture.note),
            "it lacks messages"
        );
        let database = find_file(&self.home(), "core.db").context("the desktop has no database")?;
        let sql = format!(
            "SELECT CAST(COUNT(*) AS TEXT) AS entries FROM journal WHERE workspace_id = '{workspace}'"
        );
        let row = outside::sqlite_row(&database, &sql, &["entries"])
            .await?
            .context("no row")?;
        let entries: u64 = row[0].parse()?;
        ensure!(entries >= 6, "the journal has {entries} entries");
        let projects = self.home().join(".claude/projects");
        let transcript =
            find_file(&projects, ".jsonl").context("the CLI's transcript is not here")?;
        ensure!(
            std::fs::read_to_string(&transcript)?.contains(&self.fixture.note),
            "the transcript lacks the note"
        );
        Ok(format!(
            "{entries} journal entries and the CLI's transcript"
        ))
    }

    /// Sent once more, the same session goes on: the API is given the earlier turns.
    pub(super) async fn session_goes_on(&mut self) -> Result<String> {
        let (workspace, session) = self.workspace_and_session()?;
        self.ff(["send", &workspace]).ok().await?;
        let before = self.messages()?.requests().len();
        self.ff(["session", "send", &workspace, &session, "--prompt", RECALL])
            .ok()
            .await?;
        let resumed = process::eventually(
            "the API is asked again",
            Duration::from_secs(20),
            async || {
                let requests = self.messages()?.requests();
                let fresh = requests
                    .iter()
                    .skip(before)
                    .filter(|request| request.is_message());
                Ok(fresh
                    .map(|request| request.body.to_string())
                    .find(|body| body.contains(RECALL)))
            },
        )
        .await?;
        ensure!(
            resumed.contains(&self.fixture.note),
            "the earlier turns are not in the request"
        );
        self.ff(["pull", &workspace]).ok().await?;
        ensure!(
            self.shown_location().await? == "DESKTOP",
            "it did not come back"
        );
        Ok("sent again, resumed with its earlier turns, pulled".to_owned())
    }

    fn workspace_and_session(&self) -> Result<(String, String)> {
        let session = self.session.clone().context("there is no session")?;
        Ok((self.workspace()?.to_owned(), session))
    }

    async fn shown_location(&self) -> Result<String> {
        let workspace = self.workspace()?.to_owned();
        let shown = self
            .ff(["--json", "workspace", "show", &workspace])
            .json()
            .await?;
        field(&shown, "location").with_context(|| format!("no location in {shown}"))
    }

    async fn owner_in_database(&self) -> Result<String> {
        let sql = format!(
            "SELECT owner FROM workspaces WHERE id = '{}'",
            self.workspace()?
        );
        let file = self.server_dir().join("cloud.db");
        let row = outside::sqlite_row(&file, &sql, &["owner"]).await?;
        row.and_then(|mut row| row.pop())
            .context("the server's database has no such workspace")
    }

    async fn local_checkout(&self) -> Result<PathBuf> {
        let workspace = self.workspace()?;
        let main = self.fixture.checkout(&self.home());
        let list = git(&self.home(), &main, &["worktree", "list", "--porcelain"]).await?;
        let mut paths = list
            .lines()
            .filter_map(|line| line.strip_prefix("worktree "));
        let path = paths
            .find(|path| path.contains(workspace))
            .context("git knows no worktree of it")?;
        Ok(PathBuf::from(path))
    }
}

/// A text field of a document, at its top or in the first object that has it.
fn field(document: &Value, name: &str) -> Option<String> {
    match document {
        Value::Object(fields) => match fields.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            _ => fields.values().find_map(|value| field(value, name)),
        },
        Value::Array(items) => items.iter().find_map(|item| field(item, name)),
        _ => None,
    }
}

/// The first file below a directory whose name ends so.
fn find_file(dir: &std::path::Path, end: &str) -> Option<PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(dir)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    let is_wanted = |path: &PathBuf| path.is_file() && path.to_string_lossy().ends_with(end);
    let found = entries.iter().find(|path| is_wanted(path)).cloned();
    found.or_else(|| {
        entries
            .iter()
            .filter(|path| path.is_dir())
            .find_map(|path| find_file(path, end))
    })
}
