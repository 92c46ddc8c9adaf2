//! A backup file is read: is it one, of our version, whole?

use std::io::Read;
use std::path::Path;

use ff_protocol::ErrorCode;
use serde_json::Value;

use super::format::{Backup, SCHEMA_VERSION};
use crate::error::{Error, IoContext, Result};

/// Largest backup that is read, in bytes.
pub const LARGEST: u64 = 256 << 20;
/// Most unknown fields that are named.
const NAMED: usize = 20;

/// A backup, and the fields of its file that are not known here.
#[derive(Debug)]
pub struct Found {
    /// The backup.
    pub backup: Backup,
    /// Fields that were ignored, such as `data.projects[].colour`, sorted; not all if many.
    pub ignored: Vec<String>,
}

/// Reads a file. Not for the runtime's threads.
///
/// # Errors
/// `not_found`, `too_large`; `invalid` when it is no backup, cut off, or of another version.
pub fn file(path: &Path) -> Result<Found> {
    let shown = path.display();
    let file = std::fs::File::open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => {
            Error::refused(ErrorCode::NotFound, format!("there is no file {shown}"))
        }
        _ => Error::io(format!("cannot read {shown}"), source),
    })?;
    let mut text = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut text)
        .context(|| format!("cannot read {shown}"))?;
    text_of(&text, &shown.to_string())
}

/// Reads what came from somewhere. Not for the runtime's threads.
///
/// # Errors
/// As [`file`], but for `not_found`.
pub fn text_of(text: &[u8], from: &str) -> Result<Found> {
    if text.len() as u64 > LARGEST {
        let detail = format!("{from} is larger than {} MiB", LARGEST >> 20);
        return Err(Error::refused(ErrorCode::TooLarge, detail));
    }
    parse(text).map_err(|reason| {
        let detail = format!("{from} cannot be imported: {reason}");
        Error::refused(ErrorCode::Invalid, detail)
            .hint("make a backup again in the original application, or read its database: `ff import --from-database PATH`")
    })
}

/// Reads a backup's text; the error says why it is none.
pub fn parse(text: &[u8]) -> Result<Found, String> {
    let value: Value = serde_json::from_slice(text).map_err(|error| match error.is_eof() {
        true => format!("it is cut off ({error})"),
        false => format!("it is not JSON ({error})"),
    })?;
    match &value["meta"]["schemaVersion"] {
        version if version.as_u64() == Some(SCHEMA_VERSION) => {}
        Value::Null => return Err("it is no backup: it has no `meta.schemaVersion`".to_owned()),
        version => {
            return Err(format!(
                "it is a backup of version {version}, and only version {SCHEMA_VERSION} can be read"
            ));
        }
    }
    // From the text, so that the error has line and column.
    let backup: Backup = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let known = serde_json::to_value(&backup).map_err(|error| error.to_string())?;
    let mut ignored = Vec::new();
    compare(&value, &known, "", &mut ignored);
    ignored.sort();
    ignored.dedup();
    ignored.truncate(NAMED);
    Ok(Found { backup, ignored })
}

/// Names what `given` has and `known` has not.
fn compare(given: &Value, known: &Value, place: &str, ignored: &mut Vec<String>) {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            for (key, value) in given {
                let place = match place.is_empty() {
                    true => key.clone(),
                    false => format!("{place}.{key}"),
                };
                match known.get(key) {
                    Some(known) => compare(value, known, &place, ignored),
                    None => ignored.push(place),
                }
            }
        }
        (Value::Array(given), Value::Array(known)) => {
            for (given, known) in given.iter().zip(known) {
                compare(given, known, &format!("{place}[]"), ignored);
            }
        }
        _ => {}
    }
}
