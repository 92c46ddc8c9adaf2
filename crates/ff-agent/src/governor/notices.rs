//! What the user should know of.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ff_core::clock;
use ff_protocol::agent::{Notice, NoticeKind};

/// Most notices kept.
const KEPT: usize = 16;
/// The same about the same program is not said again for this long.
const QUIET: Duration = Duration::from_secs(10);

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct News {
    pub(super) kind: NoticeKind,
    /// The program it is about, if known.
    pub(super) name: Option<String>,
    pub(super) text: String,
}

/// The latest notices.
#[derive(Debug, Default)]
pub(super) struct Notices(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    kept: VecDeque<Notice>,
    said: VecDeque<(Instant, NoticeKind, Option<String>)>,
}

impl Notices {
    /// Newest last.
    pub(super) fn all(&self) -> Vec<Notice> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.kept.iter().cloned().collect()
    }

    pub(super) fn tell(&self, news: News, now: Instant) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner
            .said
            .retain(|(at, ..)| now.saturating_duration_since(*at) < QUIET);
        let same = |(_, kind, name): &(Instant, NoticeKind, Option<String>)| {
            *kind == news.kind && *name == news.name
        };
        if inner.said.iter().any(same) {
            return;
        }
        inner.said.push_back((now, news.kind, news.name));
        inner.kept.push_back(Notice {
            kind: news.kind,
            at: clock::now(),
            text: news.text,
        });
        while inner.kept.len() > KEPT {
            inner.kept.pop_front();
        }
        while inner.said.len() > KEPT {
            inner.said.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(name: &str) -> News {
        News {
            kind: NoticeKind::OutOfMemory,
            name: Some(name.to_owned()),
            text: format!("`{name}` was killed"),
        }
    }

    #[test]
    fn the_same_is_said_once_in_a_while() {
        let (notices, start) = (Notices::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        notices.tell(news("node"), start);
        notices.tell(news("node"), after(9));
        notices.tell(news("perl"), after(9));
        assert_eq!(notices.all().len(), 2);
        notices.tell(news("node"), after(11));
        let texts: Vec<String> = notices.all().into_iter().map(|it| it.text).collect();
        assert_eq!(
            texts,
            [
                "`node` was killed",
                "`perl` was killed",
                "`node` was killed"
            ]
        );
    }

    #[test]
    fn the_oldest_go() {
        let notices = Notices::default();
        for number in 0..100 {
            notices.tell(news(&format!("n{number}")), Instant::now());
        }
        let all = notices.all();
        assert_eq!(all.len(), KEPT);
        assert_eq!(all[KEPT - 1].text, "`n99` was killed");
    }
}
