//! The end of what a script prints.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};

/// The last bytes of one or several streams. Cheap to clone: clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    inner: Arc<Mutex<Inner>>,
    limit: usize,
    copy: Option<Box<Output>>,
}

#[derive(Debug, Default)]
struct Inner {
    bytes: VecDeque<u8>,
    total: u64,
}

impl Output {
    /// Keeps the last `limit` bytes.
    pub(crate) fn keeping(limit: usize) -> Self {
        Self {
            inner: Arc::default(),
            limit,
            copy: None,
        }
    }

    /// As [`Self::keeping`]; `other` gets the same.
    pub(crate) fn beside(limit: usize, other: &Self) -> Self {
        Self {
            copy: Some(Box::new(other.clone())),
            ..Self::keeping(limit)
        }
    }

    /// Reads a stream to its end.
    pub(super) async fn follow(self, mut stream: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            self.push(&buffer[..read]);
        }
    }

    /// Adds bytes.
    pub(crate) fn push(&self, bytes: &[u8]) {
        if let Some(copy) = &self.copy {
            copy.push(bytes);
        }
        let mut inner = self.lock();
        inner.total += bytes.len() as u64;
        let fresh = &bytes[bytes.len().saturating_sub(self.limit)..];
        let over = (inner.bytes.len() + fresh.len()).saturating_sub(self.limit);
        inner.bytes.drain(..over);
        inner.bytes.extend(fresh);
    }

    /// Bytes it was given so far.
    pub(crate) fn total(&self) -> u64 {
        self.lock().total
    }

    /// What is kept; a mark tells that something is missing before it.
    pub(crate) fn text(&self) -> String {
        self.end(self.limit)
    }

    /// As [`Self::text`], at most the last `limit` bytes.
    pub(crate) fn end(&self, limit: usize) -> String {
        let inner = self.lock();
        let skip = inner.bytes.len().saturating_sub(limit);
        let kept: Vec<u8> = inner.bytes.iter().skip(skip).copied().collect();
        let cut = inner.total > kept.len() as u64;
        drop(inner);
        let text = String::from_utf8_lossy(&kept);
        match cut {
            true => format!("[... the beginning is cut]\n{text}"),
            false => text.into_owned(),
        }
    }

    /// What is kept of what came after `total` bytes.
    pub(super) fn since(&self, total: u64) -> String {
        let inner = self.lock();
        let fresh = usize::try_from(inner.total - total).unwrap_or(usize::MAX);
        let skip = inner.bytes.len().saturating_sub(fresh);
        let kept: Vec<u8> = inner.bytes.iter().skip(skip).copied().collect();
        String::from_utf8_lossy(&kept).into_owned()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_a_cut_told() {
        let all = Output::keeping(8);
        let errors = Output::beside(4, &all);
        all.push(b"abc");
        assert_eq!((all.text().as_str(), all.total()), ("abc", 3));
        errors.push(b"123456");
        assert_eq!(errors.text(), "[... the beginning is cut]\n3456");
        assert_eq!(all.text(), "[... the beginning is cut]\nbc123456");
        assert_eq!(errors.since(6), "");
        errors.push(b"7");
        assert_eq!(errors.since(6), "7");
        assert_eq!(all.total(), 10);
        assert_eq!(all.end(2), "[... the beginning is cut]\n67");
    }
}
