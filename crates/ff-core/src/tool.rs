//! Versions of programs.

use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::error::{Error, Result};

const DEADLINE: Duration = Duration::from_secs(10);
/// Of one that runs and does not tell.
const UNKNOWN: &str = "unknown";

/// The version that a program names when it is asked so; `None` if it is not there or does not run.
///
/// # Errors
/// The system cannot start programs now.
pub(crate) async fn version(mut command: Command) -> Result<Option<String>> {
    command
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    match tokio::time::timeout(DEADLINE, command.output()).await {
        Ok(Ok(output)) if output.status.success() => {
            Ok(Some(version_in(&String::from_utf8_lossy(&output.stdout))))
        }
        Ok(Ok(_)) | Err(_) => Ok(None),
        Ok(Err(error))
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::PermissionDenied
            ) =>
        {
            Ok(None)
        }
        Ok(Err(source)) => Err(Error::io("cannot ask a tool for its version", source)),
    }
}

/// The first word of the first line that looks like a version.
fn version_in(text: &str) -> String {
    let words = text.lines().next().unwrap_or_default().split_whitespace();
    let mut words = words.map(|word| word.trim_start_matches('v'));
    let found = words.find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let short: String = found.unwrap_or(UNKNOWN).chars().take(40).collect();
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tool_names_its_version_in_its_own_way() {
        for (text, version) in [
            ("2.1.330 (Claude Code)\n", "2.1.330"),
            ("gh version 2.23.0 (2023-02-27)\nhttps://x/v9", "2.23.0"),
            ("git version 2.39.5\n", "2.39.5"),
            ("v22.23.3\n", "22.23.3"),
            ("hello\n", UNKNOWN),
            ("", UNKNOWN),
        ] {
            assert_eq!(version_in(text), version, "{text}");
        }
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_or_fails_has_none() {
        for program in ["/nowhere/at/all", "/bin/false", "/etc/passwd"] {
            let version = version(Command::new(program)).await.unwrap();
            assert_eq!(version, None, "{program}");
        }
    }
}
