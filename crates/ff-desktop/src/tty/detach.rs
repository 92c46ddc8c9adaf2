//! The key that leaves a terminal without ending it.

/// Ctrl-], as in telnet: no shell, editor or multiplexer needs it.
pub const KEY: u8 = 0x1d;

/// What was typed, and whether the user then detached. Nothing after the key is sent.
pub fn until_key(typed: &[u8]) -> (&[u8], bool) {
    match typed.iter().position(|byte| *byte == KEY) {
        Some(at) => (&typed[..at], true),
        None => (typed, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_before_the_key_are_kept_and_those_after_it_dropped() {
        assert_eq!(until_key(b"ls\n"), (b"ls\n".as_slice(), false));
        assert_eq!(until_key(b"ab\x1dcd"), (b"ab".as_slice(), true));
        assert_eq!(until_key(b"\x1d"), (b"".as_slice(), true));
        assert_eq!(until_key(b""), (b"".as_slice(), false));
    }
}
