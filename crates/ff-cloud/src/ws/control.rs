//! Control frames (RFC 6455, 5.5): each leg's own. They are answered here and passed on to nobody,
//! since a sleeping VM is neither to be written to nor waited for.

use ff_protocol::close;

use super::follower::{Sender, Violation};

/// Largest payload of a control frame, in bytes.
pub const LARGEST_CONTROL: usize = 125;
/// Longest reason of a close, in bytes.
const LONGEST_REASON: usize = LARGEST_CONTROL - 2;

const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Code and reason of a close, where they are given.
pub type Farewell = Option<(u16, String)>;

/// What a control frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Are you there?
    Ping(Payload),
    /// I am.
    Pong,
    /// The end.
    Close(Farewell),
}

impl Control {
    /// Reads one.
    ///
    /// # Errors
    /// A close that may not be sent like this.
    pub fn read(opcode: u8, payload: &[u8], mask: &[u8]) -> Result<Self, Violation> {
        match opcode {
            PING => Ok(Self::Ping(Payload::of(payload, mask))),
            PONG => Ok(Self::Pong),
            _ => read_close(Payload::of(payload, mask).bytes()).map(Self::Close),
        }
    }
}

fn read_close(payload: &[u8]) -> Result<Farewell, Violation> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        _ => return Err(Violation::Malformed("half a close code")),
    };
    // 7.4: those that are defined, and those left to libraries and applications.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::Malformed("a close code that is none"));
    }
    match std::str::from_utf8(reason) {
        Ok(reason) => Ok(Some((code, reason.to_owned()))),
        Err(_) => Err(Violation::Malformed("a reason that is no text")),
    }
}

/// Payload of a control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    bytes: [u8; LARGEST_CONTROL],
    length: u8,
}

impl Payload {
    fn of(bytes: &[u8], mask: &[u8]) -> Self {
        let mut payload = Self {
            bytes: [0; LARGEST_CONTROL],
            length: 0,
        };
        for (to, (byte, mask)) in payload
            .bytes
            .iter_mut()
            .zip(bytes.iter().zip(mask.iter().cycle()))
        {
            *to = byte ^ mask;
            payload.length += 1;
        }
        payload
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// What waits for its place between the frames of others. Of each kind there is at most one: a
/// newer pong is the better answer (5.5.3).
#[derive(Debug)]
pub struct Waiting {
    /// Who we are to the reader.
    sender: Sender,
    ping: bool,
    pong: Option<Box<Payload>>,
    close: Option<Box<Farewell>>,
}

impl Waiting {
    /// Nothing waits to be sent by this side.
    pub fn new(sender: Sender) -> Self {
        Self {
            sender,
            ping: false,
            pong: None,
            close: None,
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        !self.ping && self.pong.is_none() && self.close.is_none()
    }

    /// Whether what waits can wait longer: nobody is kept waiting by it.
    pub fn is_only_ping(&self) -> bool {
        self.ping && self.pong.is_none() && self.close.is_none()
    }

    /// Asks whether the reader is there.
    pub fn ping(&mut self) {
        self.ping = true;
    }

    /// Answers a ping.
    pub fn pong(&mut self, payload: Payload) {
        self.pong = Some(Box::new(payload));
    }

    /// Says goodbye. Nothing else is said any more.
    pub fn close(&mut self, farewell: Farewell) {
        *self = Self::new(self.sender);
        self.close = Some(Box::new(farewell));
    }

    /// All that waits, in frames; and whether that ends the conversation.
    pub fn take(&mut self) -> (Vec<u8>, bool) {
        let mut frames = Vec::new();
        if let Some(payload) = self.pong.take() {
            frame(&mut frames, self.sender, PONG, payload.bytes());
        }
        if std::mem::take(&mut self.ping) {
            frame(&mut frames, self.sender, PING, &[]);
        }
        let close = self.close.take();
        if let Some(farewell) = &close {
            let payload = farewell
                .as_ref()
                .as_ref()
                .map_or_else(Vec::new, close_payload);
            frame(&mut frames, self.sender, CLOSE, &payload);
        }
        (frames, close.is_some())
    }
}

fn close_payload((code, reason): &(u16, String)) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..reason.floor_char_boundary(LONGEST_REASON)]);
    payload
}

/// Masks hide what a web page says from the caches it passes (10.3). What we say ourselves is
/// nothing that a page could choose, but for an answer to a ping.
fn frame(frames: &mut Vec<u8>, sender: Sender, opcode: u8, payload: &[u8]) {
    let length = payload.len().min(LARGEST_CONTROL) as u8;
    let payload = &payload[..usize::from(length)];
    frames.push(0x80 | opcode);
    match sender {
        Sender::Server => {
            frames.push(length);
            frames.extend_from_slice(payload);
        }
        Sender::Client => {
            frames.push(0x80 | length);
            let mut mask = [0; 4];
            // Without random numbers it is still a frame.
            let _ = getrandom::fill(&mut mask);
            frames.extend_from_slice(&mask);
            let masked = payload.iter().zip(mask.iter().cycle());
            frames.extend(masked.map(|(byte, mask)| byte ^ mask));
        }
    }
}

/// A close with one of our own codes.
pub fn closing(code: u16, reason: &str) -> Farewell {
    debug_assert!(code >= close::DONE);
    Some((code, reason.to_owned()))
}
