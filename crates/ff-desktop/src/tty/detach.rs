//! The key that leaves a terminal without ending it.

use std::str::FromStr;

/// What comes before and after pasted text, where a program asked to be told (xterm's bracketed
/// paste). A key in there was not pressed.
const PASTE: &[u8] = b"\x1b[200~";
const PASTED: &[u8] = b"\x1b[201~";
/// Longest sequence that we look for, in bytes.
const LONGEST: usize = 16;

/// A control key, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(Option<u8>);

impl Default for Key {
    /// Ctrl-], as in telnet: no shell, editor or multiplexer needs it.
    fn default() -> Self {
        Self(Some(b']'))
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        if lower == "none" {
            return Ok(Self(None));
        }
        let key = lower
            .strip_prefix("ctrl-")
            .or_else(|| lower.strip_prefix('^'));
        match key.map(str::as_bytes) {
            // Without these Enter, Tab and Escape would leave as well: they are the same bytes.
            Some([b'i' | b'j' | b'm' | b'[']) | None => {}
            Some([key @ (b'a'..=b'z' | b']' | b'\\' | b'^' | b'_' | b'@')]) => {
                return Ok(Self(Some(*key)));
            }
            Some(_) => {}
        }
        Err("a detach key is `ctrl-` and a letter or one of ] \\ ^ _ @ (not I, J, M or [), or `none`".into())
    }
}

impl Key {
    /// As it is shown to people; `None` where there is none.
    pub fn name(self) -> Option<String> {
        let key = char::from(self.0?);
        Some(format!("Ctrl-{}", key.to_ascii_uppercase()))
    }

    /// The bytes a terminal sends for it: plainly, by xterm's `modifyOtherKeys`, and by the kitty
    /// keyboard protocol (`CSI u`), which programs may have switched on.
    fn forms(self) -> Vec<Vec<u8>> {
        let Some(key) = self.0 else {
            return Vec::new();
        };
        let code = key.to_ascii_lowercase();
        vec![
            vec![key.to_ascii_uppercase() & 0x1f],
            format!("\x1b[27;5;{code}~").into_bytes(),
            format!("\x1b[{code};5u").into_bytes(),
        ]
    }
}

/// Looks for the key in what is typed, piece by piece. Pure.
#[derive(Debug)]
pub struct Watch {
    forms: Vec<Vec<u8>>,
    pasting: bool,
    /// The last bytes, which may be the beginning of something we look for. They have been passed
    /// on: a lone Escape must not wait for what never comes.
    last: Vec<u8>,
}

impl Watch {
    /// Watches for this key.
    pub fn new(key: Key) -> Self {
        Self {
            forms: key.forms(),
            pasting: false,
            last: Vec::new(),
        }
    }

    /// What of a piece is to be passed on, and whether the user then left. Nothing after the key is
    /// passed on; of a key that came in several pieces, the first ones were.
    pub fn take<'a>(&mut self, typed: &'a [u8]) -> (&'a [u8], bool) {
        for (at, byte) in typed.iter().enumerate() {
            if self.last.len() == LONGEST {
                self.last.remove(0);
            }
            self.last.push(*byte);
            if self
                .last
                .ends_with(if self.pasting { PASTED } else { PASTE })
            {
                self.pasting = !self.pasting;
                self.last.clear();
            }
            let pressed = |form: &&Vec<u8>| self.last.ends_with(form);
            if !self.pasting
                && let Some(form) = self.forms.iter().find(pressed)
            {
                let end = (at + 1).saturating_sub(form.len());
                return (&typed[..end], true);
            }
        }
        (typed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is passed on, and whether the user left, for pieces of these sizes.
    fn through(key: &str, pieces: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut watch = Watch::new(key.parse().unwrap());
        let mut passed = Vec::new();
        for piece in pieces {
            let (bytes, left) = watch.take(piece);
            passed.extend_from_slice(bytes);
            if left {
                return (passed, true);
            }
        }
        (passed, false)
    }

    #[test]
    fn bytes_before_the_key_are_kept_and_those_after_it_dropped() {
        for (typed, passed, left) in [
            (&b"ls\n"[..], &b"ls\n"[..], false),
            (b"ab\x1dcd", b"ab", true),
            (b"\x1d", b"", true),
            (b"", b"", false),
            (b"ab\x1b[93;5ucd", b"ab", true),
            (b"ab\x1b[27;5;93~cd", b"ab", true),
            (b"ab\x1b[94;5u", b"ab\x1b[94;5u", false),
        ] {
            assert_eq!(through("ctrl-]", &[typed]), (passed.to_vec(), left));
        }
        assert_eq!(through("ctrl-b", &[b"a\x02b"]), (b"a".to_vec(), true));
        assert_eq!(through("none", &[b"a\x1d"]), (b"a\x1d".to_vec(), false));
    }

    #[test]
    fn what_is_pasted_was_not_pressed_however_it_is_cut() {
        let typed = b"a\x1b[200~x\x1dy\x1b[201~b\x1dc";
        for cut in 0..typed.len() {
            let (first, second) = typed.split_at(cut);
            let (passed, left) = through("ctrl-]", &[first, second]);
            assert_eq!(passed, b"a\x1b[200~x\x1dy\x1b[201~b", "cut at {cut}");
            assert!(left);
        }
    }

    #[test]
    fn a_key_that_comes_in_pieces_is_heard() {
        let typed = b"ab\x1b[93;5u";
        for cut in 0..typed.len() {
            let (first, second) = typed.split_at(cut);
            assert!(through("ctrl-]", &[first, second]).1, "cut at {cut}");
        }
    }

    #[test]
    fn keys_are_named_and_those_that_nobody_could_do_without_are_refused() {
        for (text, name) in [
            ("ctrl-]", Some("Ctrl-]")),
            ("Ctrl-Q", Some("Ctrl-Q")),
            ("^\\", Some("Ctrl-\\")),
            ("none", None),
        ] {
            let key: Key = text.parse().unwrap();
            assert_eq!(key.name().as_deref(), name);
        }
        for text in [
            "", "x", "ctrl-", "ctrl-m", "ctrl-i", "ctrl-[", "ctrl-é", "ctrl-ab",
        ] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
    }
}
