//! Cells from what `tmux capture-pane -e` prints, read without any part of the model.

use ff_core::terminal::model::ViewCell;
use ff_protocol::terminal::Size;
use unicode_width::UnicodeWidthChar;

/// A cell: its text, and the SGR parameters that make it look as it does, in a fixed order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    text: String,
    looks: Vec<String>,
    /// Beyond the last cell that was written to: tmux does not tell what colour it was erased to.
    untold: bool,
}

impl Cell {
    /// Whether they are the same, as far as told.
    pub fn is(&self, other: &Self) -> bool {
        let erased = |cell: &Self| {
            cell.text == " " && cell.looks.iter().all(|look| look.starts_with("background"))
        };
        (self.text == other.text && self.looks == other.looks)
            || (self.untold && erased(other))
            || (other.untold && erased(self))
    }

    /// Whether it is blank with a colour behind it.
    pub fn is_colored_blank(&self) -> bool {
        self.text == " " && !self.looks.is_empty()
    }

    /// Whether tmux told nothing of it.
    pub fn is_untold(&self) -> bool {
        self.untold
    }

    /// A cell of the model.
    pub fn of_view(cell: ViewCell) -> Self {
        let mut pen = Pen::default();
        pen.sgr(&cell.style.sgr());
        pen.cell(cell.text)
    }
}

/// The pen while a capture is read. Colours are the parameters that set them.
#[derive(Debug, Clone, Default)]
struct Pen {
    attributes: Vec<u16>,
    underline: u16,
    colors: [Option<String>; 3],
}

impl Pen {
    fn cell(&self, text: String) -> Cell {
        let mut looks: Vec<String> = self.attributes.iter().map(u16::to_string).collect();
        looks.sort();
        if self.underline > 0 {
            looks.push(format!("4:{}", self.underline));
        }
        for (name, color) in ["foreground", "background", "underline"]
            .iter()
            .zip(&self.colors)
        {
            looks.extend(color.iter().map(|color| format!("{name} {color}")));
        }
        Cell {
            text,
            looks,
            untold: false,
        }
    }

    /// Applies the parameters of one SGR sequence.
    fn sgr(&mut self, params: &str) {
        let params = params.replace("::", ":").replace(':', ";:");
        let numbers: Vec<(bool, u16)> = params
            .split(';')
            .map(|part| {
                (
                    part.starts_with(':'),
                    part.trim_start_matches(':').parse().unwrap_or(0),
                )
            })
            .collect();
        let mut index = 0;
        while index < numbers.len() {
            let code = numbers[index].1;
            index += 1;
            let joined = numbers.get(index).is_some_and(|number| number.0);
            let mut next = || {
                index += 1;
                numbers.get(index - 1).map_or(0, |number| number.1)
            };
            match code {
                0 => *self = Self::default(),
                38 | 48 | 58 => {
                    let place = usize::from((code - 38) / 10);
                    self.colors[place] = Some(match next() {
                        5 => next().to_string(),
                        _ => format!("{},{},{}", next(), next(), next()),
                    });
                }
                4 if joined => {
                    self.underline = next();
                }
                4 => self.underline = 1,
                21 => self.underline = 2,
                24 => self.underline = 0,
                22 => self.attributes.retain(|set| *set > 2),
                23 | 27..=29 => self.attributes.retain(|set| *set != code - 20),
                25 => self.attributes.retain(|set| ![5, 6].contains(set)),
                55 => self.attributes.retain(|set| *set != 53),
                39 | 49 | 59 => self.colors[usize::from((code - 39) / 10)] = None,
                30..=37 | 40..=47 => {
                    self.colors[usize::from(code / 10 - 3)] = Some((code % 10).to_string());
                }
                90..=97 | 100..=107 => {
                    self.colors[usize::from(code / 10 - 9)] = Some((code % 10 + 8).to_string());
                }
                _ if !self.attributes.contains(&code) => self.attributes.push(code),
                _ => {}
            }
        }
    }
}

/// The cells of a capture. The pen goes on from line to line.
pub fn cells(capture: &str, size: Size) -> Vec<Vec<Cell>> {
    let (cols, rows) = (usize::from(size.cols), usize::from(size.rows));
    let mut pen = Pen::default();
    let mut lines = capture.split('\n');
    (0..rows)
        .map(|_| line(lines.next().unwrap_or(""), cols, &mut pen))
        .collect()
}

fn line(line: &str, cols: usize, pen: &mut Pen) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::new();
    let (mut rest, mut graphics) = (line, false);
    while let Some(char) = rest.chars().next() {
        rest = &rest[char.len_utf8()..];
        match char {
            '\x1b' => {
                let end = rest.find('m').expect("only SGR is expected of tmux");
                pen.sgr(rest[..end].trim_start_matches('['));
                rest = &rest[end + 1..];
            }
            '\x0e' => graphics = true,
            '\x0f' => graphics = false,
            _ if char.width() == Some(0) => {
                if let Some(cell) = cells.iter_mut().rfind(|cell| !cell.text.is_empty()) {
                    cell.text.push(char);
                }
            }
            _ => {
                let shown = if graphics { line_drawing(char) } else { char };
                cells.push(pen.cell(shown.to_string()));
                if char.width() == Some(2) {
                    cells.push(pen.cell(String::new()));
                }
            }
        }
    }
    let untold = Cell {
        text: " ".into(),
        untold: true,
        ..Cell::default()
    };
    cells.resize(cols, untold);
    cells
}

/// The characters of VT100's special graphics that the recordings use.
fn line_drawing(char: char) -> char {
    let letters = "jklmnqtuvwx";
    let lines = "┘┐┌└┼─├┤┴┬│";
    let place = letters.chars().position(|letter| letter == char);
    place
        .and_then(|place| lines.chars().nth(place))
        .unwrap_or(char)
}
