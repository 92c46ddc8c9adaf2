//! The model written down as bytes.

use super::Model;
use super::cursor::{Charset, Charsets, Cursor};
use super::grid::Glyph;
use super::line::{OpenLine, write_glyph, write_link};
use super::resize::tab_stop;
use super::screen::Screen;
use super::scrollback::Scrollback;
use super::style::Style;

/// Two ways to bring a terminal of the model's size into its state, whatever state that was in.
/// Each is whole; sent one after the other they show the screen first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redraw {
    /// Without the lines that have left the screen.
    pub screen: Vec<u8>,
    /// With them. Nothing when there are none.
    pub scrollback: Option<Vec<u8>>,
}

/// A part of a redraw.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// Gathers the steps that have something to say.
#[derive(Debug, Default)]
struct Steps(Vec<Step>);

impl Steps {
    fn add(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::new();
        write(&mut bytes);
        if !bytes.is_empty() {
            self.0.push(Step { name, bytes });
        }
    }

    fn set(&mut self, name: &'static str, bytes: &[u8]) {
        self.add(name, |out| out.extend_from_slice(bytes));
    }

    fn set_if(&mut self, condition: bool, name: &'static str, bytes: &[u8]) {
        if condition {
            self.set(name, bytes);
        }
    }
}

impl Model {
    /// Writes the state down. What later bytes do to a terminal that got this is what they do here.
    pub fn redraw(&self) -> Redraw {
        let joined = |steps: Vec<Step>| {
            let parts: Vec<&[u8]> = steps.iter().map(|step| &*step.bytes).collect();
            parts.concat()
        };
        let kept = self.scrollback.lines().len() > 0 || self.scrollback.open().is_some();
        Redraw {
            screen: joined(self.redraw_steps(None)),
            scrollback: kept.then(|| joined(self.redraw_steps(Some(&self.scrollback)))),
        }
    }

    pub(super) fn redraw_steps(&self, scrollback: Option<&Scrollback>) -> Vec<Step> {
        let mut steps = Steps::default();
        steps.set("reset", b"\x1bc");
        steps.set("begin update", b"\x1b[?2026h");
        steps.add("colours", |out| self.colors.write(out));
        steps.add("titles", |out| self.titles.write(out));
        self.draw_saved(&self.primary.saved, &mut steps);
        steps.add("primary screen", |out| {
            self.draw_rows(&self.primary, scrollback, out);
        });
        steps.add("keyboard", |out| self.primary.keyboard.write(out));
        if let Some(alternate) = &self.alternate {
            steps.set("cursor of the primary screen", b"\x1b8");
            steps.set("switch", b"\x1b[?1049h");
            steps.add("after the switch", |out| plain(&self.primary.saved, out));
            self.draw_saved(&alternate.saved, &mut steps);
            steps.add("alternate screen", |out| {
                self.draw_rows(alternate, None, out)
            });
            steps.add("keyboard of the alternate screen", |out| {
                alternate.keyboard.write(out)
            });
        }
        self.draw_margins(&mut steps);
        self.draw_position(&mut steps);
        steps.add("charsets", |out| self.cursor.charsets.write(out));
        self.draw_modes(&mut steps);
        steps.add("pen", |out| self.cursor.pen.write(&Style::PLAIN, out));
        steps.add("link", |out| self.begin_link(&self.cursor.pen, out));
        // Said in any case: it also makes REP forget what was drawn.
        let update: &[u8] = match self.modes.synchronized {
            true => b"\x1b[?2026h",
            false => b"\x1b[?2026l",
        };
        steps.set("end update", update);
        steps.add("last character", |out| self.draw_last(out));
        steps.set_if(self.shift == Some(2), "single shift 2", b"\x1bN");
        steps.set_if(self.shift == Some(3), "single shift 3", b"\x1bO");
        steps.set("unfinished sequence", self.parser.unfinished());
        steps.0
    }

    /// Saves a cursor on an empty screen, and leaves everything plain.
    fn draw_saved(&self, saved: &Cursor, steps: &mut Steps) {
        if *saved == Cursor::default() {
            return;
        }
        steps.set_if(saved.origin, "saved origin mode", b"\x1b[?6h");
        steps.add("saved position", |out| go_to(saved.row, saved.col, out));
        steps.set_if(saved.pending, "saved pending wrap", b" ");
        steps.add("saved charsets", |out| saved.charsets.write(out));
        steps.add("saved pen", |out| saved.pen.write(&Style::PLAIN, out));
        steps.add("saved link", |out| self.begin_link(&saved.pen, out));
        steps.set("save", b"\x1b7");
        steps.add("plain after saving", |out| plain(saved, out));
    }

    fn begin_link(&self, style: &Style, out: &mut Vec<u8>) {
        if style.link != 0 {
            write_link(self.strings.get(style.link), out);
        }
    }

