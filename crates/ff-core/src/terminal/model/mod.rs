//! What a terminal shows, computed from the bytes a program wrote to it.
//!
//! The model follows what xterm does, and xterm.js where the two differ. It keeps everything that
//! decides how later bytes are shown, and writes it down as bytes again: a [`Redraw`], fed to a
//! terminal in any state, makes it show the same and go on in the same way. It answers no
//! questions; those are for the viewer's terminal.
//!
//! Not kept are: what the alternate screen showed before it was last left, left and right margins,
//! protected cells, double-width rows and images. They have no effect here.

mod colors;
mod control;
mod csi;
mod cursor;
mod edit;
mod grid;
mod keyboard;
mod line;
mod modes;
mod osc;
mod params;
mod parser;
mod print;
mod redraw;
mod reflow;
mod resize;
mod screen;
mod scrollback;
mod strings;
mod style;
mod titles;
mod view;

#[cfg(test)]
mod tests;

use ff_protocol::terminal::Size;

use self::colors::Colors;
use self::cursor::Cursor;
use self::grid::Grid;
use self::modes::Modes;
use self::parser::{Action, Parser};
use self::screen::Screen;
use self::scrollback::Scrollback;
use self::strings::Strings;
use self::titles::Titles;

pub use self::redraw::Redraw;
pub use self::style::{Color, Style};
pub use self::view::ViewCell;

/// How much of what has left the screen is kept. The oldest lines are forgotten first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Lines, however many rows each took.
    pub lines: usize,
    /// Bytes of memory for them.
    pub bytes: usize,
}

impl Default for Limits {
    /// 10,000 lines in 6 MiB.
    fn default() -> Self {
        Self {
            lines: 10_000,
            bytes: 6 << 20,
        }
    }
}

/// Columns and rows a model has at most.
const LARGEST: u16 = 2_000;

/// The state of a terminal.
#[derive(Debug)]
pub struct Model {
    width: usize,
    height: usize,
    limits: Limits,
    parser: Parser,
    primary: Screen,
    /// There is one while it is shown.
    alternate: Option<Box<Screen>>,
    scrollback: Scrollback,
    cursor: Cursor,
    /// The character set for the next character only.
    shift: Option<u8>,
    /// The character printed last, if nothing happened since.
    last: Option<char>,
    region: (usize, usize),
    tabs: Vec<bool>,
    modes: Modes,
    colors: Colors,
    titles: Titles,
    strings: Strings,
}

impl Model {
    /// An empty terminal. It has at least two columns, for a wide character, and one
    /// row, and at most 2,000 of each.
    pub fn new(size: Size, limits: Limits) -> Self {
        let (width, height) = dimensions(size);
        Self {
            width,
            height,
            limits,
            parser: Parser::default(),
            primary: Screen::new(height),
            alternate: None,
            scrollback: Scrollback::new(limits),
            cursor: Cursor::default(),
            shift: None,
            last: None,
            region: (0, height - 1),
            tabs: (0..width).map(resize::tab_stop).collect(),
            modes: Modes::default(),
            colors: Colors::default(),
            titles: Titles::default(),
            strings: Strings::default(),
        }
    }

    /// Takes what the program wrote.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if self.parser.at_rest() {
                let other = rest.iter().position(|byte| !(0x20..0x7f).contains(byte));
                let (text, after) = rest.split_at(other.unwrap_or(rest.len()));
                if !text.is_empty() {
                    self.print_ascii(text);
                    rest = after;
                    continue;
                }
            }
            rest = after;
            let mut action = self.parser.push(byte);
            if action == Action::Broken {
                self.print(char::REPLACEMENT_CHARACTER);
                action = self.parser.push(byte);
            }
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Nothing | Action::Broken => return,
            Action::Print(char) => return self.print(char),
            Action::Csi(sequence) => {
                self.csi(&sequence);
                return self.settle_pending();
            }
            Action::Control(control) => self.control(control),
            Action::Escape(sequence) => {
                self.escape(&sequence);
                self.settle_pending();
            }
            Action::Osc(command) => self.osc(&command),
        }
        self.last = None;
    }

    /// Whether no sequence and no character is unfinished.
    pub fn at_rest(&self) -> bool {
        self.parser.at_rest()
    }

    /// Bytes of memory in use, about.
    pub fn memory(&self) -> usize {
        let alternate = self.alternate.as_ref().map_or(0, |screen| screen.memory());
        size_of::<Self>()
            + self.primary.memory()
            + alternate
            + self.scrollback.memory()
            + self.strings.memory()
            + self.parser.unfinished().len()
    }

    fn screen_mut(&mut self) -> &mut Screen {
        self.alternate.as_deref_mut().unwrap_or(&mut self.primary)
    }

    fn grid_mut(&mut self) -> &mut Grid {
        &mut self.screen_mut().grid
    }

    /// The number of a string, dropping unused ones when there are many.
    fn intern(&mut self, string: &str) -> u32 {
        if let Some(number) = self.strings.known(string) {
            return number;
        }
        if self.strings.crowded(string) {
            let mut kept = Strings::default();
            let strings = &self.strings;
            let screens = [Some(&mut self.primary), self.alternate.as_deref_mut()];
            for screen in screens.into_iter().flatten() {
                screen.keep_strings(strings, &mut kept);
            }
            self.cursor.pen.link = strings.keep(self.cursor.pen.link, &mut kept);
            kept.settle();
            self.strings = kept;
        }
        self.strings.add(string)
    }
}

fn dimensions(size: Size) -> (usize, usize) {
    let within = |length: u16, least| usize::from(length.clamp(least, LARGEST));
    (within(size.cols, 2), within(size.rows, 1))
}
