//! The numbered output of a terminal, as much as is kept of it.

use std::collections::VecDeque;

/// What a ring gives from an offset.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'r> {
    /// Bytes from that offset on, in two parts.
    Bytes(&'r [u8], &'r [u8]),
    /// That offset is no longer kept.
    Gone,
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

    /// Offset after the newest byte.
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Whether everything from this offset on is kept.
    pub(super) fn keeps(&self, offset: u64) -> bool {
        (self.start..=self.end()).contains(&offset)
    }

    /// Appends, and forgets the oldest bytes beyond the capacity.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let end = self.end() + bytes.len() as u64;
        let kept = &bytes[bytes.len().saturating_sub(self.capacity)..];
        let over = (self.bytes.len() + kept.len()).saturating_sub(self.capacity);
        // Before it grows, so that it never takes more than its capacity.
        self.bytes.drain(..over);
        self.bytes.extend(kept);
        self.start = end - self.bytes.len() as u64;
    }

    /// At most `most` bytes from `offset` on.
    pub(super) fn read(&self, offset: u64, most: usize) -> Piece<'_> {
        let Some(skip) = offset.checked_sub(self.start) else {
            return Piece::Gone;
        };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        if skip >= self.bytes.len() {
            return Piece::Nothing;
        }
        let (first, second) = self.bytes.as_slices();
        let cut = |part: &'_ [u8], from: usize, most: usize| {
            let from = from.min(part.len());
            from..part.len().min(from.saturating_add(most))
        };
        let in_first = cut(first, skip, most);
        let left = most - in_first.len();
        let in_second = cut(second, skip.saturating_sub(first.len()), left);
        Piece::Bytes(&first[in_first], &second[in_second])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(ring: &Ring, offset: u64, most: usize) -> Option<Vec<u8>> {
        match ring.read(offset, most) {
            Piece::Bytes(first, second) => Some([first, second].concat()),
            Piece::Nothing => Some(Vec::new()),
            Piece::Gone => None,
        }
    }

    #[test]
    fn every_byte_keeps_its_number() {
        let mut ring = Ring::new(8);
        ring.push(b"abcde");
        assert_eq!(read(&ring, 0, 100).unwrap(), b"abcde");
        assert_eq!(read(&ring, 3, 1).unwrap(), b"d");
        ring.push(b"fghij");
        assert_eq!(
            (ring.keeps(1), ring.keeps(2), ring.end()),
            (false, true, 10)
        );
        assert_eq!(read(&ring, 2, 100).unwrap(), b"cdefghij");
        assert_eq!(read(&ring, 9, 100).unwrap(), b"j");
        assert_eq!(ring.read(10, 100), Piece::Nothing);
        assert_eq!(ring.read(u64::MAX, 1), Piece::Nothing);
        assert!(ring.keeps(10) && !ring.keeps(11));
    }

    #[test]
    fn more_than_it_holds_at_once_leaves_the_end() {
        let mut ring = Ring::new(4);
        ring.push(b"0123456789");
        assert_eq!(ring.read(5, 10), Piece::Gone);
        assert_eq!(read(&ring, 6, 10).unwrap(), b"6789");
    }

    proptest! {
        #[test]
        fn it_is_the_end_of_all_that_was_pushed(
            pushes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..40),
            capacity in 1usize..64,
            most in 1usize..50,
        ) {
            let (mut ring, mut all) = (Ring::new(capacity), Vec::new());
            for push in pushes {
                ring.push(&push);
                all.extend(push);
                let first = all.len().saturating_sub(capacity);
                prop_assert_eq!(ring.end(), all.len() as u64);
                for offset in 0..=all.len() {
                    let wanted = (offset >= first).then(|| all[offset..all.len().min(offset + most)].to_vec());
                    prop_assert_eq!(ring.keeps(offset as u64), wanted.is_some());
                    prop_assert_eq!(read(&ring, offset as u64, most), wanted);
                }
            }
        }
    }
}
