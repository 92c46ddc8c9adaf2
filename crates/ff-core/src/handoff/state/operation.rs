//! A merge, cherry-pick, revert or rebase that is half-way: git's own files about it.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ff_protocol::ErrorCode;
use serde::{Deserialize, Serialize};

use crate::error::{Error, IoContext, Result};
use crate::git::{Name, is_object_id};
use crate::project::remove_dir;

/// Where a copy that stayed keeps these files, so that its branch is free.
const PARKED: &str = "ff-parked";
/// Most of these files together, in bytes.
const MAX_BYTES: usize = 16 << 20;

/// In git's directory of the worktree.
const SINGLE: [&str; 10] = [
    "AUTO_MERGE",
    "CHERRY_PICK_HEAD",
    "MERGE_AUTOSTASH",
    "MERGE_HEAD",
    "MERGE_MODE",
    "MERGE_MSG",
    "ORIG_HEAD",
    "REBASE_HEAD",
    "REVERT_HEAD",
    "SQUASH_MSG",
];
/// Names the branch that is being rebased.
const HEAD_NAME: &str = "rebase-merge/head-name";
const DIRS: [&str; 2] = ["rebase-merge", "sequencer"];
/// In these directories (sequencer.c, builtin/rebase.c).
const IN_DIRS: [&str; 39] = [
    "abort-safety",
    "allow_rerere_autoupdate",
    "amend",
    "author-script",
    "autostash",
    "cdate_is_adate",
    "current-fixups",
    "done",
    "drop_redundant_commits",
    "end",
    "force-rewrite",
    "git-rebase-todo",
    "git-rebase-todo.backup",
    "gpg_sign_opt",
    "head",
    "head-name",
    "ignore_date",
    "interactive",
    "keep_redundant_commits",
    "message",
    "message-fixup",
    "message-squash",
    "msgnum",
    "no-reschedule-failed-exec",
    "onto",
    "opts",
    "orig-head",
    "patch",
    "quiet",
    "reschedule-failed-exec",
    "rewritten-list",
    "rewritten-pending",
    "signoff",
    "squash-onto",
    "stopped-sha",
    "strategy",
    "strategy_opts",
    "todo",
    "verbose",
];

/// A file of git's own, by its path in git's directory of the worktree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct GitFile {
    name: String,
    content: Name,
}

/// Reads the files of what is half-way; of a copy that stayed, those that were put away.
///
/// # Errors
/// `conflict` with what is half-way and cannot move.
pub(super) fn read(git_dir: &Path) -> Result<Vec<GitFile>> {
    let from = &place(git_dir);
    for (mark, name, ends) in [
        ("rebase-apply", "`git am` or `git rebase --apply`", "abort"),
        ("BISECT_LOG", "`git bisect`", "reset"),
    ] {
        if from.join(mark).exists() {
            return Err(stays(
                &format!("a {name} is half-way, and cannot move"),
                ends,
            ));
        }
    }
    let files = read_from(from)?;
    check(&files).map_err(|why| stays(&why, "abort"))?;
    Ok(files)
}

fn place(git_dir: &Path) -> PathBuf {
    let parked = git_dir.join(PARKED);
    match parked.is_dir() {
        true => parked,
        false => git_dir.to_owned(),
    }
}

/// Reads the files as [`read`], whether or not they could move.
pub(super) fn read_all(git_dir: &Path) -> Result<Vec<GitFile>> {
    read_from(&place(git_dir))
}

fn stays(why: &str, ends: &str) -> Error {
    let how = match ends {
        "reset" => "git bisect reset".to_owned(),
        option => format!("--{option}"),
    };
    Error::refused(ErrorCode::Conflict, why).hint(format!("finish it, or end it with `{how}`"))
}

/// Reads these files below a directory.
pub(super) fn read_from(dir: &Path) -> Result<Vec<GitFile>> {
    let mut names: Vec<String> = SINGLE.iter().map(|name| (*name).to_owned()).collect();
    for sub in DIRS {
        let path = dir.join(sub);
        let Ok(entries) = std::fs::read_dir(&path) else {
            continue;
        };
        for entry in entries {
            let entry = entry.context(|| format!("cannot read {}", path.display()))?;
            names.push(format!("{sub}/{}", entry.file_name().to_string_lossy()));
        }
    }
    names.sort();
    let mut files = Vec::new();
    for name in names {
        let path = dir.join(&name);
        match std::fs::read(&path) {
            Ok(content) => files.push(GitFile {
                name,
                content: Name(content),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).context(|| format!("cannot read {}", path.display())),
        }
    }
    Ok(files)
}

/// Checks that every file is one that is known, and none has git run a program when the user goes
/// on; says why not.
pub(super) fn check(files: &[GitFile]) -> std::result::Result<(), String> {
    let known = |name: &str| match name.split_once('/') {
        None => SINGLE.contains(&name),
        Some((dir, file)) => DIRS.contains(&dir) && IN_DIRS.contains(&file),
    };
    let mut size = 0;
    for file in files {
        size += file.content.0.len();
        if !known(&file.name) {
            let name = &file.name;
            return Err(format!(
                "what is half-way has a file `{name}` that cannot move"
            ));
        }
        let text = String::from_utf8_lossy(&file.content.0);
        let last = file.name.rsplit('/').next().unwrap_or_default();
        if last.starts_with("git-rebase-todo") || last == "todo" {
            check_steps(&text)?;
        }
        // Either one names a program `git-merge-NAME`.
        let strategies = ["ort", "recursive", "resolve", "octopus", "ours", "subtree"];
        let named = match last {
            "strategy" => text.trim(),
            "opts" => option(&text, "strategy"),
            _ => continue,
        };
        if !named.is_empty() && !strategies.contains(&named) {
            return Err(format!("a rebase with the strategy `{named}` cannot move"));
        }
    }
    if size > MAX_BYTES {
        return Err(format!(
            "what is half-way has files of {size} bytes, too many to move"
        ));
    }
    Ok(())
}

/// Value of a key in a file in the form of git's configuration.
fn option<'a>(text: &'a str, key: &str) -> &'a str {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let mut values = pairs.filter(|(it, _)| it.trim() == key);
    values.next().map_or("", |(_, value)| value.trim())
}

