//! Redraws, made for all viewers that need one at about the same time.
//!
//! Viewers that fall behind a flood of output would each ask for one redraw after the other, and
//! each is old when it has arrived. So one takes a fifth of the time at most.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::model::Redraw;

const SHORTEST: Duration = Duration::from_millis(50);
const SHARE: u32 = 4;

/// The screen as it was at an offset of the output.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    /// The offset.
    pub(super) offset: u64,
    /// What draws it: first the screen alone, then with the lines that have left it.
    pub(super) bytes: Bytes,
}

impl Picture {
    /// A redraw that was made at this offset.
    pub(super) fn new(offset: u64, redraw: Redraw) -> Self {
        let mut bytes = redraw.screen;
        bytes.extend(redraw.scrollback.unwrap_or_default());
        Self {
            offset,
            bytes: bytes.into(),
        }
    }
}

/// The last picture, and when there may be another.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    last: Option<Picture>,
    next: Option<Instant>,
}

impl Pictures {
    /// The last picture while it is recent and satisfies, else a new one.
    ///
    /// # Errors
    /// When there may be a new one.
    pub(super) fn get(
        &mut self,
        now: Instant,
        satisfies: impl FnOnce(&Picture) -> bool,
        draw: impl FnOnce() -> Picture,
    ) -> Result<Picture, Instant> {
        if let Some(next) = self.next.filter(|&next| now < next) {
            return self.last.clone().filter(satisfies).ok_or(next);
        }
        let begun = Instant::now();
        let picture = draw();
        let took = begun.elapsed();
        self.last = Some(picture.clone());
        self.next = Some(now + took + pause(took));
        Ok(picture)
    }

    /// Lets go of a picture that is not recent any more.
    pub(super) fn tidy(&mut self, now: Instant) {
        if self.next.is_some_and(|next| now >= next) {
            self.last = None;
        }
    }

    /// When there is a picture to let go of.
    pub(super) fn until(&self) -> Option<Instant> {
        self.next.filter(|_| self.last.is_some())
    }

    /// The screen changed though nothing was put out.
    pub(super) fn outdate(&mut self) {
        self.last = None;
    }
}

/// Time between two pictures of which the first took so long.
fn pause(took: Duration) -> Duration {
    (took * SHARE).max(SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(offset: u64) -> Picture {
        Picture {
            offset,
            bytes: Bytes::new(),
        }
    }

    /// Longer than a picture takes that is made of nothing.
    const LATER: Duration = Duration::from_secs(10);

    fn get(pictures: &mut Pictures, now: Instant, least: u64, next: u64) -> Result<u64, Instant> {
        let got = pictures.get(now, |last| last.offset >= least, || picture(next));
        got.map(|picture| picture.offset)
    }

    #[test]
    fn one_is_shared_while_it_satisfies_and_not_made_too_often() {
        let (mut pictures, now) = (Pictures::default(), Instant::now());
        assert_eq!(get(&mut pictures, now, 0, 5), Ok(5));
        assert_eq!(get(&mut pictures, now, 5, 9), Ok(5));
        let until = get(&mut pictures, now, 6, 9).unwrap_err();
        assert!(until - now >= SHORTEST);
        pictures.tidy(now);
        assert_eq!(pictures.until(), Some(until));
        assert_eq!(get(&mut pictures, until, 6, 9), Ok(9));
        pictures.tidy(now + LATER);
        assert_eq!(pictures.until(), None);
    }

    #[test]
    fn an_outdated_one_is_not_shared() {
        let (mut pictures, now) = (Pictures::default(), Instant::now());
        assert_eq!(get(&mut pictures, now, 0, 1), Ok(1));
        pictures.outdate();
        assert!(get(&mut pictures, now, 0, 1).is_err());
        assert_eq!(get(&mut pictures, now + LATER, 0, 1), Ok(1));
    }

    #[test]
    fn drawing_takes_a_fifth_of_the_time_at_most() {
        assert_eq!(pause(Duration::from_millis(1)), SHORTEST);
        assert_eq!(pause(Duration::from_millis(30)), Duration::from_millis(120));
    }
}
