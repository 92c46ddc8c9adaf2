//! Any bytes, in any pieces, with a reader that is dropped whenever it waits.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use proptest::prelude::*;
use tokio::io::ReadBuf;

use super::*;
use crate::session::protocol::fuzz::{Counts, check};

/// The buffer below; lines end on both sides of it.
const BUFFER: usize = 8 * 1024;

/// Gives its pieces one by one; before each it has nothing.
struct Pieces {
    rest: VecDeque<Vec<u8>>,
    waited: bool,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.waited, true) {
            return Poll::Pending;
        }
        self.waited = false;
        if let Some(mut piece) = self.rest.pop_front() {
            let rest = piece.split_off(piece.len().min(into.remaining()));
            into.put_slice(&piece);
            if !rest.is_empty() {
                self.rest.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What must come out: the definition, with all of the input at hand.
fn expected(input: &[u8], limit: usize) -> Vec<Line> {
    let mut lines: Vec<&[u8]> = input.split(|&byte| byte == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    let line = |line: &&[u8]| match line.len() > limit {
        true => Line::Skipped {
            bytes: line.len() as u64,
        },
        false => Line::Text(line.to_vec()),
    };
    lines.iter().map(line).collect()
}

/// A limit, and lines of lengths around it and around the buffer's.
fn inputs() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let limit = prop_oneof![3 => 1usize..64, 1 => BUFFER - 2..BUFFER + 3, 1 => Just(3 * BUFFER)];
    limit.prop_flat_map(|limit| {
        let length = prop_oneof![
            2 => 0..limit + 3,
            3 => limit.saturating_sub(1)..limit + 2,
            1 => BUFFER - 1..BUFFER + 2,
            1 => 3 * limit..3 * limit + 2,
        ];
        let line = (length, any::<u8>()).prop_map(|(length, byte)| {
            let byte = if byte == b'\n' { b'x' } else { byte };
            vec![byte; length]
        });
        let lines = proptest::collection::vec(line, 0..8);
        (Just(limit), lines, any::<bool>()).prop_map(|(limit, lines, ended)| {
            let mut input = lines.join(&b'\n');
            if ended {
                input.push(b'\n');
            }
            (limit, input)
        })
    })
}

fn pieces(input: &[u8], cuts: &[usize]) -> VecDeque<Vec<u8>> {
    let mut rest = input;
    let mut pieces = VecDeque::new();
    for cut in cuts.iter().cycle() {
        // A read of nothing would be the end.
        if rest.is_empty() {
            break;
        }
        let (piece, more) = rest.split_at((*cut).min(rest.len()));
        pieces.push_back(piece.to_vec());
        rest = more;
    }
    pieces
}

#[test]
fn lines_are_the_same_in_whatever_pieces_they_come_and_memory_is_bounded() {
    let counts = Counts::default();
    let cuts = proptest::collection::vec(
        prop_oneof![1usize..4, 1usize..200, Just(BUFFER), Just(3 * BUFFER)],
        1..6,
    );
    check(
        1_500,
        file!(),
        (inputs(), cuts),
        |((limit, input), cuts)| {
            let rest = pieces(&input, &cuts);
            let mut lines = Lines::new(
                Pieces {
                    rest,
                    waited: false,
                },
                limit,
            );
            let mut seen = Vec::new();
            loop {
                // Whenever it would wait its future is dropped.
                let line = match lines.next().now_or_never() {
                    None => {
                        counts.add("dropped while it waited");
                        None
                    }
                    Some(Ok(Some(line))) => Some(line),
                    Some(Ok(None)) => break,
                    Some(Err(error)) => return Err(TestCaseError::fail(error.to_string())),
                };
                prop_assert!(lines.held.len() <= limit);
                // A vector grows by doubling.
                prop_assert!(
                    lines.held.capacity() <= 2 * limit.max(8),
                    "{} of {limit}",
                    lines.held.capacity()
                );
                seen.extend(line);
            }
            for line in &seen {
                counts.add(match line {
                    Line::Text(text) if text.len() == limit => "just within the limit",
                    Line::Text(_) => "within the limit",
                    Line::Skipped { bytes } if *bytes == limit as u64 + 1 => "one byte too long",
                    Line::Skipped { .. } => "too long",
                });
            }
            prop_assert_eq!(seen, expected(&input, limit));
            Ok(())
        },
    );
    let needed = [
        "dropped while it waited",
        "just within the limit",
        "within the limit",
        "one byte too long",
        "too long",
    ];
    counts.told("lines", &needed);
}
