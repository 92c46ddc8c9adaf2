//! Control sequences.

use super::Model;
use super::params::Sequence;

impl Model {
    /// Executes a control sequence, given without its introducer.
    pub(super) fn csi(&mut self, sequence: &[u8]) {
        let last = self.last.take();
        let Some(sequence) = Sequence::parse(sequence) else {
            return;
        };
        match (sequence.private, sequence.intermediate) {
            (0, 0) => self.plain_csi(&sequence, last),
            (b'?', 0) => self.question_csi(&sequence),
            (private, 0) => match (private, sequence.function) {
                (_, b'u') => self.screen_mut().keyboard.change(&sequence),
                (b'>', b'm') if sequence.get(0) == 4 => {
                    self.modes.other_keys = sequence.get(1).min(3) as u8;
                }
                // Without parameters all of these settings go back.
                (b'>', b'm') if sequence.get(0) == 0 => self.modes.other_keys = 0,
                _ => {}
            },
            (0, b'!') if sequence.function == b'p' => self.soft_reset(),
            (0, b' ') if sequence.function == b'q' => {
                let shape = sequence.get(0);
                self.modes.cursor_shape = if shape <= 6 { shape as u8 } else { 0 };
            }
            _ => {}
        }
    }

    fn plain_csi(&mut self, sequence: &Sequence, last: Option<char>) {
        let count = sequence.count(0);
        let col = self.cursor.col;
        match sequence.function {
            b'A' => self.up(count),
            b'B' | b'e' => self.down(count),
            b'C' | b'a' => self.move_to_col(col + count),
            b'D' => self.move_to_col(col.saturating_sub(count)),
            b'E' => {
                self.down(count);
                self.move_to_col(0);
            }
            b'F' => {
                self.up(count);
                self.move_to_col(0);
            }
            b'G' | b'`' => self.move_to_col(count - 1),
            b'H' | b'f' => self.address(count - 1, sequence.count(1) - 1),
            b'd' => self.address(count - 1, col),
            b'I' => self.tab(count),
            b'Z' => self.back_tab(count),
            b'J' => self.erase_display(sequence.get(0)),
            b'K' => self.erase_line(sequence.get(0)),
            b'X' | b'@' | b'P' => self.edit_cells(sequence.function, count),
            b'L' => self.move_rows(count, true),
            b'M' => self.move_rows(count, false),
            b'S' => self.scroll_up(count, false),
            // With more parameters it is about the mouse.
            b'T' if sequence.params.len() == 1 => self.scroll_down(self.region, count),
            b'b' => self.repeat(last, count),
            b'g' => match sequence.get(0) {
                0 => self.tabs[col] = false,
                3 => self.tabs.fill(false),
                _ => {}
            },
            b'h' | b'l' => {
                let on = sequence.function == b'h';
                for index in 0..sequence.params.len() {
                    self.modes.set_ansi(sequence.get(index), on);
                }
            }
            b'm' => self.cursor.pen.apply(&sequence.params),
            b'r' => match sequence.get(1) {
                0 => self.set_region(count - 1, self.height - 1),
                bottom => self.set_region(count - 1, usize::from(bottom) - 1),
            },
            b's' if sequence.params.len() == 1 => self.save_cursor(),
            b'u' => self.restore_cursor(),
            b't' => match sequence.get(0) {
                22 => self.titles.push(sequence.get(1)),
                23 => self.titles.pop(sequence.get(1)),
                _ => {}
            },
            _ => {}
        }
    }

    fn question_csi(&mut self, sequence: &Sequence) {
        match sequence.function {
            b'J' => self.erase_display(sequence.get(0)),
            b'K' => self.erase_line(sequence.get(0)),
            b'h' | b'l' => {
                let on = sequence.function == b'h';
                for index in 0..sequence.params.len() {
                    self.set_private(sequence.get(index), on);
                }
            }
            _ => {}
        }
    }

    fn set_private(&mut self, mode: u16, on: bool) {
        match mode {
            6 => {
                self.cursor.origin = on;
                self.address(0, 0);
            }
            47 | 1047 => self.switch(on, false),
            1049 => self.switch(on, true),
            1048 if on => self.save_cursor(),
            1048 => self.restore_cursor(),
            _ => self.modes.set_private(mode, on),
        }
    }

    /// REP, for as many as fill the screen.
    fn repeat(&mut self, last: Option<char>, count: usize) {
        let Some(last) = last else { return };
        for _ in 0..count.min(self.width * self.height) {
            self.print(last);
        }
    }
}
