//! All of a model's state, to be compared.

use std::collections::BTreeMap;

use super::super::Model;
use super::super::cursor::Cursor;
use super::super::screen::Screen;

/// Everything that decides what later bytes do, by name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct State(BTreeMap<&'static str, String>);

impl State {
    /// The state of a model.
    pub(super) fn of(model: &Model) -> Self {
        let Model {
            width,
            height,
            limits: _,
            parser,
            primary,
            alternate,
            scrollback,
            cursor,
            shift,
            last,
            region,
            tabs,
            modes,
            colors,
            titles,
            strings: _,
        } = model;
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let mut state = Self(BTreeMap::from([
            ("size", format!("{width}x{height}")),
            (
                "unfinished",
                format!("{} {}", parser.at_rest(), text(parser.unfinished())),
            ),
            (
                "lines",
                format!("{:?}", scrollback.lines().collect::<Vec<_>>()),
            ),
            ("open line", format!("{:?}", scrollback.open())),
            ("cursor", describe(cursor, model)),
            ("shift", format!("{shift:?}")),
            ("last", format!("{last:?}")),
            ("region", format!("{region:?}")),
            ("tabs", format!("{tabs:?}")),
            ("modes", format!("{modes:?}")),
            ("colours", format!("{colors:?}")),
            ("titles", format!("{titles:?}")),
        ]));
        state.add_screen(
            ["primary", "primary saved", "primary keyboard"],
            primary,
            model,
        );
        if let Some(screen) = alternate {
            let names = ["alternate", "alternate saved", "alternate keyboard"];
            state.add_screen(names, screen, model);
        }
        state
    }

    /// Without what has left the screen.
    pub(super) fn of_screen(model: &Model) -> Self {
        let mut state = Self::of(model);
        state.0.remove("lines");
        state.0.remove("open line");
        state
    }

    /// What differs from another state.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let names = self
            .0
            .keys()
            .chain(other.0.keys().filter(|name| !self.0.contains_key(*name)));
        names
            .filter(|name| self.0.get(*name) != other.0.get(*name))
            .map(|name| {
                format!(
                    "{name}:\n  {:?}\n  {:?}",
                    self.0.get(name),
                    other.0.get(name)
                )
            })
            .collect()
    }

    fn add_screen(&mut self, names: [&'static str; 3], screen: &Screen, model: &Model) {
        let rows = screen.grid.rows().map(|row| {
            let used = row.used();
            let cells = row.cells()[..used].iter().map(|cell| {
                let glyph = match cell.glyph.as_string() {
                    Some(number) => model.strings.get(number).to_owned(),
                    None => format!("{:?}", cell.glyph.as_char()),
                };
                let link = model.strings.get(cell.style.link);
                let mut style = cell.style;
                style.link = 0;
                format!("{glyph} {style:?} {link}")
            });
            format!("{} {:?}", row.wrapped, cells.collect::<Vec<_>>())
        });
        self.0.insert(names[0], rows.collect::<Vec<_>>().join("\n"));
        self.0.insert(names[1], describe(&screen.saved, model));
        self.0.insert(names[2], format!("{:?}", screen.keyboard));
    }
}

fn describe(cursor: &Cursor, model: &Model) -> String {
    let link = model.strings.get(cursor.pen.link);
    let mut cursor = *cursor;
    cursor.pen.link = 0;
    format!("{cursor:?} {link}")
}
