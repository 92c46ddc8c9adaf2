use anyhow::{Context as _, Result};

/// A lexical token of GraphQL.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Mark(char),
    Dots,
    Word(String),
    Text(String),
}

/// Splits a document into tokens; commas and comments are ignored.
pub(super) fn tokens(query: &str) -> Result<Vec<Token>> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_number = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.');
    let mut tokens = Vec::new();
    let mut rest = query.trim_start_matches([' ', '\t', '\r', '\n', ',']);
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("...") {
            tokens.push(Token::Dots);
            3
        } else if is_name(first) || first == '-' {
            let is_part = |c: char| {
                if first.is_ascii_digit() || first == '-' {
                    is_number(c)
                } else {
                    is_name(c)
                }
            };
            let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..length].to_owned()));
            length
        } else if first == '"' {
            let mut strings = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            tokens.push(Token::Text(strings.next().context("no string")??));
            strings.byte_offset()
        } else if first == '#' {
            rest.find('\n').unwrap_or(rest.len())
        } else {
            tokens.push(Token::Mark(first));
            first.len_utf8()
        };
        rest = rest[length..].trim_start_matches([' ', '\t', '\r', '\n', ',']);
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_at_dots_and_numbers_do_not() {
        let word = |text: &str| Token::Word(text.to_owned());
        let expected = [
            word("__typename"),
            Token::Dots,
            word("on"),
            word("-1.5e3"),
            Token::Text("a\"".to_owned()),
        ];
        assert_eq!(
            tokens("__typename...on, -1.5e3 \"a\\\"\" # end").unwrap(),
            expected
        );
        assert!(tokens("\"open").is_err());
    }
}
