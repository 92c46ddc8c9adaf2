//! A line of ours over the screen of a program. What was there comes back when the screen is drawn
//! anew. Pure.

use ff_protocol::terminal::Size;

/// What shows a line, inverted, at the bottom of a screen of this size, and leaves the cursor where
/// it was. Nothing scrolls.
pub fn over_the_screen(text: &str, size: Size) -> Vec<u8> {
    let fits = usize::from(size.cols.saturating_sub(1));
    let line: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(fits)
        .collect();
    // Within the whole screen, whatever region or origin the program has set.
    format!(
        "\x1b7\x1b[{};1H\x1b[0;7m{line}\x1b[0m\x1b[K\x1b8",
        size.rows
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_and_says_nothing_to_the_terminal() {
        let size = Size { cols: 10, rows: 5 };
        let shown = over_the_screen("abc\x1b[2J\r\ndefghijklmnop", size);
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(shown, "\x1b7\x1b[5;1H\x1b[0;7mabc[2Jdef\x1b[0m\x1b[K\x1b8");
    }
}
