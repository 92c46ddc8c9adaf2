//! Lines of a stream in bounded memory.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// One line without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A line within the limit.
    Text(Vec<u8>),
    /// A longer one, thrown away while it was read.
    Skipped {
        /// Its length.
        bytes: u64,
    },
}

/// Reads lines and never holds more than one line's limit.
#[derive(Debug)]
pub struct Lines<R> {
    reader: BufReader<R>,
    limit: usize,
    held: Vec<u8>,
    skipped: u64,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of `reader`, each at most `limit` bytes.
    pub fn new(reader: R, limit: usize) -> Self {
        Self {
            reader: BufReader::new(reader),
            limit,
            held: Vec::new(),
            skipped: 0,
        }
    }

    /// The next line; `None` at the end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The stream cannot be read.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let bytes = self.reader.fill_buf().await?;
            if bytes.is_empty() {
                return Ok(self.take_last());
            }
            let end = bytes.iter().position(|&byte| byte == b'\n');
            let piece = &bytes[..end.unwrap_or(bytes.len())];
            if self.skipped > 0 {
                self.skipped += piece.len() as u64;
            } else if self.held.len() + piece.len() > self.limit {
                self.skipped = (self.held.len() + piece.len()) as u64;
                self.held = Vec::new();
            } else {
                self.held.extend_from_slice(piece);
            }
            let consumed = piece.len() + usize::from(end.is_some());
            self.reader.consume(consumed);
            if end.is_some() {
                return Ok(Some(self.take()));
            }
        }
    }

    fn take_last(&mut self) -> Option<Line> {
        (self.skipped > 0 || !self.held.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Line {
        let skipped = std::mem::take(&mut self.skipped);
        if skipped > 0 {
            return Line::Skipped { bytes: skipped };
        }
        Line::Text(std::mem::take(&mut self.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(input: &[u8], limit: usize) -> Vec<Line> {
        let mut lines = Lines::new(input, limit);
        let mut seen = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            seen.push(line);
        }
        seen
    }

    fn text(line: &str) -> Line {
        Line::Text(line.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn gives_each_line_and_an_unfinished_last_one() {
        assert_eq!(
            all(b"a\n\nbc\nd", 10).await,
            [text("a"), text(""), text("bc"), text("d")]
        );
        assert_eq!(all(b"", 10).await, []);
    }

    #[tokio::test]
    async fn a_line_over_the_limit_is_counted_and_the_next_one_is_whole() {
        let mut input = vec![b'x'; 40_000];
        input.extend_from_slice(b"\nok\n");
        let expected = [Line::Skipped { bytes: 40_000 }, text("ok")];
        assert_eq!(all(&input, 100).await, expected);
        assert_eq!(all(b"1234567890\n", 10).await, [text("1234567890")]);
        assert_eq!(all(b"12345678901", 10).await, [Line::Skipped { bytes: 11 }]);
    }

    #[tokio::test]
    async fn memory_stays_within_the_limit_while_a_line_is_skipped() {
        let input = vec![b'x'; 1_000_000];
        let mut lines = Lines::new(input.as_slice(), 1_000);
        assert_eq!(
            lines.next().await.unwrap(),
            Some(Line::Skipped { bytes: 1_000_000 })
        );
        assert!(
            lines.held.capacity() <= 16_384,
            "held {}",
            lines.held.capacity()
        );
    }
}

#[cfg(test)]
#[path = "lines_fuzz.rs"]
mod fuzz;
