//! Strings that cells refer to by number: characters with combining marks, and hyperlinks.

use std::collections::HashMap;

/// Bytes of strings in use that are kept. A further one is not kept, and its cell goes without.
const MOST_BYTES: usize = 1 << 20;
const SPARE: usize = 1024;

/// The strings; number 0 is the empty one.
#[derive(Debug)]
pub(super) struct Strings {
    list: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32>,
    bytes: usize,
    crowded: usize,
}

impl Default for Strings {
    fn default() -> Self {
        Self {
            list: vec!["".into()],
            numbers: HashMap::new(),
            bytes: 0,
            crowded: SPARE,
        }
    }
}

impl Strings {
    /// The string of a number.
    pub(super) fn get(&self, number: u32) -> &str {
        self.list.get(number as usize).map_or("", AsRef::as_ref)
    }

    /// The number of a string that is known.
    pub(super) fn known(&self, string: &str) -> Option<u32> {
        self.numbers.get(string).copied()
    }

    /// Whether unused ones should be dropped before another is added.
    pub(super) fn crowded(&self, string: &str) -> bool {
        self.list.len() >= self.crowded || self.bytes + string.len() > MOST_BYTES
    }

    /// Adds a string; 0 when there is no room.
    pub(super) fn add(&mut self, string: &str) -> u32 {
        if let Some(number) = self.known(string) {
            return number;
        }
        let Ok(number) = u32::try_from(self.list.len()) else {
            return 0;
        };
        if string.is_empty() || self.bytes + string.len() > MOST_BYTES {
            return 0;
        }
        self.bytes += string.len();
        self.list.push(string.into());
        self.numbers.insert(string.into(), number);
        number
    }

    /// Moves a string that is in use into `kept`, and gives its number there.
    pub(super) fn keep(&self, number: u32, kept: &mut Self) -> u32 {
        kept.add(self.get(number))
    }

    /// Sets when unused ones are dropped next.
    pub(super) fn settle(&mut self) {
        self.crowded = 2 * self.list.len() + SPARE;
    }

    /// Bytes of memory in use, about.
    pub(super) fn memory(&self) -> usize {
        let entry = size_of::<Box<str>>() * 2 + size_of::<u32>() * 2;
        2 * self.bytes + self.list.capacity() * entry
    }
}
