//! Where the frames of a WebSocket begin and end (RFC 6455, 5.2), told from their headers. Pure.

use super::control::{Control, LARGEST_CONTROL};

/// What a message consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Text.
    Text,
    /// Bytes.
    Binary,
}

/// Who sends the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A client, which masks.
    Client,
    /// A server, which does not.
    Server,
}

/// How a sender broke the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// What it sends are no frames; why.
    Malformed(&'static str),
    /// A message is too large.
    TooLarge,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Not enough to say.
    More,
    /// So many bytes of a message: all that is there of one frame.
    Data {
        /// How many.
        bytes: usize,
        /// Of which message.
        content: Content,
    },
    /// A control frame of so many bytes.
    Control {
        /// How many.
        bytes: usize,
        /// What it says.
        control: Control,
    },
}

/// Follows what one side sends.
#[derive(Debug)]
pub struct Follower {
    sender: Sender,
    /// Largest message, in bytes.
    most: u64,
    /// What is left of the frame under way.
    left: u64,
    /// The message under way: what it consists of, and its length so far.
    message: Option<(Content, u64)>,
    /// Whether the frame under way ends its message.
    last: bool,
}

/// What the first two bytes say, and the length that they or those behind them do.
struct Header {
    opcode: u8,
    last: bool,
    bytes: usize,
    payload: u64,
}

impl Follower {
    /// Nothing has come yet. Messages have at most `most` bytes.
    pub fn new(sender: Sender, most: usize) -> Self {
        Self {
            sender,
            most: most as u64,
            left: 0,
            message: None,
            last: true,
        }
    }

    /// Whether a frame of another may be placed here.
    pub fn is_between_frames(&self) -> bool {
        self.left == 0
    }

    /// Takes a step into `input`, which begins where the last step ended.
    ///
    /// # Errors
    /// The sender broke the rules; there is no next step.
    pub fn step(&mut self, input: &[u8]) -> Result<Step, Violation> {
        if self.left > 0 {
            return Ok(self.advance(0, input.len()));
        }
        let Some(header) = self.header(input)? else {
            return Ok(Step::More);
        };
        if header.opcode >= 8 {
            return self.control(&header, input);
        }
        let so_far = match (header.opcode, self.message) {
            (0, Some((content, length))) => (content, length),
            (0, None) => return Err(Violation::Malformed("it continues no message")),
            (_, Some(_)) => return Err(Violation::Malformed("a message within another")),
            (1, None) => (Content::Text, 0),
            (_, None) => (Content::Binary, 0),
        };
        let length = so_far.1.saturating_add(header.payload);
        if length > self.most {
            return Err(Violation::TooLarge);
        }
        self.message = Some((so_far.0, length));
        self.last = header.last;
        self.left = header.payload;
        Ok(self.advance(header.bytes, input.len()))
    }

    /// Goes on in the payload, behind so many bytes of header.
    fn advance(&mut self, header: usize, there: usize) -> Step {
        let there = there - header;
        let payload = usize::try_from(self.left).map_or(there, |left| left.min(there));
        self.left -= payload as u64;
        let content = self.message.map_or(Content::Binary, |(content, _)| content);
        if self.left == 0 && self.last {
            self.message = None;
        }
        Step::Data {
            bytes: header + payload,
            content,
        }
    }

    /// Reads a header; breaches show as soon as they can be seen.
    fn header(&self, input: &[u8]) -> Result<Option<Header>, Violation> {
        let &[first, second, ref rest @ ..] = input else {
            return Ok(None);
        };
        let (last, opcode) = (first & 0x80 != 0, first & 0x0f);
        let masked = second & 0x80 != 0;
        if first & 0x70 != 0 {
            return Err(Violation::Malformed("a reserved bit is set"));
        }
        if !matches!(opcode, 0..=2 | 8..=10) {
            return Err(Violation::Malformed("an unknown opcode"));
        }
        if masked != (self.sender == Sender::Client) {
            return Err(Violation::Malformed("clients mask, and only they"));
        }
        let length = second & 0x7f;
        if opcode >= 8 && !(last && usize::from(length) <= LARGEST_CONTROL) {
            return Err(Violation::Malformed(
                "a control frame is large or in pieces",
            ));
        }
        let (wide, shortest) = match length {
            126 => (2, 126),
            127 => (8, 1 << 16),
            _ => (0, 0),
        };
        let Some(wide_length) = rest.get(..wide) else {
            return Ok(None);
        };
        let payload = match wide {
            0 => u64::from(length),
            _ => wide_length
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        if payload < shortest || payload >> 63 != 0 {
            return Err(Violation::Malformed(
                "a length in a form that is not its own",
            ));
        }
        let bytes = 2 + wide + if masked { 4 } else { 0 };
        Ok((input.len() >= bytes).then_some(Header {
            opcode,
            last,
            bytes,
            payload,
        }))
    }

    fn control(&self, header: &Header, input: &[u8]) -> Result<Step, Violation> {
        let bytes = header.bytes + usize::try_from(header.payload).unwrap_or(LARGEST_CONTROL);
        let Some(payload) = input.get(header.bytes..bytes) else {
            return Ok(Step::More);
        };
        let mask = match self.sender {
            Sender::Client => input.get(header.bytes - 4..header.bytes),
            Sender::Server => None,
        };
        let control = Control::read(header.opcode, payload, mask.unwrap_or(&[0; 4]))?;
        Ok(Step::Control { bytes, control })
    }
}

#[cfg(test)]
#[path = "follower_tests.rs"]
mod tests;
