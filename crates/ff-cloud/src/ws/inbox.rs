//! Bytes that have come and not gone on yet. The room for them is lent while there are any.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// Bytes that one way may hold.
pub const ROOM: usize = 64 << 10;
/// Rooms kept for the next one that needs one.
const KEPT: usize = 64;
/// Fewer bytes than this need no room while they wait.
const LITTLE: usize = 4 << 10;

/// Rooms that are not lent now. Clones share them.
#[derive(Clone, Default)]
pub struct Rooms(Arc<Mutex<Vec<Box<[u8]>>>>);

impl Rooms {
    fn take(&self) -> Box<[u8]> {
        let kept = self.lock().pop();
        kept.unwrap_or_else(|| vec![0; ROOM].into_boxed_slice())
    }

    fn give_back(&self, room: Box<[u8]>) {
        let mut kept = self.lock();
        if kept.len() < KEPT && room.len() == ROOM {
            kept.push(room);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Box<[u8]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rooms({})", self.lock().len())
    }
}

/// In this order: bytes that may go on, a gap where control frames were, bytes nobody has looked
/// at.
#[derive(Debug)]
pub struct Inbox {
    rooms: Rooms,
    /// A room; or a little box for what waits without one.
    bytes: Box<[u8]>,
    /// Of what may go on.
    begin: usize,
    ready: usize,
    /// Of what nobody has looked at.
    new: usize,
    end: usize,
}

impl Inbox {
    /// Holds what came early.
    pub fn new(rooms: Rooms, early: &[u8]) -> Self {
        Self {
            rooms,
            bytes: early.into(),
            begin: 0,
            ready: 0,
            new: 0,
            end: early.len(),
        }
    }

    /// What may go on.
    pub fn ready(&self) -> &[u8] {
        &self.bytes[self.begin..self.ready]
    }

    /// What nobody has looked at.
    pub fn unseen(&self) -> &[u8] {
        &self.bytes[self.new..self.end]
    }

    /// Lets the next bytes go on.
    pub fn pass(&mut self, count: usize) {
        if self.ready != self.new {
            self.bytes
                .copy_within(self.new..self.new + count, self.ready);
        }
        self.ready += count;
        self.new += count;
    }

    /// Takes the next bytes out.
    pub fn leave_out(&mut self, count: usize) {
        self.new += count;
    }

    /// Some of what may go on has gone.
    pub fn gone(&mut self, count: usize) {
        self.begin += count;
    }

    /// Whether there is no place for more.
    pub fn is_full(&self) -> bool {
        self.ready - self.begin + self.end - self.new >= ROOM
    }

    /// Reads more; 0 at the end of what comes. When there is nothing to read, the room is given
    /// back if it holds little.
    ///
    /// # Errors
    /// Reading failed.
    pub fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
    ) -> Poll<io::Result<usize>> {
        self.make_room();
        let mut buffer = ReadBuf::new(&mut self.bytes[self.end..]);
        let read = Pin::new(from).poll_read(cx, &mut buffer);
        let count = buffer.filled().len();
        if read.is_pending() {
            self.rest();
        }
        ready!(read)?;
        self.end += count;
        Poll::Ready(Ok(count))
    }

    /// Moves what there is to the front of a room.
    fn make_room(&mut self) {
        let (passed, unseen) = (self.ready - self.begin, self.end - self.new);
        let lent = self.bytes.len() == ROOM;
        if lent && self.begin == 0 && self.ready == self.new {
            return;
        }
        if lent {
            self.bytes.copy_within(self.begin..self.ready, 0);
            self.bytes.copy_within(self.new..self.end, passed);
        } else {
            let mut room = self.rooms.take();
            room[..passed].copy_from_slice(self.ready());
            room[passed..passed + unseen].copy_from_slice(self.unseen());
            self.bytes = room;
        }
        (self.begin, self.ready, self.new) = (0, passed, passed);
        self.end = passed + unseen;
    }

    /// Gives the room back if what is there fits in a little box.
    pub fn rest(&mut self) {
        let (passed, unseen) = (self.ready - self.begin, self.end - self.new);
        if self.bytes.len() != ROOM || passed + unseen > LITTLE {
            return;
        }
        let little: Box<[u8]> = [self.ready(), self.unseen()].concat().into();
        let room = std::mem::replace(&mut self.bytes, little);
        self.rooms.give_back(room);
        (self.begin, self.ready, self.new) = (0, passed, passed);
        self.end = passed + unseen;
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let room = std::mem::take(&mut self.bytes);
        self.rooms.give_back(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(inbox: &mut Inbox, mut from: &[u8]) -> Poll<io::Result<usize>> {
        inbox.poll_fill(
            &mut Context::from_waker(std::task::Waker::noop()),
            &mut from,
        )
    }

    /// Reads as nothing to read.
    struct Silence;

    impl AsyncRead for Silence {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    fn wait(inbox: &mut Inbox) {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(inbox.poll_fill(&mut cx, &mut Silence).is_pending());
    }

    #[test]
    fn what_is_left_out_leaves_no_trace() {
        let mut inbox = Inbox::new(Rooms::default(), b"ab");
        assert!(matches!(fill(&mut inbox, b"cPdefQQgh"), Poll::Ready(Ok(9))));
        assert_eq!(inbox.unseen(), b"abcPdefQQgh");
        inbox.pass(3);
        inbox.leave_out(1);
        inbox.pass(2);
        assert_eq!(
            (inbox.ready(), inbox.unseen()),
            (&b"abcde"[..], &b"fQQgh"[..])
        );
        inbox.gone(2);
        inbox.pass(1);
        inbox.leave_out(2);
        wait(&mut inbox);
        assert_eq!((inbox.ready(), inbox.unseen()), (&b"cdef"[..], &b"gh"[..]));
        inbox.pass(2);
        assert!(matches!(fill(&mut inbox, b"ij"), Poll::Ready(Ok(2))));
        assert_eq!(
            (inbox.ready(), inbox.unseen()),
            (&b"cdefgh"[..], &b"ij"[..])
        );
    }

    #[test]
    fn a_room_is_lent_only_while_it_holds_much() {
        let rooms = Rooms::default();
        let mut inbox = Inbox::new(rooms.clone(), b"");
        let much = vec![7; ROOM + 1];
        assert!(matches!(fill(&mut inbox, &much), Poll::Ready(Ok(ROOM))));
        assert!(inbox.is_full());
        inbox.pass(ROOM - LITTLE);
        inbox.gone(ROOM - LITTLE - 1);
        assert!(!inbox.is_full());
        wait(&mut inbox);
        assert_eq!((inbox.bytes.len(), rooms.lock().len()), (ROOM, 0));
        inbox.gone(1);
        wait(&mut inbox);
        assert_eq!((inbox.bytes.len(), rooms.lock().len()), (LITTLE, 1));
        assert_eq!(inbox.unseen(), &much[..LITTLE]);
        inbox.leave_out(LITTLE);
        wait(&mut inbox);
        assert_eq!((inbox.bytes.len(), rooms.lock().len()), (0, 1));
        let other = Inbox::new(rooms.clone(), &[0; ROOM]);
        drop((inbox, other));
        assert_eq!(rooms.lock().len(), 2);
    }
}
