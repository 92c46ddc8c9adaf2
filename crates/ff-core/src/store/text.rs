//! Enum values, ids and JSON as text columns.

use serde::{Serialize, de::DeserializeOwned, de::value::StrDeserializer};

use crate::error::{Error, Result};

/// The wire name of an enum value or id.
pub(super) fn name<T: Serialize>(value: &T) -> Result<String> {
    match serde_json::to_value(value).map_err(|source| unreadable("a value", source))? {
        serde_json::Value::String(text) => Ok(text),
        other => Ok(other.to_string()),
    }
}

/// Reads a wire name back.
pub(super) fn parse<T: DeserializeOwned>(text: String) -> Result<T> {
    T::deserialize(StrDeserializer::new(&text))
        .map_err(|source| unreadable(&format!("`{text}`"), source))
}

/// Reads an optional wire name back.
pub(super) fn parse_opt<T: DeserializeOwned>(text: Option<String>) -> Result<Option<T>> {
    text.map(parse).transpose()
}

/// A value as JSON text.
pub(super) fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|source| unreadable("a value", source))
}

/// Reads JSON text back.
pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| unreadable("a stored value", source))
}

fn unreadable(what: &str, source: serde_json::Error) -> Error {
    Error::Data {
        what: what.to_owned(),
        source,
    }
}
