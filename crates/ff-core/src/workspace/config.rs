//! `factory-factory.json`: the scripts that a repository brings for its workspaces.

use std::path::{Component, Path, PathBuf};

use ff_protocol::ErrorCode;
use serde::Deserialize;

use crate::error::{Error, Result};

/// Its name, at the top of the checkout.
pub const FILE: &str = "factory-factory.json";
/// Most of it that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The commands in it, each for `bash -c`. Those but `setup` may hold `{port}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scripts {
    /// Makes a fresh checkout ready.
    #[serde(default)]
    pub setup: Option<String>,
    /// Runs what is built here, such as a development server.
    #[serde(default)]
    pub run: Option<String>,
    /// Runs beside it, once it runs.
    #[serde(default)]
    pub post_run: Option<String>,
    /// Runs when it is stopped.
    #[serde(default)]
    pub cleanup: Option<String>,
}

#[derive(Deserialize)]
struct File {
    scripts: Scripts,
}

#[derive(Deserialize)]
struct Carried {
    #[serde(default)]
    carry: Vec<String>,
}

/// Reads the file of a checkout; without one there are no scripts.
///
/// # Errors
/// `invalid` with line and column when it does not say what it should.
pub fn read(checkout: &Path) -> Result<Scripts> {
    text(checkout)?.map_or_else(|| Ok(Scripts::default()), |text| parse(&text))
}

/// Paths in a checkout that move with the workspace although git passes over them: `carry`, a list
/// of files and directories. A file that cannot be read names none.
///
/// # Errors
/// `invalid` for a path that is none in the checkout.
pub(crate) fn carried(checkout: &Path) -> Result<Vec<PathBuf>> {
    let Some(text) = text(checkout).ok().flatten() else {
        return Ok(Vec::new());
    };
    let Ok(Carried { carry }) = serde_json::from_str(&text) else {
        return Ok(Vec::new());
    };
    let path = |text: String| {
        let path = PathBuf::from(text.trim_end_matches('/'));
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if path.as_os_str().is_empty() || !path.components().all(plain) {
            return Err(bad(&format!(
                "`carry` has {text:?}, which is no path in it"
            )));
        }
        Ok(path.components().collect())
    };
    carry.into_iter().map(path).collect()
}

fn text(checkout: &Path) -> Result<Option<String>> {
    let path = checkout.join(FILE);
    match std::fs::symlink_metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(format!("cannot read {}", path.display()), error)),
        Ok(meta) if !meta.is_file() => return Err(bad("it is not a plain file")),
        Ok(meta) if meta.len() > MAX_BYTES => return Err(bad("it has more than 1 MiB")),
        Ok(_) => {}
    }
    std::fs::read_to_string(&path)
        .map(Some)
        .map_err(|error| Error::io(format!("cannot read {}", path.display()), error))
}

/// Reads the text of such a file. Keys it does not know are passed over.
///
/// # Errors
/// As [`read`].
pub fn parse(text: &str) -> Result<Scripts> {
    let file: File = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let said = error.to_string();
        let said = said.split(" at line ").next().unwrap_or_default();
        bad(&format!("line {line}, column {column}: {said}"))
    })?;
    Ok(file.scripts.without_blanks())
}

impl Scripts {
    fn without_blanks(self) -> Self {
        let some = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        Self {
            setup: some(self.setup),
            run: some(self.run),
            post_run: some(self.post_run),
            cleanup: some(self.cleanup),
        }
    }
}

fn bad(what: &str) -> Error {
    Error::refused(ErrorCode::Invalid, format!("{FILE} cannot be used: {what}"))
        .hint("it looks like {\"scripts\": {\"setup\": \"npm ci\", \"run\": \"npm start -- --port {port}\"}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_keys_are_read_and_others_passed_over() {
        let text = r#"{"x": 1, "scripts": {"setup": "a", "run": "b {port}", "postRun": "c",
                       "cleanup": " ", "other": [1]}}"#;
        let scripts = parse(text).unwrap();
        assert_eq!(scripts.setup.as_deref(), Some("a"));
        assert_eq!(scripts.run.as_deref(), Some("b {port}"));
        assert_eq!(scripts.post_run.as_deref(), Some("c"));
        assert_eq!(scripts.cleanup, None, "a blank one is none");
        assert_eq!(parse(r#"{"scripts": {}}"#).unwrap(), Scripts::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_line_and_column() {
        for (text, line, column) in [
            ("{\n  \"scripts\": {\n    \"setup\": 7\n  }\n}", 3, 14),
            ("{\n  \"scripts\": {},,\n}", 2, 17),
            ("{}", 1, 2),
            ("", 1, 0),
        ] {
            let error = parse(text).unwrap_err().to_string();
            let place = format!("line {line}, column {column}");
            assert!(error.contains(&place), "{text:?}: {error}");
        }
    }
}