    /// Draws all rows, and what is above them, from the top left on.
    fn draw_rows(&self, screen: &Screen, scrollback: Option<&Scrollback>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\x1b[H");
        for line in scrollback.into_iter().flat_map(Scrollback::lines) {
            line.write(self.width, out);
            out.extend_from_slice(b"\r\n");
        }
        let mut line = None;
        let open = scrollback.and_then(Scrollback::open);
        let mut goes_on = open.is_some();
        if let Some(open) = open {
            let mut above = open.to_draw();
            if open.full() {
                // The rows that are not kept; all that matters of them is where they end.
                above.spread();
                above.finish().write(self.width, out);
                out.extend_from_slice(format!(" \x1b[{}G ", self.width).as_bytes());
            } else {
                line = Some(above);
            }
        }
        let rows = screen.grid.rows();
        let last = rows.len() - 1;
        for (index, row) in rows.enumerate() {
            let mut now = line.take().unwrap_or_else(|| OpenLine::default().to_draw());
            if goes_on {
                now.append_wrapped(row, self.width, &self.strings);
            } else {
                now.append(row, self.width, &self.strings);
            }
            goes_on = row.wrapped;
            if goes_on {
                line = Some(now);
                continue;
            }
            now.finish().write(self.width, out);
            if index < last {
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    fn draw_margins(&self, steps: &mut Steps) {
        let usual = (0..self.width).map(tab_stop);
        if !usual.eq(self.tabs.iter().copied()) {
            steps.add("tab stops", |out| {
                out.extend_from_slice(b"\x1b[3g");
                for col in (0..self.width).filter(|&col| self.tabs[col]) {
                    out.extend_from_slice(format!("\x1b[{}G\x1bH", col + 1).as_bytes());
                }
            });
        }
        let (top, bottom) = self.region;
        if (top, bottom) != (0, self.height - 1) {
            let region = format!("\x1b[{};{}r", top + 1, bottom + 1);
            steps.set("scroll region", region.as_bytes());
        }
        steps.set_if(self.cursor.origin, "origin mode", b"\x1b[?6h");
    }

    /// Row of the cursor as it is addressed.
    fn addressed_row(&self) -> usize {
        let origin = if self.cursor.origin { self.region.0 } else { 0 };
        self.cursor.row - origin
    }

    /// Puts the cursor in its place. A wrap is pending after its cell is written once more.
    fn draw_position(&self, steps: &mut Steps) {
        steps.add("cursor", |out| {
            go_to(self.addressed_row(), self.cursor.col, out);
        });
        if !self.cursor.pending || self.last.is_some() {
            return;
        }
        steps.add("pending wrap", |out| {
            let screen = self.alternate.as_deref().unwrap_or(&self.primary);
            let Some(row) = screen.grid.rows().nth(self.cursor.row) else {
                return;
            };
            let mut cell = row.get(self.cursor.col);
            if cell.glyph == Glyph::TAIL {
                out.extend_from_slice(b"\x1b[D");
                cell = row.get(self.cursor.col - 1);
            }
            cell.style.write(&Style::PLAIN, out);
            self.begin_link(&cell.style, out);
            write_glyph(cell.glyph, &self.strings, out);
            if cell.style.link != 0 {
                write_link("", out);
            }
            Style::PLAIN.write(&cell.style, out);
        });
    }

    fn draw_modes(&self, steps: &mut Steps) {
        let modes = &self.modes;
        for (name, number) in modes.to_set() {
            steps.set(name, format!("\x1b[?{number}h").as_bytes());
        }
        steps.set_if(!modes.autowrap, "no autowrap", b"\x1b[?7l");
        steps.set_if(!modes.cursor_visible, "hidden cursor", b"\x1b[?25l");
        steps.set_if(modes.insert, "insert", b"\x1b[4h");
        steps.set_if(modes.newline, "newline", b"\x1b[20h");
        if modes.cursor_shape != 0 {
            let shape = format!("\x1b[{} q", modes.cursor_shape);
            steps.set("cursor shape", shape.as_bytes());
        }
        if modes.other_keys != 0 {
            let keys = format!("\x1b[>4;{}m", modes.other_keys);
            steps.set("other keys", keys.as_bytes());
        }
    }

    /// Prints the last character once more, for REP to repeat it.
    fn draw_last(&self, out: &mut Vec<u8>) {
        let Some(last) = self.last else { return };
        let width = unicode_width::UnicodeWidthChar::width(last).unwrap_or(1);
        let behind = self.cursor.col + usize::from(self.cursor.pending);
        go_to(self.addressed_row(), behind.saturating_sub(width), out);
        if self.modes.insert {
            out.extend_from_slice(format!("\x1b[{width}P").as_bytes());
        }
        out.extend_from_slice(last.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

fn go_to(row: usize, col: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\x1b[{};{}H", row + 1, col + 1).as_bytes());
}

/// Makes pen, charsets and origin mode plain again, and the cell that was written to have a wrap
/// pending.
fn plain(cursor: &Cursor, out: &mut Vec<u8>) {
    if cursor.pen.link != 0 {
        write_link("", out);
    }
    Style::PLAIN.write(&cursor.pen, out);
    if cursor.charsets != Charsets::default() {
        let used = cursor.charsets.designated.iter().zip(b"()*+");
        for (_, slot) in used.filter(|(charset, _)| **charset != Charset::Ascii) {
            out.extend_from_slice(&[0x1b, *slot, b'B']);
        }
        out.push(0x0f);
    }
    if cursor.origin {
        out.extend_from_slice(b"\x1b[?6l");
    }
    if cursor.pending {
        go_to(cursor.row, cursor.col, out);
        out.extend_from_slice(b"\x1b[K");
    }
}
