//! Control characters and escape sequences.

use super::Model;
use super::cursor::Charset;
use super::screen::Screen;

impl Model {
    /// Executes a control character (C0).
    pub(super) fn control(&mut self, control: u8) {
        match control {
            0x08 => self.move_to_col(self.cursor.col.saturating_sub(1)),
            b'\t' => self.tab(1),
            b'\n' | 0x0b | 0x0c => {
                self.line_feed(false);
                if self.modes.newline {
                    self.move_to_col(0);
                }
            }
            b'\r' => self.move_to_col(0),
            0x0e => self.cursor.charsets.active = 1,
            0x0f => self.cursor.charsets.active = 0,
            _ => {}
        }
    }

    /// Executes an escape sequence, given without its ESC.
    pub(super) fn escape(&mut self, sequence: &[u8]) {
        match *sequence {
            [b'7'] => self.save_cursor(),
            [b'8'] => self.restore_cursor(),
            [b'D'] => self.line_feed(false),
            [b'E'] => {
                self.line_feed(false);
                self.move_to_col(0);
            }
            [b'H'] => {
                let col = self.cursor.col;
                self.tabs[col] = true;
            }
            [b'M'] => self.reverse_line_feed(),
            [b'N'] => self.shift = Some(2),
            [b'O'] => self.shift = Some(3),
            [b'n'] => self.cursor.charsets.active = 2,
            [b'o'] => self.cursor.charsets.active = 3,
            [b'='] => self.modes.set_private(66, true),
            [b'>'] => self.modes.set_private(66, false),
            [b'c'] => self.reset(),
            [b'#', b'8'] => self.align(),
            [slot @ b'('..=b'+', by] => {
                let place = usize::from(slot - b'(');
                self.cursor.charsets.designated[place] = Charset::designated(by);
            }
            _ => {}
        }
    }

    /// RIS.
    fn reset(&mut self) {
        let (cols, rows) = (self.width as u16, self.height as u16);
        *self = Self::new(ff_protocol::terminal::Size { cols, rows }, self.limits);
    }

    /// Shows the alternate screen, empty, or the primary one again. `saves` is what mode 1049 does
    /// beyond 47 and 1047: it saves the cursor before and restores it after.
    pub(super) fn switch(&mut self, to_alternate: bool, saves: bool) {
        match (to_alternate, self.alternate.is_some()) {
            (true, false) => {
                if saves {
                    self.save_cursor();
                }
                self.alternate = Some(Box::new(Screen::new(self.height)));
            }
            (false, _) => {
                self.alternate = None;
                if saves {
                    self.restore_cursor();
                }
            }
            (true, true) => {}
        }
    }
}
