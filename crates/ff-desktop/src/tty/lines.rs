//! stdin line by line.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::input;

/// Longest line or message that is kept, in bytes: one more than a session takes, so that what is
/// longer is refused and not shortened.
const LONGEST: usize = (1 << 20) + 1;
/// Lines that come so soon after one another were pasted: nobody types so fast.
const PASTE: Duration = Duration::from_millis(40);

/// Lines that are counted though nobody takes them, and the wait for each piece of them.
pub const MOST_LEFT: usize = 1000;
const SOON: Duration = Duration::from_millis(100);

/// How lines become what is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// Each line is by itself.
    Never,
    /// A line that ends with a backslash goes on in the next, and lines that were pasted
    /// together belong together.
    AsTyped,
}

/// The lines of stdin.
#[derive(Debug, Default)]
pub struct Lines {
    whole: VecDeque<String>,
    rest: Vec<u8>,
    ended: bool,
    /// Lines of a message that may not be over.
    message: Option<String>,
    /// When it is over, if nothing more comes.
    over_at: Option<Instant>,
}

impl Lines {
    /// The next line or message, without its end; `None` at the end of stdin. Nothing is lost when
    /// this is not awaited to its end.
    pub async fn next(&mut self, joined: Joined) -> Option<String> {
        if joined == Joined::Never && self.message.is_none() {
            return self.line().await;
        }
        loop {
            let line = match self.over_at {
                None => self.line().await,
                Some(at) => match timeout_at(at, self.line()).await {
                    Ok(line) => line,
                    Err(_) => return self.finished(),
                },
            };
            let Some(line) = line else {
                return self.finished();
            };
            self.join(&line);
        }
    }

    /// How many lines are there that nobody has taken, as far as they have come: [`MOST_LEFT`] at most.
    pub async fn left(&mut self) -> usize {
        while !self.ended && self.whole.len() < MOST_LEFT {
            match timeout(SOON, input::next()).await {
                Ok(Some(piece)) => self.take(&piece),
                Ok(None) => self.end(),
                Err(_) => break,
            }
        }
        let said = self.whole.iter().filter(|line| !line.trim().is_empty());
        said.count().min(MOST_LEFT)
    }

    /// Takes one more line of a message.
    fn join(&mut self, line: &str) {
        let goes_on = line.strip_suffix('\\');
        let message = self.message.get_or_insert_default();
        if message.len() <= LONGEST {
            message.push_str(goes_on.unwrap_or(line));
            message.push('\n');
        }
        self.over_at = match goes_on {
            Some(_) => None,
            None => Some(Instant::now() + PASTE),
        };
    }

    fn finished(&mut self) -> Option<String> {
        self.over_at = None;
        let mut message = self.message.take()?;
        message.pop();
        Some(message)
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(line) = self.whole.pop_front() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            match input::next().await {
                Some(piece) => self.take(&piece),
                None => self.end(),
            }
        }
    }

    fn take(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let room = LONGEST.saturating_sub(self.rest.len());
            self.rest.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.push();
            }
        }
    }

    fn end(&mut self) {
        self.ended = true;
        if !self.rest.is_empty() {
            self.push();
        }
    }

    fn push(&mut self) {
        let line = std::mem::take(&mut self.rest);
        let text = String::from_utf8_lossy(&line);
        self.whole
            .push_back(text.trim_end_matches(['\n', '\r']).to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pieces: &[&str]) -> Lines {
        let mut lines = Lines::default();
        pieces.iter().for_each(|piece| lines.take(piece.as_bytes()));
        lines.end();
        lines
    }

    #[tokio::test]
    async fn lines_are_whole_however_they_come() {
        let mut lines = of(&["one\ntw", "o\r\n\nlast"]);
        for expected in ["one", "two", "", "last"] {
            assert_eq!(lines.next(Joined::Never).await.as_deref(), Some(expected));
        }
        assert_eq!(lines.next(Joined::Never).await, None);
    }

    #[tokio::test]
    async fn a_backslash_goes_on_and_a_paste_is_one_message() {
        let mut lines = of(&["first \\\n", "second\n", "third"]);
        let message = lines.next(Joined::AsTyped).await;
        assert_eq!(message.as_deref(), Some("first \nsecond\nthird"));
        assert_eq!(lines.next(Joined::AsTyped).await, None);
    }

    #[tokio::test]
    async fn what_nobody_took_is_counted() {
        let mut lines = of(&["one\ntwo\n\nthree"]);
        lines.next(Joined::Never).await;
        assert_eq!(lines.left().await, 2);
        assert_eq!(of(&["x\n".repeat(3000).as_str()]).left().await, MOST_LEFT);
    }

    #[test]
    fn a_line_is_bounded() {
        let mut lines = Lines::default();
        for _ in 0..3 {
            lines.take(&vec![b'x'; LONGEST / 2]);
        }
        lines.take(b"\nnext\n");
        assert!(lines.whole[0].len() <= LONGEST);
        assert_eq!(lines.whole[1], "next");
    }
}
