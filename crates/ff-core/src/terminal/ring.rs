//! The numbered output of a terminal, as much as is kept of it.

use std::collections::VecDeque;

/// What a ring gives from an offset.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes from that offset on.
    Bytes(Vec<u8>),
    /// That offset is no longer kept; this is the oldest one that is.
    Gone(u64),
    /// There is nothing yet.
    Nothing,
}

/// The last bytes of a stream, each with its number from the start.
#[derive(Debug)]
pub(super) struct Ring {
    bytes: VecDeque<u8>,
    start: u64,
    capacity: usize,
}

impl Ring {
    /// An empty ring that keeps at most `capacity` bytes.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            start: 0,
            capacity,
        }
    }

    /// Offset of the oldest byte kept.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Offset after the newest byte.
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Appends, and forgets the oldest bytes beyond the capacity.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let over = self.bytes.len().saturating_sub(self.capacity);
        self.bytes.drain(..over);
        self.start += over as u64;
    }

    /// At most `most` bytes from `offset` on.
    pub(super) fn read(&self, offset: u64, most: usize) -> Piece {
        if offset < self.start {
            return Piece::Gone(self.start);
        }
        let skip = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        if skip >= self.bytes.len() {
            return Piece::Nothing;
        }
        let end = self.bytes.len().min(skip.saturating_add(most));
        Piece::Bytes(self.bytes.range(skip..end).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Piece {
        Piece::Bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn every_byte_keeps_its_number() {
        let mut ring = Ring::new(8);
        ring.push(b"abcde");
        assert_eq!(ring.read(0, 100), bytes("abcde"));
        assert_eq!(ring.read(3, 1), bytes("d"));
        ring.push(b"fghij");
        assert_eq!((ring.start(), ring.end()), (2, 10));
        assert_eq!(ring.read(2, 100), bytes("cdefghij"));
        assert_eq!(ring.read(9, 100), bytes("j"));
        assert_eq!(ring.read(10, 100), Piece::Nothing);
        assert_eq!(ring.read(u64::MAX, 1), Piece::Nothing);
    }

    #[test]
    fn what_is_gone_is_named() {
        let mut ring = Ring::new(4);
        ring.push(b"0123456789");
        assert_eq!(ring.read(0, 10), Piece::Gone(6));
        assert_eq!(ring.read(5, 10), Piece::Gone(6));
        assert_eq!(ring.read(6, 10), bytes("6789"));
    }

    #[test]
    fn reading_in_pieces_gives_what_was_pushed() {
        let mut ring = Ring::new(1 << 20);
        let pushed: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
        pushed.chunks(4095).for_each(|chunk| ring.push(chunk));
        let mut read = Vec::new();
        while let Piece::Bytes(piece) = ring.read(read.len() as u64, 1000) {
            read.extend(piece);
        }
        assert_eq!(read, pushed);
    }
}
