//! Questions of the CLI (its tool `AskUserQuestion`), and which answers fit them.

use std::collections::BTreeMap;

use serde_json::Value;

/// What stands between the labels of an answer that chooses several.
pub const BETWEEN: &str = ", ";

/// A question with its choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is asked; an answer is given under it.
    pub text: String,
    /// The choices; none where any text will do.
    pub labels: Vec<String>,
    /// Whether several may be chosen.
    pub several: bool,
}

/// Why answers do not fit their questions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// None was given.
    #[error("nothing was chosen")]
    Nothing,
    /// There is no such question.
    #[error("`{0}` was not asked")]
    NotAsked(String),
    /// The question has no such choice.
    #[error("`{label}` is no choice of `{}`", question.text)]
    NotOffered {
        /// The question.
        question: Question,
        /// What was chosen.
        label: String,
    },
    /// A choice and a text are given to the same question.
    #[error("`{0}` is answered twice")]
    Twice(String),
}

/// The questions in the input of the tool.
pub fn of_input(input: &Value) -> Vec<Question> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let question = |value: &Value| {
        let options = list(&value["options"]);
        let labels = options.iter().filter_map(|option| option["label"].as_str());
        Some(Question {
            text: value["question"].as_str()?.to_owned(),
            labels: labels.map(str::to_owned).collect(),
            several: value["multiSelect"] == true,
        })
    };
    list(&input["questions"])
        .iter()
        .filter_map(question)
        .collect()
}

/// Whether these choices, and texts of the user's own, may be given to these questions.
///
/// # Errors
/// They do not fit.
pub fn check(
    questions: &[Question],
    chosen: &BTreeMap<String, String>,
    own: &BTreeMap<String, String>,
) -> Result<(), Misfit> {
    if chosen.is_empty() && own.is_empty() {
        return Err(Misfit::Nothing);
    }
    let find = |text: &String| {
        let found = questions.iter().find(|question| question.text == *text);
        found.ok_or_else(|| Misfit::NotAsked(text.clone()))
    };
    for (text, label) in chosen {
        let question = find(text)?;
        if !question.offers(label) {
            return Err(Misfit::NotOffered {
                question: question.clone(),
                label: label.clone(),
            });
        }
    }
    for text in own.keys() {
        find(text)?;
        if chosen.contains_key(text) {
            return Err(Misfit::Twice(text.clone()));
        }
    }
    Ok(())
}

impl Question {
    /// Whether this is one of its choices, or several where that may be.
    pub fn offers(&self, answer: &str) -> bool {
        let labels: Vec<&str> = self.labels.iter().map(String::as_str).collect();
        labels.is_empty() || labels.contains(&answer) || (self.several && is_list(answer, &labels))
    }

    /// Its choices, for people.
    pub fn choices(&self) -> String {
        self.labels.join(" | ")
    }
}

/// Whether a text is made of some of these labels, each once. A label may hold what stands between.
fn is_list(text: &str, labels: &[&str]) -> bool {
    labels.iter().enumerate().any(|(at, label)| {
        let Some(rest) = text.strip_prefix(label) else {
            return false;
        };
        let others = || [&labels[..at], &labels[at + 1..]].concat();
        rest.is_empty()
            || rest
                .strip_prefix(BETWEEN)
                .is_some_and(|rest| is_list(rest, &others()))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(several: bool) -> Vec<Question> {
        of_input(&json!({"questions": [
            {"question": "Which?", "multiSelect": several,
             "options": [{"label": "red"}, {"label": "blue, dark"}, {"label": "blue"}]},
            {"question": "Why?", "options": []},
        ]}))
    }

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        owned.collect()
    }

    #[test]
    fn only_what_is_offered_may_be_chosen() {
        let check = |chosen: &[(&str, &str)], own: &[(&str, &str)]| {
            check(&asked(false), &pairs(chosen), &pairs(own))
        };
        assert_eq!(check(&[("Which?", "red"), ("Why?", "so")], &[]), Ok(()));
        assert_eq!(check(&[], &[("Which?", "green")]), Ok(()));
        assert_eq!(check(&[], &[]), Err(Misfit::Nothing));
        let other = Misfit::NotAsked("Who?".into());
        assert_eq!(check(&[("Who?", "I")], &[]), Err(other.clone()));
        assert_eq!(check(&[], &[("Who?", "I")]), Err(other));
        let twice = check(&[("Which?", "red")], &[("Which?", "green")]);
        assert_eq!(twice, Err(Misfit::Twice("Which?".into())));
        for wrong in ["green", "Red", "", "red, blue"] {
            let refused = check(&[("Which?", wrong)], &[]).unwrap_err();
            let Misfit::NotOffered { question, label } = &refused else {
                panic!("{refused:?}")
            };
            assert_eq!((question.text.as_str(), label.as_str()), ("Which?", wrong));
            assert_eq!(question.choices(), "red | blue, dark | blue");
        }
    }

    #[test]
    fn several_are_chosen_where_that_may_be_each_once() {
        let question = asked(true).remove(0);
        for right in [
            "red",
            "red, blue",
            "blue, dark, blue",
            "blue, red, blue, dark",
        ] {
            assert!(question.offers(right), "{right}");
        }
        for wrong in ["red, red", "red,blue", "red, ", "red, green", ", red", ""] {
            assert!(!question.offers(wrong), "{wrong}");
        }
    }
}
