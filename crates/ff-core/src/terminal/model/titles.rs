//! The window's title and the icon's, with xterm's stacks of them.

const DEEPEST: usize = 10;
const LONGEST: usize = 4096;

/// One title and those saved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Title {
    text: String,
    saved: Vec<String>,
}

impl Title {
    /// Sets it, cut to 4096 bytes.
    pub(super) fn set(&mut self, text: &str) {
        let mut end = text.len().min(LONGEST);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.text = text[..end].to_owned();
    }

    /// The title.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn push(&mut self) {
        if self.saved.len() >= DEEPEST {
            self.saved.remove(0);
        }
        self.saved.push(self.text.clone());
    }

    fn pop(&mut self) {
        if let Some(saved) = self.saved.pop() {
            self.text = saved;
        }
    }

    fn write(&self, set: char, save: char, out: &mut Vec<u8>) {
        for saved in &self.saved {
            out.extend_from_slice(format!("\x1b]{set};{saved}\x1b\\\x1b[22;{save}t").as_bytes());
        }
        if !self.text.is_empty() || !self.saved.is_empty() {
            out.extend_from_slice(format!("\x1b]{set};{}\x1b\\", self.text).as_bytes());
        }
    }
}

/// Both titles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Titles {
    pub(super) icon: Title,
    pub(super) window: Title,
}

impl Titles {
    /// Saves titles: 0 both, 1 the icon's, 2 the window's.
    pub(super) fn push(&mut self, which: u16) {
        if which != 2 {
            self.icon.push();
        }
        if which != 1 {
            self.window.push();
        }
    }

    /// Restores titles that were saved.
    pub(super) fn pop(&mut self, which: u16) {
        if which != 2 {
            self.icon.pop();
        }
        if which != 1 {
            self.window.pop();
        }
    }

    /// Writes what gives a terminal without titles these.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.icon.write('1', '1', out);
        self.window.write('2', '2', out);
    }
}
