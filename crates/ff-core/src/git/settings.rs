//! Settings of a repository that another machine may have: what is not named here stays.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::command::without_credentials;
use super::{Git, Name};
use crate::error::{IoContext, Result};

/// What a branch says of its upstream.
const BRANCH_KEYS: [&str; 4] = ["remote", "merge", "rebase", "pushremote"];
/// What decides how files differ from what is committed.
const CONVERSION_KEYS: [&str; 2] = ["core.autocrlf", "core.eol"];
/// Where sparse patterns and the repository's own ignore patterns lie.
const SPARSE: &str = "info/sparse-checkout";
const EXCLUDE: &str = "info/exclude";
/// Most of such a file, in bytes.
const MAX_PATTERNS: usize = 1 << 20;

/// The settings of a workspace that travel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Settings {
    remotes: Vec<NamedRemote>,
    /// Of the branch, by [`BRANCH_KEYS`].
    branch: BTreeMap<String, String>,
    /// By [`CONVERSION_KEYS`], whoever set them.
    conversion: BTreeMap<String, String>,
    /// Sparse checkout, when it is on.
    pub(crate) sparse: Option<Sparse>,
    /// The repository's own ignore patterns.
    exclude: Option<Name>,
}

/// What a sparse checkout has in the worktree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sparse {
    pub(crate) cone: bool,
    pub(crate) patterns: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NamedRemote {
    name: String,
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    push_url: Option<String>,
    fetch: Vec<String>,
}

impl Git {
    /// The settings of a worktree on a branch that travel, and for the user what does not.
    pub(crate) async fn settings(
        &self,
        dir: &Path,
        branch: &str,
    ) -> Result<(Settings, Vec<String>)> {
        let own = self.own_settings(dir).await?;
        let mut notes = Vec::new();
        let mut settings = Settings {
            remotes: remotes(&own, &mut notes),
            exclude: read_patterns(&self.git_path(dir, EXCLUDE).await?)?,
            ..Settings::default()
        };
        name_secrets(&own, &mut notes);
        let section = format!("branch.{branch}.");
        for (key, value) in &own {
            let key = key.strip_prefix(&section);
            if let Some(key) = key.filter(|key| BRANCH_KEYS.contains(key))
                && is_branch_value(key, value)
            {
                settings.branch.insert(key.to_owned(), value.clone());
            }
        }
        for key in CONVERSION_KEYS {
            if let Some(value) = self.setting(dir, key).await?.filter(|v| is_word(v)) {
                settings.conversion.insert(key.to_owned(), value);
            }
        }
        settings.sparse = self.sparse(dir).await?;
        Ok((settings, notes))
    }

    /// The sparse checkout of a worktree, when it is on.
    pub(crate) async fn sparse(&self, dir: &Path) -> Result<Option<Sparse>> {
        if self.setting(dir, "core.sparseCheckout").await?.as_deref() != Some("true") {
            return Ok(None);
        }
        let cone = self.setting(dir, "core.sparseCheckoutCone").await?;
        let patterns = read_patterns(&self.git_path(dir, SPARSE).await?)?;
        Ok(Some(Sparse {
            cone: cone.as_deref() == Some("true"),
            patterns: patterns.unwrap_or_default(),
        }))
    }

    /// Gives a worktree these settings. Where the repository is the user's own, what it has of
    /// remotes and ignore patterns stays as it is.
    pub(crate) async fn apply_settings(
        &self,
        dir: &Path,
        branch: &str,
        settings: &Settings,
        is_users_own: bool,
    ) -> Result<()> {
        let own = self.own_settings(dir).await?;
        for remote in settings.remotes.iter().filter(|it| it.is_sound()) {
            self.apply_remote(dir, remote, &own, is_users_own).await?;
        }
        for key in BRANCH_KEYS {
            let name = format!("branch.{branch}.{key}");
            let value = settings.branch.get(key).filter(|v| is_branch_value(key, v));
            self.set(dir, "--local", &name, value, &own).await?;
        }
        for key in CONVERSION_KEYS {
            let wanted = settings.conversion.get(key).filter(|v| is_word(v));
            if self.setting(dir, key).await?.as_ref() != wanted {
                let unset = if key == "core.eol" { "native" } else { "false" };
                let value = wanted.map_or(unset, String::as_str);
                self.set_in_worktree(dir, key, value).await?;
            }
        }
        self.apply_sparse(dir, settings.sparse.as_ref()).await?;
        if let Some(patterns) = settings.exclude.as_ref().filter(|_| !is_users_own) {
            write_patterns(&self.git_path(dir, EXCLUDE).await?, patterns)?;
        }
        Ok(())
    }

