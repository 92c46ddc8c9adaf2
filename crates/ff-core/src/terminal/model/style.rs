//! What a cell looks like, and the sequences that make a pen look like it.

/// A colour: the terminal's own, one of the palette, or red, green and blue. One number, so that
/// cells compare fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Color(u32);

const INDEXED: u8 = 1;
const RGB: u8 = 2;

impl Color {
    /// The terminal's own.
    pub const DEFAULT: Self = Self(0);

    /// A colour of the palette.
    pub const fn indexed(index: u8) -> Self {
        Self(u32::from_be_bytes([INDEXED, 0, 0, index]))
    }

    /// Red, green and blue.
    pub const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self(u32::from_be_bytes([RGB, red, green, blue]))
    }
}

pub(super) const BOLD: u16 = 1;
pub(super) const DIM: u16 = 1 << 1;
pub(super) const ITALIC: u16 = 1 << 2;
pub(super) const BLINK: u16 = 1 << 3;
pub(super) const RAPID: u16 = 1 << 4;
pub(super) const INVERSE: u16 = 1 << 5;
pub(super) const HIDDEN: u16 = 1 << 6;
pub(super) const STRIKE: u16 = 1 << 7;
pub(super) const OVERLINE: u16 = 1 << 8;

/// Attributes with the number that sets each.
const ATTRIBUTES: [(u16, u8); 9] = [
    (BOLD, 1),
    (DIM, 2),
    (ITALIC, 3),
    (BLINK, 5),
    (RAPID, 6),
    (INVERSE, 7),
    (HIDDEN, 8),
    (STRIKE, 9),
    (OVERLINE, 53),
];

/// The attributes of a cell or of the pen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Colour of the character.
    pub foreground: Color,
    /// Colour behind it.
    pub background: Color,
    /// Colour of its underline.
    pub underline_color: Color,
    /// Kind of underline, 0 (none) to 5 (dashed), as in `SGR 4:n`.
    pub underline: u8,
    pub(super) attributes: u16,
    /// Number of its hyperlink in the model's strings, 0 for none.
    pub(super) link: u32,
}

impl Style {
    /// No attributes, default colours.
    pub(super) const PLAIN: Self = Self {
        foreground: Color::DEFAULT,
        background: Color::DEFAULT,
        underline_color: Color::DEFAULT,
        underline: 0,
        attributes: 0,
        link: 0,
    };

    /// The `SGR` parameters that make a plain pen look like this.
    pub fn sgr(&self) -> String {
        let mut params = Vec::new();
        self.write_set(&mut params);
        String::from_utf8_lossy(&params)
            .trim_end_matches(';')
            .to_owned()
    }

    /// What erasing leaves: the background alone.
    pub(super) fn erased(self) -> Self {
        Self {
            background: self.background,
            ..Self::default()
        }
    }

    /// Applies `SGR` parameters (ECMA-48, 8.3.117; colours as in ITU T.416, underlines as kitty's).
    pub(super) fn apply(&mut self, params: &[Vec<u16>]) {
        let mut rest = params;
        while let Some((param, after)) = rest.split_first() {
            rest = after;
            let code = param.first().copied().unwrap_or(0);
            match code {
                38 | 48 | 58 => {
                    let color = match param.len() {
                        1 => separate_color(&mut rest),
                        _ => joined_color(&param[1..]),
                    };
                    let Some(color) = color else { continue };
                    match code {
                        38 => self.foreground = color,
                        48 => self.background = color,
                        _ => self.underline_color = color,
                    }
                }
                4 => self.underline = param.get(1).map_or(1, |&kind| kind.min(5) as u8),
                _ => self.apply_one(code),
            }
        }
    }

    fn apply_one(&mut self, code: u16) {
        let link = self.link;
        match code {
            0 => {
                *self = Self {
                    link,
                    ..Self::default()
                }
            }
            21 => self.underline = 2,
            22 => self.attributes &= !(BOLD | DIM),
            23 => self.attributes &= !ITALIC,
            24 => self.underline = 0,
            25 => self.attributes &= !(BLINK | RAPID),
            27 => self.attributes &= !INVERSE,
            28 => self.attributes &= !HIDDEN,
            29 => self.attributes &= !STRIKE,
            55 => self.attributes &= !OVERLINE,
            30..=37 => self.foreground = Color::indexed(code as u8 - 30),
            39 => self.foreground = Color::DEFAULT,
            40..=47 => self.background = Color::indexed(code as u8 - 40),
            49 => self.background = Color::DEFAULT,
            59 => self.underline_color = Color::DEFAULT,
            90..=97 => self.foreground = Color::indexed(code as u8 - 82),
            100..=107 => self.background = Color::indexed(code as u8 - 92),
            _ => {
                let known = ATTRIBUTES.iter().find(|(_, set)| u16::from(*set) == code);
                self.attributes |= known.map_or(0, |(attribute, _)| *attribute);
            }
        }
    }

