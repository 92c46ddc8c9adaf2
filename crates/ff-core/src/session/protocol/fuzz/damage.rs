//! Damage to a line: to what it says, and to its bytes.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use super::{json, word};

/// One change of what a line says.
#[derive(Debug, Clone)]
pub(super) enum Edit {
    /// A value becomes another.
    Replace(Index, Value),
    /// A field goes, or an element.
    Remove(Index),
    /// An object gets a field more, or another value for one it has.
    Insert(Index, String, Value),
}

/// One change of a line's bytes.
#[derive(Debug, Clone)]
pub(super) enum Hit {
    /// A byte becomes another.
    Byte(Index, u8),
    /// The rest is missing.
    Cut(Index),
    /// Something comes in between.
    Splice(Index, Vec<u8>),
}

pub(super) fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        3 => (any::<Index>(), json()).prop_map(|(at, value)| Edit::Replace(at, value)),
        2 => any::<Index>().prop_map(Edit::Remove),
        1 => (any::<Index>(), word(), json()).prop_map(|(at, key, value)| Edit::Insert(at, key, value)),
    ];
    proptest::collection::vec(edit, 0..4)
}

pub(super) fn hits() -> impl Strategy<Value = Vec<Hit>> {
    let hit = prop_oneof![
        6 => (any::<Index>(), b' '..=b'~').prop_map(|(at, byte)| Hit::Byte(at, byte)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Hit::Byte(at, byte)),
        1 => any::<Index>().prop_map(Hit::Cut),
        1 => (any::<Index>(), any::<Vec<u8>>()).prop_map(|(at, bytes)| Hit::Splice(at, bytes)),
    ];
    proptest::collection::vec(hit, 1..3)
}

impl Edit {
    pub(super) fn apply(&self, line: &mut Value) {
        let mut places = Vec::new();
        pointers(line, &mut String::new(), &mut places);
        match self {
            Self::Replace(at, value) => {
                if let Some(found) = line.pointer_mut(&places[at.index(places.len())]) {
                    *found = value.clone();
                }
            }
            Self::Remove(at) => remove(line, &places[at.index(places.len())]),
            Self::Insert(at, key, value) => {
                if let Some(Value::Object(fields)) =
                    line.pointer_mut(&places[at.index(places.len())])
                {
                    fields.insert(key.clone(), value.clone());
                }
            }
        }
    }
}

impl Hit {
    pub(super) fn apply(&self, line: &mut Vec<u8>) {
        if line.is_empty() {
            return;
        }
        match self {
            Self::Byte(at, byte) => {
                let at = at.index(line.len());
                line[at] = *byte;
            }
            Self::Cut(at) => line.truncate(at.index(line.len())),
            Self::Splice(at, bytes) => {
                let at = at.index(line.len());
                line.splice(at..at, bytes.iter().copied());
            }
        }
    }
}

fn remove(line: &mut Value, place: &str) {
    let Some((parent, key)) = place.rsplit_once('/') else {
        return;
    };
    match line.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            drop(fields.remove(&key.replace("~1", "/").replace("~0", "~")))
        }
        Some(Value::Array(items)) => {
            if let Ok(at) = key.parse::<usize>() {
                items.remove(at);
            }
        }
        _ => {}
    }
}

/// Where each value of a line is.
fn pointers(value: &Value, here: &mut String, places: &mut Vec<String>) {
    places.push(here.clone());
    let mut inside = |key: &str, value: &Value| {
        let length = here.len();
        here.push('/');
        here.push_str(&key.replace('~', "~0").replace('/', "~1"));
        pointers(value, here, places);
        here.truncate(length);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| inside(key, value)),
        Value::Array(items) => {
            for (at, value) in items.iter().enumerate() {
                inside(&at.to_string(), value);
            }
        }
        _ => {}
    }
}
