//! Operating system commands.

use super::Model;

/// Bytes of a hyperlink that are kept; a longer one is no link.
const LONGEST_LINK: usize = 2048;

impl Model {
    /// Executes an operating system command, given without introducer and terminator.
    pub(super) fn osc(&mut self, command: &[u8]) {
        // Some terminals take the 8-bit controls even here.
        let command = String::from_utf8_lossy(command).replace(char::is_control, "");
        let (number, text) = command.split_once(';').unwrap_or((command.as_str(), ""));
        let Ok(number) = number.parse::<u16>() else {
            return;
        };
        match number {
            0 => {
                self.titles.icon.set(text);
                self.titles.window.set(text);
            }
            1 => self.titles.icon.set(text),
            2 => self.titles.window.set(text),
            8 => self.link(text),
            4 | 10..=19 | 104 | 110..=119 => self.colors.change(number, text),
            _ => {}
        }
    }

    /// OSC 8: what is printed from now on is a link, or none if it has no address.
    fn link(&mut self, link: &str) {
        let target = link.split_once(';').map_or("", |(_, target)| target);
        let is_link = !target.is_empty() && link.len() <= LONGEST_LINK;
        self.cursor.pen.link = if is_link { self.intern(link) } else { 0 };
    }
}