    /// Writes the `SGR` that changes a pen of style `from` to this one; links apart.
    pub(super) fn write(&self, from: &Self, out: &mut Vec<u8>) {
        let (from, to) = (Self { link: 0, ..*from }, Self { link: 0, ..*self });
        if from == to {
            return;
        }
        out.extend_from_slice(b"\x1b[");
        let begin = out.len();
        // An empty parameter is 0: everything off.
        let separator = if from == Self::PLAIN {
            &b""[..]
        } else {
            &b";"[..]
        };
        if to != Self::PLAIN {
            out.extend_from_slice(separator);
            self.write_set(out);
        }
        if out.len() > begin && out.last() == Some(&b';') {
            out.pop();
        }
        out.push(b'm');
    }

    fn write_set(&self, out: &mut Vec<u8>) {
        for (attribute, set) in ATTRIBUTES {
            if self.attributes & attribute != 0 {
                number(out, set);
                out.push(b';');
            }
        }
        match self.underline {
            0 => {}
            1 => out.extend_from_slice(b"4;"),
            kind => {
                out.extend_from_slice(b"4:");
                number(out, kind);
                out.push(b';');
            }
        }
        color(out, self.foreground, Some(30), 38);
        color(out, self.background, Some(40), 48);
        color(out, self.underline_color, None, 58);
    }
}

/// `38;5;n` and `38;2;r;g;b`: the colour takes the parameters that follow.
fn separate_color(rest: &mut &[Vec<u16>]) -> Option<Color> {
    let value = |index: usize| Some(*rest.get(index)?.first()?);
    let (color, taken) = match value(0)? {
        5 => (Color::indexed(channel(value(1)?)?), 2),
        2 => {
            let (red, green, blue) = (value(1)?, value(2)?, value(3)?);
            (
                Color::rgb(channel(red)?, channel(green)?, channel(blue)?),
                4,
            )
        }
        _ => return None,
    };
    *rest = &rest[taken..];
    Some(color)
}

/// `38:5:n`, `38:2:r:g:b` and `38:2:space:r:g:b`.
fn joined_color(parts: &[u16]) -> Option<Color> {
    match *parts {
        [5, index, ..] => Some(Color::indexed(channel(index)?)),
        [2, red, green, blue] | [2, _, red, green, blue, ..] => {
            Some(Color::rgb(channel(red)?, channel(green)?, channel(blue)?))
        }
        _ => None,
    }
}

fn channel(value: u16) -> Option<u8> {
    u8::try_from(value).ok()
}

fn color(out: &mut Vec<u8>, color: Color, first_of_eight: Option<u8>, extended: u8) {
    match (color.0.to_be_bytes(), first_of_eight) {
        ([INDEXED, .., index @ 0..8], Some(first)) => number(out, first + index),
        ([INDEXED, .., index @ 8..16], Some(first)) => number(out, first + 60 + index - 8),
        ([INDEXED, .., index], Some(_)) => {
            number(out, extended);
            out.extend_from_slice(b";5;");
            number(out, index);
        }
        ([RGB, red, green, blue], Some(_)) => {
            number(out, extended);
            out.extend_from_slice(b";2;");
            number(out, red);
            out.push(b';');
            number(out, green);
            out.push(b';');
            number(out, blue);
        }
        // Terminals that know no underline colour ignore the colon form as a whole.
        ([INDEXED, .., index], None) => {
            out.extend_from_slice(b"58:5:");
            number(out, index);
        }
        ([RGB, red, green, blue], None) => {
            out.extend_from_slice(b"58:2::");
            number(out, red);
            out.push(b':');
            number(out, green);
            out.push(b':');
            number(out, blue);
        }
        _ => return,
    }
    out.push(b';');
}

fn number(out: &mut Vec<u8>, number: u8) {
    if number >= 100 {
        out.push(b'0' + number / 100);
    }
    if number >= 10 {
        out.push(b'0' + number / 10 % 10);
    }
    out.push(b'0' + number % 10);
}
