//! How much of a conversation is shown, and whether in colour.

/// How a conversation is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    /// Escape sequences for dim and coloured text may be used.
    pub colour: bool,
    /// Thinking, results of tools and changes of files are shown too.
    pub detail: bool,
}

impl Look {
    /// Text that stands back.
    pub fn dim(self, text: &str) -> String {
        self.painted("2", text)
    }

    /// Text that was added.
    pub fn added(self, text: &str) -> String {
        self.painted("32", text)
    }

    /// Text that was taken away, or an error.
    pub fn removed(self, text: &str) -> String {
        self.painted("31", text)
    }

    fn painted(self, code: &str, text: &str) -> String {
        match self.colour && !text.is_empty() {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}