    async fn apply_remote(
        &self,
        dir: &Path,
        remote: &NamedRemote,
        own: &[(String, String)],
        is_users_own: bool,
    ) -> Result<()> {
        let name = &remote.name;
        let key = |key: &str| format!("remote.{name}.{key}");
        let is_there = own.iter().any(|(it, _)| *it == key("url"));
        if is_there && is_users_own {
            return Ok(());
        }
        // The VM reaches the first one by an address and a login of its own.
        if !(is_there && name == "origin") {
            let url = Some(&remote.url);
            self.set(dir, "--local", &key("url"), url, own).await?;
            let push = remote.push_url.as_ref();
            self.set(dir, "--local", &key("pushurl"), push, own).await?;
        }
        for spec in &remote.fetch {
            let known = |(it, value): &(String, String)| *it == key("fetch") && value == spec;
            if !own.iter().any(known) {
                let args = ["config", "--local", "--add", &key("fetch"), spec];
                self.command(dir).args(args).done().await?;
            }
        }
        Ok(())
    }

    async fn apply_sparse(&self, dir: &Path, sparse: Option<&Sparse>) -> Result<()> {
        let there = self.sparse(dir).await?;
        if there.as_ref() == sparse {
            return Ok(());
        }
        let on = |on: bool| if on { "true" } else { "false" };
        self.set_in_worktree(dir, "core.sparseCheckout", on(sparse.is_some()))
            .await?;
        let Some(sparse) = sparse else { return Ok(()) };
        self.set_in_worktree(dir, "core.sparseCheckoutCone", on(sparse.cone))
            .await?;
        write_patterns(&self.git_path(dir, SPARSE).await?, &sparse.patterns)
    }

    async fn set_in_worktree(&self, dir: &Path, key: &str, value: &str) -> Result<()> {
        for args in [
            ["config", "extensions.worktreeConfig", "true"].as_slice(),
            &["config", "--worktree", key, value],
        ] {
            self.command(dir).args(args).done().await?;
        }
        Ok(())
    }

    async fn set(
        &self,
        dir: &Path,
        scope: &str,
        key: &str,
        value: Option<&String>,
        own: &[(String, String)],
    ) -> Result<()> {
        let mut there = own.iter().filter(|(it, _)| it == key);
        let args = match (value, there.next()) {
            (Some(value), Some((_, old))) if old == value && there.next().is_none() => {
                return Ok(());
            }
            (None, None) => return Ok(()),
            (Some(value), _) => vec!["config", scope, "--replace-all", key, value],
            (None, Some(_)) => vec!["config", scope, "--unset-all", key],
        };
        self.command(dir).args(args).done().await
    }

    /// A setting as it holds in a directory, whoever set it.
    async fn setting(&self, dir: &Path, key: &str) -> Result<Option<String>> {
        let output = self.command(dir).args(["config", "--get", key]).output();
        let output = output.await?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok((output.ok && !text.is_empty()).then_some(text))
    }

    /// What the repository's own file says, the name of each key as git normalises it.
    async fn own_settings(&self, dir: &Path) -> Result<Vec<(String, String)>> {
        let args = ["config", "--local", "--list", "-z"];
        let text = self.command(dir).args(args).bytes().await?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines = text.split('\0').filter(|line| !line.is_empty());
        let pair = |line: &str| {
            let (key, value) = line.split_once('\n').unwrap_or((line, "true"));
            (key.to_owned(), value.to_owned())
        };
        Ok(lines.map(pair).collect())
    }
}

impl NamedRemote {
    /// Whether it names a place to fetch from and nothing else.
    fn is_sound(&self) -> bool {
        let same = |url: &String| clean_url(url).is_some_and(|(clean, _)| clean == *url);
        let fetches = |spec: &String| is_refspec(&self.name, spec);
        is_remote_name(&self.name)
            && same(&self.url)
            && self.push_url.iter().all(same)
            && self.fetch.iter().all(fetches)
    }
}

