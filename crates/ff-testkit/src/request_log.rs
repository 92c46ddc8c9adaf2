use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

const MAX_ENTRIES: usize = 10_000;

/// A request log that forgets its oldest entries first, by count and by summed weight.
pub(crate) struct RequestLog<T> {
    max_weight: usize,
    entries: Mutex<Entries<T>>,
}

struct Entries<T> {
    seen: u64,
    weight: usize,
    kept: VecDeque<(usize, T)>,
}

impl<T: Clone> RequestLog<T> {
    pub(crate) fn new(max_weight: usize) -> Self {
        let entries = Entries {
            seen: 0,
            weight: 0,
            kept: VecDeque::new(),
        };
        Self {
            max_weight,
            entries: Mutex::new(entries),
        }
    }

    /// Appends the entry made from its number, which counts from 1 and never repeats.
    pub(crate) fn push(&self, weight: usize, entry: impl FnOnce(u64) -> T) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.seen += 1;
        let entry = entry(entries.seen);
        entries.weight += weight;
        entries.kept.push_back((weight, entry));
        while entries.kept.len() > 1
            && (entries.kept.len() > MAX_ENTRIES || entries.weight > self.max_weight)
        {
            if let Some((weight, _)) = entries.kept.pop_front() {
                entries.weight -= weight;
            }
        }
    }

    pub(crate) fn all(&self) -> Vec<T> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries
            .kept
            .iter()
            .map(|(_, entry)| entry.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest_by_count() {
        let log = RequestLog::new(usize::MAX);
        for _ in 0..MAX_ENTRIES + 5 {
            log.push(1, |number| number);
        }
        let kept = log.all();
        assert_eq!(kept.len(), MAX_ENTRIES);
        assert_eq!(kept.first(), Some(&6));
    }

    #[test]
    fn forgets_the_oldest_by_weight_and_keeps_the_newest() {
        let log = RequestLog::new(10);
        log.push(6, |number| number);
        log.push(6, |number| number);
        assert_eq!(log.all(), [2]);
        log.push(99, |number| number);
        assert_eq!(log.all(), [3]);
    }
}