fn check_steps(text: &str) -> std::result::Result<(), String> {
    for line in text.lines() {
        let verb = line.split_whitespace().next().unwrap_or_default();
        match verb {
            "exec" | "x" => {
                return Err("a rebase with `exec` steps is half-way, and cannot move".to_owned());
            }
            "label" | "l" | "reset" | "t" | "merge" | "m" | "update-ref" | "u" => {
                return Err(
                    "a rebase of merges or of several branches is half-way, and cannot move"
                        .to_owned(),
                );
            }
            _ => {}
        }
    }
    Ok(())
}

/// The branch that is being rebased.
pub(super) fn rebased_branch(files: &[GitFile]) -> Option<String> {
    let file = files.iter().find(|file| file.name == HEAD_NAME)?;
    let text = String::from_utf8_lossy(&file.content.0).trim().to_owned();
    text.strip_prefix("refs/heads/").map(str::to_owned)
}

/// Every id that stands in these files. Lists of steps may have shortened ones.
pub(super) fn ids(files: &[GitFile]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for file in files {
        let text = String::from_utf8_lossy(&file.content.0);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        let has_steps = file.name.contains("todo");
        let is_id = |word: &&str| {
            let is_hex = word.bytes().all(|b| b.is_ascii_hexdigit());
            is_object_id(word) || (has_steps && word.len() >= 4 && is_hex)
        };
        ids.extend(words.filter(is_id).map(str::to_owned));
    }
    ids.sort();
    ids.dedup();
    ids
}

/// Writes the files below a directory.
pub(super) fn write(dir: &Path, files: &[GitFile]) -> Result<()> {
    for file in files {
        let path = dir.join(&file.name);
        let what = || format!("cannot write {}", path.display());
        let mut parents = std::fs::DirBuilder::new();
        let parents = parents.recursive(true).mode(0o755);
        parents.create(path.parent().unwrap_or(dir)).context(what)?;
        std::fs::write(&path, &file.content.0).context(what)?;
    }
    Ok(())
}

/// Puts these files in place of those of a worktree.
pub(super) fn replace(git_dir: &Path, files: &[GitFile]) -> Result<()> {
    for name in SINGLE {
        remove_file(&git_dir.join(name))?;
    }
    for name in DIRS.iter().chain([&"rebase-apply", &PARKED]) {
        remove_dir(&git_dir.join(name))?;
    }
    write(git_dir, files)
}

/// Puts the files of a copy that stays away: git takes a branch that is being rebased for one in
/// use.
pub(in crate::handoff) fn park(git_dir: &Path) -> Result<()> {
    let files = read_from(git_dir)?;
    if files.is_empty() || git_dir.join(PARKED).exists() {
        return Ok(());
    }
    let beside = git_dir.join("ff-parking");
    remove_dir(&beside)?;
    write(&beside, &files)?;
    let what = || format!("cannot write in {}", git_dir.display());
    std::fs::rename(&beside, git_dir.join(PARKED)).context(what)?;
    for name in SINGLE {
        remove_file(&git_dir.join(name))?;
    }
    DIRS.iter()
        .try_for_each(|name| remove_dir(&git_dir.join(name)))
}

/// Puts them where git finds them again, now about `branch`.
pub(in crate::handoff) fn unpark(git_dir: &Path, branch: &str) -> Result<()> {
    let parked = git_dir.join(PARKED);
    if parked.is_dir() {
        let mut files = read_from(&parked)?;
        for file in files.iter_mut().filter(|file| file.name == HEAD_NAME) {
            file.content = Name(format!("refs/heads/{branch}\n").into_bytes());
        }
        write(git_dir, &files)?;
        remove_dir(&parked)?;
    }
    Ok(())
}

/// Removes what was put away.
pub(in crate::handoff) fn forget_parked(git_dir: &Path) -> Result<()> {
    remove_dir(&git_dir.join(PARKED))
}

fn remove_file(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

impl GitFile {
    pub(super) fn hashed(&self) -> (&str, &[u8]) {
        (&self.name, &self.content.0)
    }
}