fn remotes(own: &[(String, String)], notes: &mut Vec<String>) -> Vec<NamedRemote> {
    let mut found: Vec<NamedRemote> = Vec::new();
    for (key, value) in own {
        let Some((name, key)) = key
            .strip_prefix("remote.")
            .and_then(|key| key.rsplit_once('.'))
        else {
            continue;
        };
        let at = found.iter().position(|it| it.name == name);
        let at = at.unwrap_or_else(|| {
            found.push(NamedRemote {
                name: name.to_owned(),
                url: String::new(),
                push_url: None,
                fetch: Vec::new(),
            });
            found.len() - 1
        });
        let remote = &mut found[at];
        match key {
            "fetch" if is_refspec(name, value) => remote.fetch.push(value.clone()),
            "url" | "pushurl" => {
                let Some((clean, had_secret)) = clean_url(value) else {
                    notes.push(format!(
                        "the address of remote `{name}` means nothing on another machine: it stays here"
                    ));
                    continue;
                };
                if had_secret {
                    notes.push(format!(
                        "the address of remote `{name}` holds a user name or password: it stays here, the VM uses its own login"
                    ));
                }
                match key {
                    "url" if remote.url.is_empty() => remote.url = clean,
                    "pushurl" if remote.push_url.is_none() => remote.push_url = Some(clean),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    found.retain(NamedRemote::is_sound);
    found
}

/// Names the settings that carry a secret; their values are told to nobody.
fn name_secrets(own: &[(String, String)], notes: &mut Vec<String>) {
    for (key, value) in own {
        let http = key.starts_with("http.");
        let secret = key.starts_with("credential.")
            || (http && (key.ends_with(".extraheader") || key.ends_with(".cookiefile")))
            || (http && (key.ends_with(".sslkey") || key.ends_with(".sslcert")))
            || (key.ends_with("proxy") && value.contains('@'))
            || (key.starts_with("url.") && key.contains('@'));
        let note = format!(
            "the git setting `{}` stays here: it may hold a secret",
            without_credentials(key)
        );
        if secret && !notes.contains(&note) {
            notes.push(note);
        }
    }
}

/// An address without user name and password, and whether it had one; `None` for one that only
/// this machine can follow, or that would run a program.
fn clean_url(url: &str) -> Option<(String, bool)> {
    if url.starts_with('-') || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        let (authority, path) = url.split_once(':')?;
        let plain = !authority.contains('/') && !path.starts_with(':') && !path.contains('@');
        return (plain && !authority.is_empty() && !path.is_empty())
            .then(|| (url.to_owned(), false));
    };
    let (authority, path) = rest.split_once('/')?;
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if host.is_empty() || host.starts_with('-') || path.is_empty() {
        return None;
    }
    match scheme {
        "http" | "https" => {
            let plain = path.split(['?', '#']).next().unwrap_or(path);
            let clean = format!("{scheme}://{host}/{plain}");
            Some((clean, user.is_some() || plain.len() != path.len()))
        }
        "ssh" | "git+ssh" | "git" => {
            let name = user.map(|user| user.split(':').next().unwrap_or(user));
            let at = name.map(|name| format!("{name}@")).unwrap_or_default();
            let had_secret = user.is_some_and(|user| user.contains(':'));
            Some((format!("{scheme}://{at}{host}/{path}"), had_secret))
        }
        _ => None,
    }
}

fn is_remote_name(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let parts = |part: &str| !part.is_empty() && !part.starts_with('.');
    !name.starts_with('-')
        && !name.contains("..")
        && name.chars().all(known)
        && name.split('/').all(parts)
}

/// Whether a refspec fills this remote's own branches, or tags, and nothing else.
fn is_refspec(remote: &str, spec: &str) -> bool {
    let plain = !spec.chars().any(|c| c.is_control() || c.is_whitespace());
    if let Some(left_out) = spec.strip_prefix('^') {
        return plain && left_out.starts_with("refs/") && !left_out.contains(':');
    }
    let Some((from, to)) = spec.trim_start_matches('+').split_once(':') else {
        return false;
    };
    let into = format!("refs/remotes/{remote}/");
    plain
        && from.starts_with("refs/")
        && (to.starts_with(&into) || (to.starts_with("refs/tags/") && from == to))
}

fn is_branch_value(key: &str, value: &str) -> bool {
    match key {
        "merge" => value.starts_with("refs/") && !value.chars().any(char::is_control),
        "rebase" => ["true", "false", "merges", "interactive"].contains(&value),
        _ => value == "." || is_remote_name(value),
    }
}

fn is_word(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn read_patterns(path: &Path) -> Result<Option<Name>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok((bytes.len() <= MAX_PATTERNS).then_some(Name(bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context(|| format!("cannot read {}", path.display())),
    }
}

fn write_patterns(path: &Path, patterns: &Name) -> Result<()> {
    let what = || format!("cannot write {}", path.display());
    std::fs::create_dir_all(path.parent().unwrap_or(path)).context(what)?;
    std::fs::write(path, &patterns.0).context(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_travels_without_its_secrets_or_not_at_all() {
        for (url, clean, secret) in [
            ("https://h/o/r.git", "https://h/o/r.git", false),
            ("https://me:t0ken@h/o/r.git", "https://h/o/r.git", true),
            ("https://t0ken@h/o/r.git", "https://h/o/r.git", true),
            ("https://h/o/r.git?access=t0ken", "https://h/o/r.git", true),
            ("ssh://git:t0ken@h:22/o/r", "ssh://git@h:22/o/r", true),
            ("git@h:o/r.git", "git@h:o/r.git", false),
        ] {
            let (found, had) = clean_url(url).unwrap();
            assert_eq!((found.as_str(), had), (clean, secret), "{url}");
        }
        for url in [
            "/srv/r",
            "../r",
            "file:///srv/r",
            "ext::sh -c x",
            "ext::x",
            "-oProxyCommand=x:y",
            "ssh://-oProxyCommand=x/y",
            "https://h/o\n",
        ] {
            assert_eq!(clean_url(url), None, "{url:?}");
        }
    }

    #[test]
    fn a_refspec_fills_only_its_own_remote() {
        assert!(is_refspec("up", "+refs/heads/*:refs/remotes/up/*"));
        assert!(is_refspec("up", "^refs/heads/wip"));
        for spec in [
            "+refs/*:refs/*",
            "refs/heads/*:refs/heads/*",
            "refs/heads/*:refs/remotes/origin/*",
            "main",
        ] {
            assert!(!is_refspec("up", spec), "{spec}");
        }
    }
}
