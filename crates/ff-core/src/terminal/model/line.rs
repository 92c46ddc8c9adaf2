//! A line of text as the bytes that write it.

use unicode_width::UnicodeWidthChar;

use super::grid::{Cell, Glyph, Row};
use super::strings::Strings;
use super::style::{Color, Style};

/// Bytes of one line that are kept; what comes after them in the line is not.
const LONGEST: usize = 64 * 1024;
/// More than any change of style takes.
const LONGEST_SGR: usize = 256;

/// A whole line. It begins and ends with a plain pen; blanks at its end are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    text: Box<[u8]>,
    colored: bool,
}

impl Line {
    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Writes it onto a terminal of this width, at the begin of a row.
    pub(super) fn write(&self, width: usize, out: &mut Vec<u8>) {
        write(&self.text, self.colored, width, out);
    }
}

/// A line that may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenLine {
    text: Vec<u8>,
    pen: Style,
    link: Option<Box<str>>,
    /// Blank cells that count only if something follows.
    blanks: usize,
    /// Whether the last row ended in a place that a wide character left free.
    edge: bool,
    colored: bool,
    longest: usize,
}

impl Default for OpenLine {
    fn default() -> Self {
        Self {
            text: Vec::new(),
            pen: Style::PLAIN,
            link: None,
            blanks: 0,
            edge: false,
            colored: false,
            longest: LONGEST,
        }
    }
}

impl OpenLine {
    /// The line so far, to be drawn: what is added from now on is kept to the last byte.
    pub(super) fn to_draw(&self) -> Self {
        Self {
            longest: usize::MAX,
            ..self.clone()
        }
    }

    /// Adds a row of this width.
    pub(super) fn append(&mut self, row: &Row, width: usize, strings: &Strings) {
        self.close_edge(row);
        let mut cells = row.cells();
        if !row.wrapped {
            cells = &cells[..row.used()];
        }
        for run in cells.chunk_by(|cell, next| cell.style == next.style) {
            if !self.plain_run(run) {
                run.iter().for_each(|cell| self.cell(cell, strings));
            }
        }
        if row.wrapped && !self.full() {
            self.blanks += width - cells.len();
            self.edge = cells.last() == Some(&Cell::SKIPPED);
        }
    }

    /// Adds a row that a terminal must wrap into, though it may be blank.
    pub(super) fn append_wrapped(&mut self, row: &Row, width: usize, strings: &Strings) {
        if self.edge && row.get(1).glyph != Glyph::TAIL {
            // The wide character was overwritten since. Another one is put there meanwhile.
            self.edge = false;
            self.spread();
            self.pen(Style::PLAIN, "");
            self.text.extend_from_slice("\u{3000}\r\x1b[2K".as_bytes());
            self.append(row, width, strings);
            return;
        }
        self.edge = false;
        self.spread();
        let before = self.text.len();
        self.append(row, width, strings);
        if self.text.len() == before {
            self.pen(Style::PLAIN, "");
            self.text.push(b' ');
            self.blanks = self.blanks.saturating_sub(1);
        }
    }

    /// Writes the blanks that are held back.
    pub(super) fn spread(&mut self) {
        if self.blanks > 0 {
            self.pen(Style::PLAIN, "");
            self.text.resize(self.text.len() + self.blanks, b' ');
            self.blanks = 0;
        }
    }

