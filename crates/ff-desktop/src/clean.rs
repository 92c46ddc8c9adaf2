//! Text of a model or a tool, made harmless for the terminal it is shown on.

use std::borrow::Cow;

/// Longest line for what is told in short, in characters.
const LINE: usize = 120;

/// The text without anything that moves a cursor, colours, renames a window or turns the
/// direction of writing: control characters stand there as pictures of themselves.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_foul) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\r\n", "\n").chars().map(harmless).collect())
}

/// As [`clean`], on one line.
pub fn clean_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    clean(&words.join(" ")).into_owned()
}

/// The beginning of a line that is told in short.
pub fn cut(line: &str) -> String {
    if line.chars().count() <= LINE {
        return line.to_owned();
    }
    let head: String = line.chars().take(LINE - 3).collect();
    format!("{head}...")
}

fn is_foul(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\n' && c != '\t')
}

fn harmless(c: char) -> char {
    match c {
        _ if !is_foul(c) => c,
        '\u{7f}' => '\u{2421}',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        _ => '\u{fffd}',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        let title = "\u{1b}]0;owned\u{7}";
        assert_eq!(clean(title), "␛]0;owned␇");
        assert_eq!(clean("\u{9b}31m\u{7f}\u{202e}"), "\u{fffd}31m␡\u{fffd}");
        assert_eq!(clean("over\rwritten\r\n"), "over␍written\n");
        assert!(matches!(clean("a\tb\nü → 🦀"), Cow::Borrowed(_)));
        assert_eq!(clean_line("a\n  b\u{1b}[2J"), "a b␛[2J");
    }
}
