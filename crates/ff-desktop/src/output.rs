//! What `ff` prints: results on stdout, everything else on stderr.

use std::io::{IsTerminal, Write};

use serde::Serialize;
use tracing_subscriber::EnvFilter;
use unicode_width::UnicodeWidthStr;

/// Where and how results are printed.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Results as one JSON document (`json`) or as text for people.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether results are JSON.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Prints the result of a command: the value as JSON, or the text made for people.
    ///
    /// # Errors
    /// stdout cannot be written to; a reader that has gone is none.
    pub fn result<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let mut rendered = if self.json {
            serde_json::to_string_pretty(value)?
        } else {
            text()
        };
        if !rendered.is_empty() && !rendered.ends_with('\n') {
            rendered.push('\n');
        }
        write_out(rendered.as_bytes())
    }

    /// Prints a value as one line of JSON.
    ///
    /// # Errors
    /// As [`Self::result`].
    pub fn line<T: Serialize>(self, value: &T) -> anyhow::Result<()> {
        let mut line = serde_json::to_string(value)?;
        line.push('\n');
        write_out(line.as_bytes())
    }

    /// Tells people something on the way; never part of the result.
    pub fn say(self, text: impl AsRef<str>) {
        say(text);
    }

    /// A piece of an answer as it comes: stdout for people, stderr beside JSON.
    ///
    /// # Errors
    /// The stream cannot be written to.
    pub fn piece(self, text: &str) -> anyhow::Result<()> {
        if self.json {
            let mut stderr = std::io::stderr().lock();
            return ignore_gone(
                stderr
                    .write_all(text.as_bytes())
                    .and_then(|()| stderr.flush()),
            );
        }
        write_out(text.as_bytes())
    }
}

/// Sends the log to stderr; `FF_LOG` chooses what is logged (`debug`, `ff_client=trace`), by
/// default nothing.
pub fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("FF_LOG").unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A line that cannot be written, as on a full disk, would end what wrote it.
        .log_internal_errors(false)
        .with_ansi(false)
        .init();
}

/// Writes a line to stderr; when even that fails there is nobody to tell.
pub fn say(text: impl AsRef<str>) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "{}", text.as_ref());
}

/// Writes bytes to stdout as they are.
///
/// # Errors
/// stdout cannot be written to; a reader that has gone is none.
pub fn write_out(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    ignore_gone(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// Whether a person sits at both ends: stdin and stdout are terminals.
pub fn interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Whether stdout is a terminal that understands escape sequences.
pub fn is_screen() -> bool {
    let term = std::env::var_os("TERM").filter(|term| !term.is_empty());
    std::io::stdout().is_terminal() && term.is_some_and(|term| term != "dumb")
}

/// Whether stdout is a terminal that shows colours, and its user wants them.
pub fn in_colour() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    is_screen() && !unwanted
}

fn ignore_gone(result: std::io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Lines of a table with its columns aligned as a terminal shows them.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.width()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(header.to_vec())];
    lines.extend(
        rows.iter()
            .map(|row| line(row.iter().map(String::as_str).collect())),
    );
    lines.join("\n")
}

/// A list of labelled values, one a line; absent values are left out.
pub fn fields(pairs: &[(&str, Option<String>)]) -> String {
    let lines: Vec<String> = pairs
        .iter()
        .filter_map(|(label, value)| Some(format!("{label}: {}", value.as_ref()?)))
        .collect();
    lines.join("\n")
}

/// A value of the wire as it is written there (`READY`, `CLOUD`).
pub fn wire_name<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_not_padded() {
        let text = table(
            &["ID", "NAME"],
            &[
                vec!["abc".into(), "x".into()],
                vec!["d".into(), "été".into()],
            ],
        );
        assert_eq!(text, "ID   NAME\nabc  x\nd    été");
    }

    #[test]
    fn wide_letters_take_two_columns_and_marks_none() {
        let rows = ["修正する", "e\u{301}te\u{301}", "plain"];
        let rows = rows.map(|name| vec![name.to_owned(), "x".to_owned()]);
        let text = table(&["NAME", "AT"], &rows);
        let column = |line: &str| line[..line.rfind(['x', 'A']).unwrap()].width();
        assert_eq!(text.lines().map(column).collect::<Vec<_>>(), [10; 4]);
    }

    #[test]
    fn absent_fields_are_left_out() {
        let text = fields(&[("id", Some("1".into())), ("longer", None)]);
        assert_eq!(text, "id: 1");
    }

    #[test]
    fn wire_names_are_those_of_the_wire() {
        assert_eq!(wire_name(&ff_protocol::workspace::Location::Cloud), "CLOUD");
    }
}
