use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

use super::tokens::{Token, tokens};

const MAX_DEPTH: usize = 32;

/// A selected field, with fragments expanded and variables filled in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    /// The key in the answer.
    pub(super) key: String,
    pub(super) name: String,
    pub(super) arguments: Map<String, Value>,
    pub(super) fields: Vec<Field>,
}

enum Selection {
    Field(Field, Vec<Selection>),
    Inline(Vec<Selection>),
    Spread(String),
}

/// Reads the fields that a GraphQL document's operation selects.
pub(super) fn parse(query: &str, variables: &Value) -> Result<Vec<Field>> {
    let mut parser = Parser {
        tokens: tokens(query)?.into_iter().peekable(),
        variables,
        depth: 0,
    };
    let mut operation = None;
    let mut fragments = HashMap::new();
    while let Some(token) = parser.tokens.peek().cloned() {
        let fragment = token == Token::Word("fragment".to_owned());
        if fragment {
            parser.tokens.next();
        }
        let name = parser.skip_to_selection()?;
        let selections = parser.selections()?;
        match name {
            Some(name) if fragment => drop(fragments.insert(name, selections)),
            _ => operation = operation.or(Some(selections)),
        }
    }
    expand(&operation.context("no operation")?, &fragments, 0)
}

/// Keeps what is selected; fields the value does not have are left out.
pub(super) fn project(value: &Value, fields: &[Field]) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| project(item, fields)).collect(),
        Value::Object(object) if !fields.is_empty() => {
            let kept = fields.iter().filter_map(|field| {
                Some((
                    field.key.clone(),
                    project(object.get(&field.name)?, &field.fields),
                ))
            });
            Value::Object(kept.collect())
        }
        other => other.clone(),
    }
}

fn expand(
    selections: &[Selection],
    fragments: &HashMap<String, Vec<Selection>>,
    depth: usize,
) -> Result<Vec<Field>> {
    if depth > MAX_DEPTH {
        bail!("nested too deep");
    }
    let mut fields: Vec<Field> = Vec::new();
    for selection in selections {
        let more = match selection {
            Selection::Field(field, inner) => {
                vec![Field {
                    fields: expand(inner, fragments, depth + 1)?,
                    ..field.clone()
                }]
            }
            Selection::Inline(inner) => expand(inner, fragments, depth + 1)?,
            Selection::Spread(name) => expand(
                fragments.get(name).context("unknown fragment")?,
                fragments,
                depth + 1,
            )?,
        };
        for field in more {
            match fields.iter_mut().find(|known| known.key == field.key) {
                Some(known) => known.fields.extend(field.fields),
                None => fields.push(field),
            }
        }
    }
    Ok(fields)
}

struct Parser<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    variables: &'a Value,
    depth: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Result<Token> {
        self.tokens.next().context("the query ends early")
    }

    fn take(&mut self, mark: char) -> bool {
        self.tokens.next_if_eq(&Token::Mark(mark)).is_some()
    }

    fn word(&mut self) -> Result<String> {
        match self.next()? {
            Token::Word(word) => Ok(word),
            other => bail!("expected a name, found {other:?}"),
        }
    }

    /// Skips a definition's head up to its opening brace, and returns its name: the first word but the keyword.
    fn skip_to_selection(&mut self) -> Result<Option<String>> {
        let (mut name, mut parentheses) = (None, 0);
        loop {
            match self.next()? {
                Token::Mark('{') if parentheses == 0 => return Ok(name),
                Token::Mark('(') => parentheses += 1,
                Token::Mark(')') => parentheses -= 1,
                Token::Word(word) if name.is_none() => name = Some(word),
                _ => {}
            }
        }
    }

    fn selections(&mut self) -> Result<Vec<Selection>> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            bail!("nested too deep");
        }
        let mut selections = Vec::new();
        while !self.take('}') {
            selections.push(self.selection()?);
        }
        self.depth -= 1;
        Ok(selections)
    }

    fn selection(&mut self) -> Result<Selection> {
        if self.tokens.next_if_eq(&Token::Dots).is_some() {
            if let Some(Token::Word(name)) = self
                .tokens
                .next_if(|token| matches!(token, Token::Word(w) if w != "on"))
            {
                return Ok(Selection::Spread(name));
            }
            self.skip_to_selection()?;
            return Ok(Selection::Inline(self.selections()?));
        }
        let key = self.word()?;
        let name = if self.take(':') {
            self.word()?
        } else {
            key.clone()
        };
        let mut arguments = Map::new();
        if self.take('(') {
            while !self.take(')') {
                let argument = self.word()?;
                if !self.take(':') {
                    bail!("an argument has no value");
                }
                arguments.insert(argument, self.value()?);
            }
        }
        let inner = if self.take('{') {
            self.selections()?
        } else {
            Vec::new()
        };
        Ok(Selection::Field(
            Field {
                key,
                name,
                arguments,
                fields: Vec::new(),
            },
            inner,
        ))
    }

    fn value(&mut self) -> Result<Value> {
        Ok(match self.next()? {
            Token::Text(text) => text.into(),
            Token::Word(word) => serde_json::from_str(&word).unwrap_or(Value::String(word)),
            Token::Mark('$') => {
                let name = self.word()?;
                self.variables[name.as_str()].clone()
            }
            Token::Mark('[') => {
                let mut items = Vec::new();
                while !self.take(']') {
                    items.push(self.value()?);
                }
                items.into()
            }
            Token::Mark('{') => {
                let mut object = Map::new();
                while !self.take('}') {
                    let key = self.word()?;
                    self.take(':');
                    object.insert(key, self.value()?);
                }
                object.into()
            }
            other => bail!("expected a value, found {other:?}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn aliases_arguments_and_fragments_are_read_and_projected() {
        let query = "query Q($owner: String!, $states: [S!] = [OPEN]) { # comment
            repo: repository(owner: $owner, name: \"d\\\"x\", first: 3) { ...parts, ... on R { url } viewer { a } } }
            fragment parts on R { id }";
        let fields = parse(query, &json!({"owner": "octo"})).unwrap();
        assert_eq!(
            (fields[0].key.as_str(), fields[0].name.as_str()),
            ("repo", "repository")
        );
        assert_eq!(
            Value::from(fields[0].arguments.clone()),
            json!({"owner": "octo", "name": "d\"x", "first": 3})
        );
        let data =
            json!({"repository": {"id": 1, "url": "u", "secret": 2, "viewer": [{"a": 1, "b": 2}]}});
        let expected = json!({"repo": {"id": 1, "url": "u", "viewer": [{"a": 1}]}});
        assert_eq!(project(&data, &fields), expected);
    }

    #[test]
    fn broken_queries_are_errors() {
        for query in [
            "",
            "{",
            "{a(b)}",
            "{...x}",
            "{a(b:",
            "fragment f on T {...f} {...f}",
            &"{a".repeat(100),
        ] {
            assert!(parse(query, &Value::Null).is_err(), "{query}");
        }
    }
}
