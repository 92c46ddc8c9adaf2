//! Input by viewer: every byte reaches the program once, however often it is sent.

use std::collections::VecDeque;

use bytes::Bytes;
use ff_protocol::{ErrorCode, TerminalId};

use super::viewers;
use crate::error::{Error, Result};

/// Viewers whose input offsets are remembered: more than may be attached.
const REMEMBERED: usize = viewers::MOST + 56;

#[derive(Debug)]
struct Stream {
    viewer: TerminalId,
    taken: u64,
    written: u64,
}

/// How far each viewer's input has come. The viewer that was quiet longest is forgotten first.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    streams: VecDeque<Stream>,
}

impl Inputs {
    /// Offset after the last byte taken from a viewer; zero for an unknown one.
    pub(super) fn taken(&self, viewer: &TerminalId) -> u64 {
        self.find(viewer).map_or(0, |stream| stream.taken)
    }

    /// Offset after the last byte of a viewer that the program's terminal holds.
    pub(super) fn written(&self, viewer: &TerminalId) -> u64 {
        self.find(viewer).map_or(0, |stream| stream.written)
    }

    /// Takes input at an offset; gives the part that is new.
    ///
    /// # Errors
    /// `invalid` when bytes before it are missing.
    pub(super) fn take(
        &mut self,
        viewer: &TerminalId,
        offset: u64,
        bytes: impl Into<Bytes>,
    ) -> Result<Bytes> {
        let mut bytes = bytes.into();
        let mut stream = self.forget(viewer);
        let taken = stream.taken;
        let fresh = match taken.checked_sub(offset) {
            Some(known) => {
                let known = usize::try_from(known)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                bytes.split_off(known)
            }
            None => Bytes::new(),
        };
        stream.taken += fresh.len() as u64;
        self.streams.push_back(stream);
        if offset > taken {
            let detail = format!("input at {offset} came before the input at {taken}");
            return Err(Error::refused(ErrorCode::Invalid, detail));
        }
        Ok(fresh)
    }

    /// Notes that bytes of a viewer were written.
    pub(super) fn wrote(&mut self, viewer: &TerminalId, count: usize) {
        if let Some(stream) = self
            .streams
            .iter_mut()
            .find(|stream| stream.viewer == *viewer)
        {
            stream.written += count as u64;
        }
    }

    fn find(&self, viewer: &TerminalId) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.viewer == *viewer)
    }

    fn forget(&mut self, viewer: &TerminalId) -> Stream {
        let place = self
            .streams
            .iter()
            .position(|stream| stream.viewer == *viewer);
        if let Some(stream) = place.and_then(|place| self.streams.remove(place)) {
            return stream;
        }
        if self.streams.len() >= REMEMBERED {
            self.streams.pop_front();
        }
        Stream {
            viewer: viewer.clone(),
            taken: 0,
            written: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_taken_once() {
        let (mut inputs, viewer) = (Inputs::default(), TerminalId::generate());
        assert_eq!(inputs.take(&viewer, 0, &b"abc"[..]).unwrap(), "abc");
        assert_eq!(inputs.take(&viewer, 0, &b"abc"[..]).unwrap(), "");
        assert_eq!(inputs.take(&viewer, 1, &b"bcde"[..]).unwrap(), "de");
        assert_eq!(inputs.taken(&viewer), 5);
        assert_eq!(inputs.written(&viewer), 0);
        inputs.wrote(&viewer, 3);
        assert_eq!(inputs.written(&viewer), 3);
    }

    #[test]
    fn missing_input_is_refused_and_changes_nothing() {
        let (mut inputs, viewer) = (Inputs::default(), TerminalId::generate());
        inputs.take(&viewer, 0, &b"ab"[..]).unwrap();
        assert_eq!(
            inputs.take(&viewer, 3, &b"x"[..]).unwrap_err().code(),
            ErrorCode::Invalid
        );
        assert_eq!(
            inputs
                .take(&viewer, u64::MAX, &b"x"[..])
                .unwrap_err()
                .code(),
            ErrorCode::Invalid
        );
        assert_eq!(inputs.take(&viewer, 2, &b"c"[..]).unwrap(), "c");
    }

    #[test]
    fn viewers_are_apart_and_only_the_recent_ones_remembered() {
        let mut inputs = Inputs::default();
        let (old, busy) = (TerminalId::generate(), TerminalId::generate());
        inputs.take(&old, 0, &b"1234"[..]).unwrap();
        inputs.take(&busy, 0, &b"x"[..]).unwrap();
        for _ in 0..REMEMBERED - 1 {
            inputs.take(&TerminalId::generate(), 0, &b"y"[..]).unwrap();
            inputs.take(&busy, 0, &b"x"[..]).unwrap();
        }
        assert_eq!((inputs.taken(&old), inputs.taken(&busy)), (0, 1));
        assert_eq!(inputs.streams.len(), REMEMBERED);
    }
}
