//! What may be said to a session.

use ff_protocol::{ErrorCode, SessionId};

use crate::error::{Error, Result};

const LONGEST_PROMPT: usize = 1024 * 1024;
const LONGEST_NAME: usize = 200;

/// There is no such session.
pub(super) fn unknown(session: &SessionId) -> Error {
    Error::refused(
        ErrorCode::NotFound,
        format!("there is no session {session} in this workspace"),
    )
    .hint("list them with `ff session list`")
}

/// A message within the limit of 1 MiB.
pub(super) fn check_prompt(text: Option<&str>) -> Result<()> {
    match text {
        Some(text) if text.len() > LONGEST_PROMPT => {
            let detail = format!("a message has at most {LONGEST_PROMPT} bytes");
            Err(Error::refused(ErrorCode::TooLarge, detail)
                .hint("put the text into a file of the workspace and name it"))
        }
        _ => Ok(()),
    }
}

/// A name or model: short, on one line, and no option of the CLI.
pub(crate) fn check_word(what: &str, word: Option<&str>) -> Result<()> {
    let Some(word) = word else { return Ok(()) };
    let fits = !word.trim().is_empty() && word.chars().count() <= LONGEST_NAME;
    if fits && !word.starts_with('-') && !word.contains(char::is_control) {
        return Ok(());
    }
    let detail =
        format!("a session's {what} has 1 to {LONGEST_NAME} characters and starts with no `-`");
    Err(Error::refused(ErrorCode::Invalid, detail))
}
