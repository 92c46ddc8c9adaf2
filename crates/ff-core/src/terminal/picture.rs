//! Redraws, made for all viewers that need one at about the same time.
//!
//! Viewers that fall behind a flood of output would each ask for one redraw after the other, and
//! each is old when it has arrived. So one takes a fifth of the time at most.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

const SHORTEST: Duration = Duration::from_millis(50);
const SHARE: u32 = 4;

/// The screen as it was at an offset of the output.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    /// The offset.
    pub(super) offset: u64,
    /// What draws it.
    pub(super) bytes: Bytes,
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
        satisfies: impl FnOnce(&Picture) -> bool,
        draw: impl FnOnce() -> Picture,
    ) -> Result<Picture, Instant> {
        let begun = Instant::now();
        if let Some(next) = self.next.filter(|&next| begun < next) {
            return self.last.clone().filter(satisfies).ok_or(next);
        }
        let picture = draw();
        let now = Instant::now();
        self.last = Some(picture.clone());
        self.next = Some(now + pause(now - begun));
        Ok(picture)
    }

    /// Lets go of a picture that is not recent any more.
    pub(super) fn tidy(&mut self) {
        if self.last.is_some() && self.next.is_some_and(|next| Instant::now() >= next) {
            self.last = None;
        }
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

    #[tokio::test(start_paused = true)]
    async fn one_is_shared_while_it_satisfies_and_not_made_too_often() {
        let mut pictures = Pictures::default();
        let get = |pictures: &mut Pictures, least: u64, next: u64| {
            let got = pictures.get(|last| last.offset >= least, || picture(next));
            got.map(|picture| picture.offset)
        };
        assert_eq!(get(&mut pictures, 0, 5), Ok(5));
        assert_eq!(get(&mut pictures, 5, 9), Ok(5));
        let until = get(&mut pictures, 6, 9).unwrap_err();
        assert_eq!(until - Instant::now(), SHORTEST);
        tokio::time::advance(SHORTEST).await;
        assert_eq!(get(&mut pictures, 6, 9), Ok(9));
        pictures.tidy();
        assert!(pictures.last.is_some());
        tokio::time::advance(SHORTEST).await;
        pictures.tidy();
        assert!(pictures.last.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_outdated_one_is_not_shared() {
        let mut pictures = Pictures::default();
        pictures.get(|_| true, || picture(1)).unwrap();
        pictures.outdate();
        assert!(pictures.get(|_| true, || picture(1)).is_err());
    }

    #[test]
    fn drawing_takes_a_fifth_of_the_time_at_most() {
        assert_eq!(pause(Duration::from_millis(1)), SHORTEST);
        assert_eq!(pause(Duration::from_millis(30)), Duration::from_millis(120));
    }
}
