//! Parts of a journal that have a bounded size.

use ff_protocol::session::JournalEntry;

/// The first entries whose contents have at most so many bytes, and the rest.
pub(crate) fn within(
    limit: usize,
    mut entries: Vec<JournalEntry>,
) -> (Vec<JournalEntry>, Vec<JournalEntry>) {
    let mut bytes = 0;
    let fits = entries.iter().take_while(|entry| {
        bytes += entry.payload.to_string().len();
        bytes <= limit
    });
    let fitting = fits.count();
    let rest = entries.split_off(fitting);
    (entries, rest)
}
