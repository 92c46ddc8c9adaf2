//! Where the CLI keeps its transcripts.
//!
//! `<config dir>/projects/<encoded cwd>/<id>.jsonl`, and files of subagents under `<id>/`
//! beside it. The encoding is the CLI's own, as measured on 2.1.330.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

const LONGEST_NAME: usize = 200;
const DEEPEST: usize = 4;

/// Directory for transcripts of conversations in `cwd`; it need not exist.
pub fn transcript_dir(home: &Path, cwd: &Path) -> PathBuf {
    projects_dir(home).join(encode(cwd))
}

/// Files of one conversation with their names relative to the directory that holds them: the
/// transcript, then what its subagents wrote. Empty when there is none.
pub fn transcript_files(
    home: &Path,
    cwd: &Path,
    provider_session_id: &str,
) -> Vec<(String, PathBuf)> {
    files_under(&projects_dir(home), cwd, provider_session_id)
}

/// The CLI's transcripts of all directories.
fn projects_dir(home: &Path) -> PathBuf {
    config_dir_of(home).join("projects")
}

/// Where the CLI keeps its files: `$CLAUDE_CONFIG_DIR` or `~/.claude`.
pub(super) fn config_dir_of(home: &Path) -> PathBuf {
    let configured = std::env::var_os("CLAUDE_CONFIG_DIR").filter(|dir| !dir.is_empty());
    config_dir(home, configured)
}

fn config_dir(home: &Path, configured: Option<OsString>) -> PathBuf {
    configured.map_or_else(|| home.join(".claude"), PathBuf::from)
}

fn files_under(projects: &Path, cwd: &Path, id: &str) -> Vec<(String, PathBuf)> {
    if !is_conversation_id(id) {
        return Vec::new();
    }
    let Some(dir) = holder(projects, cwd, id) else {
        return Vec::new();
    };
    let name = format!("{id}.jsonl");
    let mut files = vec![(name.clone(), dir.join(name))];
    collect(&dir.join(id), id, DEEPEST, &mut files);
    files
}

/// Whether the CLI could use this as the id of a conversation; as part of a path and as an
/// argument it is safe.
pub(crate) fn is_conversation_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&id.len()) && id.bytes().all(allowed) && !id.starts_with('-')
}

/// The directory with the conversation's transcript: the one of `cwd`, else any.
fn holder(projects: &Path, cwd: &Path, id: &str) -> Option<PathBuf> {
    let name = format!("{id}.jsonl");
    let has =
        |dir: &PathBuf| fs::symlink_metadata(dir.join(&name)).is_ok_and(|meta| meta.is_file());
    let own = projects.join(encode(cwd));
    if has(&own) {
        return Some(own);
    }
    let mut others: Vec<PathBuf> = fs::read_dir(projects)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    others.sort();
    others.into_iter().find(has)
}

fn collect(dir: &Path, prefix: &str, depth: usize, files: &mut Vec<(String, PathBuf)>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (Ok(kind), Some(name)) = (
            entry.file_type(),
            entry.file_name().to_str().map(String::from),
        ) else {
            continue;
        };
        let relative = format!("{prefix}/{name}");
        if kind.is_file() {
            files.push((relative, entry.path()));
        } else if kind.is_dir() && depth > 1 {
            collect(&entry.path(), &relative, depth - 1, files);
        }
    }
}

/// The CLI's name for a working directory: its real path with every UTF-16 unit that is no
/// ASCII letter or digit as `-`; a long one is cut and carries a hash of the whole.
fn encode(cwd: &Path) -> String {
    let real = fs::canonicalize(cwd).unwrap_or_else(|_| cwd.to_owned());
    let path = real.to_string_lossy();
    let mut name = String::with_capacity(path.len());
    for c in path.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else {
            name.extend(std::iter::repeat_n('-', c.len_utf16()));
        }
    }
    if name.len() <= LONGEST_NAME {
        return name;
    }
    format!("{}-{}", &name[..LONGEST_NAME], path_hash(&path))
}

fn path_hash(path: &str) -> String {
    let hash = path.encode_utf16().fold(0i32, |hash, unit| {
        (hash << 5).wrapping_sub(hash).wrapping_add(i32::from(unit))
    });
    let mut rest = hash.unsigned_abs();
    let mut digits = Vec::new();
    loop {
        digits.extend(char::from_digit(rest % 36, 36));
        rest /= 36;
        if rest == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_as_the_cli_does() {
        assert_eq!(
            encode(Path::new("/nowhere/My.proj_1")),
            "-nowhere-My-proj-1"
        );
        assert_eq!(encode(Path::new("/nowhere/é😀x")), "-nowhere----x");
        let long = format!("/nowhere/{}/{}", "d".repeat(120), "e".repeat(120));
        let name = encode(Path::new(&long));
        assert_eq!(name.len(), 207);
        assert!(name.ends_with("eee-1mtkk7"), "{name}");
    }

    #[test]
    fn a_symlinked_directory_counts_as_its_target() {
        let tmp = tempfile::tempdir().unwrap();
        let (target, link) = (tmp.path().join("target"), tmp.path().join("link"));
        fs::create_dir(&target).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert_eq!(encode(&link), encode(&target));
    }

    #[test]
    fn finds_the_files_of_a_conversation_in_its_own_or_any_directory() {
        let tmp = tempfile::tempdir().unwrap();
        let (projects, cwd) = (tmp.path().join("projects"), tmp.path().join("work"));
        fs::create_dir_all(&cwd).unwrap();
        let own = projects.join(encode(&cwd));
        assert!(files_under(&projects, &cwd, "id-1").is_empty());

        let other = projects.join("-elsewhere");
        fs::create_dir_all(other.join("id-1/subagents")).unwrap();
        fs::write(other.join("id-1.jsonl"), "x").unwrap();
        fs::write(other.join("id-1/subagents/agent-a.jsonl"), "y").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", other.join("id-1/leak")).unwrap();
        let names =
            |files: Vec<(String, PathBuf)>| files.into_iter().map(|f| f.0).collect::<Vec<_>>();
        let found = files_under(&projects, &cwd, "id-1");
        assert_eq!(found[0].1, other.join("id-1.jsonl"));
        assert_eq!(names(found), ["id-1.jsonl", "id-1/subagents/agent-a.jsonl"]);

        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("id-1.jsonl"), "x").unwrap();
        assert_eq!(
            files_under(&projects, &cwd, "id-1")[0].1,
            own.join("id-1.jsonl")
        );
    }

    #[test]
    fn an_id_that_is_a_path_finds_nothing() {
        let tmp = tempfile::tempdir().unwrap();
        let projects = tmp.path().join("projects");
        fs::create_dir_all(&projects).unwrap();
        fs::write(tmp.path().join("secret.jsonl"), "x").unwrap();
        for id in ["", "../secret", "..", "a/b", "a.b"] {
            assert!(files_under(&projects, tmp.path(), id).is_empty(), "{id:?}");
        }
    }

    #[test]
    fn the_configured_directory_wins() {
        let home = Path::new("/home/x");
        assert_eq!(config_dir(home, None), Path::new("/home/x/.claude"));
        assert_eq!(config_dir(home, Some("/conf".into())), Path::new("/conf"));
    }
}