    /// Whether it takes no more text.
    pub(super) fn full(&self) -> bool {
        self.text.len() + self.blanks >= self.longest
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Ends it, and begins another in its place.
    pub(super) fn finish(&mut self) -> Line {
        self.pen(Style::PLAIN, "");
        let line = Line {
            text: self.text.as_slice().into(),
            colored: self.colored,
        };
        self.text.clear();
        (self.blanks, self.edge, self.colored) = (0, false, false);
        line
    }

    /// If the wide character has been overwritten since, its place is a blank.
    fn close_edge(&mut self, next: &Row) {
        let edge = std::mem::take(&mut self.edge);
        if edge && !self.full() && next.get(1).glyph != Glyph::TAIL {
            self.blanks += 1;
        }
    }

    /// Adds cells of one style if that is simple: ASCII, no link, and room for all of it.
    fn plain_run(&mut self, run: &[Cell]) -> bool {
        let Some(style) = run.first().map(|cell| cell.style) else {
            return true;
        };
        let simple = style.link == 0
            && self.link.is_none()
            && self.text.len() + self.blanks + run.len() + LONGEST_SGR < self.longest
            && run.iter().all(|cell| cell.glyph.as_ascii().is_some());
        if !simple {
            return false;
        }
        let text = match run.iter().rposition(|cell| *cell != Cell::BLANK) {
            Some(last) => &run[..=last],
            None => &[],
        };
        if !text.is_empty() {
            let lead = text.iter().take_while(|cell| **cell == Cell::BLANK).count();
            self.blanks += lead;
            self.spread();
            if style != self.pen {
                self.pen(style, "");
            }
            self.text.extend(
                text[lead..]
                    .iter()
                    .map(|cell| cell.glyph.as_ascii().unwrap_or(b' ')),
            );
        }
        self.blanks += run.len() - text.len();
        true
    }

    fn cell(&mut self, cell: &Cell, strings: &Strings) {
        if self.full() || matches!(cell.glyph, Glyph::TAIL | Glyph::SKIPPED) {
            return;
        }
        if *cell == Cell::BLANK {
            self.blanks += 1;
            return;
        }
        self.spread();
        if cell.style != self.pen || self.link.is_some() {
            self.pen(cell.style, strings.get(cell.style.link));
        }
        write_glyph(cell.glyph, strings, &mut self.text);
    }

    fn pen(&mut self, style: Style, link: &str) {
        style.write(&self.pen, &mut self.text);
        self.colored |= style.background != Color::DEFAULT;
        self.pen = Style { link: 0, ..style };
        if self.link.as_deref().unwrap_or("") != link {
            write_link(link, &mut self.text);
            self.link = (!link.is_empty()).then(|| link.into());
        }
    }
}

fn write(text: &[u8], colored: bool, width: usize, out: &mut Vec<u8>) {
    if colored && text.len() > width {
        write_wrapped(text, width, out);
    } else {
        out.extend_from_slice(text);
    }
}

/// A terminal fills the row it wraps into with the pen's background. That would stay where the
/// line ends before the row does, so it is erased as soon as the row has begun.
fn write_wrapped(text: &[u8], width: usize, out: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(text);
    let (mut rest, mut sgr, mut col) = (&*text, "", 0);
    while let Some(char) = rest.chars().next() {
        let length = if char == '\x1b' {
            escape(rest)
        } else {
            char.len_utf8()
        };
        let (this, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        out.extend_from_slice(this.as_bytes());
        if char == '\x1b' {
            if this.ends_with('m') {
                sgr = this;
            }
            continue;
        }
        if char == '\r' {
            col = 0;
        }
        let cells = char.width().unwrap_or(0);
        col += cells;
        if cells > 0 && col > width {
            col = cells;
            if col < width {
                out.extend_from_slice(b"\x1b[m\x1b[K");
                out.extend_from_slice(sgr.as_bytes());
            }
        }
    }
}

/// Writes the text of a cell.
pub(super) fn write_glyph(glyph: Glyph, strings: &Strings, out: &mut Vec<u8>) {
    if let Some(number) = glyph.as_string() {
        out.extend_from_slice(strings.get(number).as_bytes());
    } else if let Some(char) = glyph.as_char() {
        out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// Writes the begin of a hyperlink, or its end. A link is its parameters and address with the
/// semicolon between, as OSC 8 has them.
pub(super) fn write_link(link: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\x1b]8;");
    out.extend_from_slice(if link.is_empty() {
        b";"
    } else {
        link.as_bytes()
    });
    out.extend_from_slice(b"\x1b\\");
}

/// Length of the sequence at the begin of a line's text.
fn escape(text: &str) -> usize {
    let end = if text.starts_with("\x1b]") {
        text.find("\x1b\\").map(|at| at + 2)
    } else {
        text.find(|char: char| char.is_ascii_alphabetic())
            .map(|at| at + 1)
    };
    end.unwrap_or(text.len())
}
