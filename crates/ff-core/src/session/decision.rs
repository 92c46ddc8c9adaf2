//! What an answer tells the CLI, and the refusal of one that cannot be taken.

use ff_protocol::ErrorCode;
use ff_protocol::question::{self, Misfit, Question};
use ff_protocol::session::{Answer, RequestKind};
use serde_json::json;

use super::protocol::Decision;
use crate::error::{Error, Result};
use crate::store::RequestRecord;

/// The refusal of an answer to a request that takes none any more.
pub(super) fn no_longer_open(record: &RequestRecord) -> Error {
    let id = &record.id;
    let Some(answer) = &record.answer else {
        return Error::refused(
            ErrorCode::Conflict,
            format!("request {id} is no longer open: the CLI went on without an answer"),
        );
    };
    let how = if answer.allow { "allowed" } else { "refused" };
    let who = answer.by.as_ref().map(|by| format!(" by {by}"));
    let when = record
        .answered_at
        .map(|at| format!(" at {}", at.format("%F %T UTC")));
    let detail = format!(
        "request {id} was answered already: {how}{}{}{}",
        who.unwrap_or_default(),
        when.unwrap_or_default(),
        chosen(answer),
    );
    Error::refused(ErrorCode::Conflict, detail).hint("a request takes one answer")
}

/// What was chosen, for people.
fn chosen(answer: &Answer) -> String {
    let both = [&answer.answers, &answer.other].into_iter().flatten();
    let pairs: Vec<_> = both
        .flatten()
        .map(|(question, text)| format!("`{question}`: {text}"))
        .collect();
    match pairs.is_empty() {
        true => String::new(),
        false => format!(", with {}", pairs.join("; ")),
    }
}

/// What an answer tells the CLI.
///
/// # Errors
/// `invalid` for choices where there are none, and for a question allowed without those it offers.
pub(super) fn decide(record: &RequestRecord, answer: &Answer) -> Result<Decision> {
    let chooses = answer.answers.is_some() || answer.other.is_some();
    if chooses && record.kind != RequestKind::Question {
        let tool = &record.asked.tool_name;
        let detail = format!("request {} is no question: it asks for {tool}", record.id);
        return Err(Error::refused(ErrorCode::Invalid, detail)
            .hint("allow it, or refuse it with a `message`; there is nothing to choose"));
    }
    if !answer.allow {
        let message = answer
            .message
            .clone()
            .filter(|text| !text.trim().is_empty());
        let message = message.unwrap_or_else(|| "The user refused.".to_owned());
        return Ok(Decision::Deny { message });
    }
    let mut input = record.asked.input.clone();
    if record.kind == RequestKind::Question {
        let mut chosen = answer.answers.clone().unwrap_or_default();
        let own = answer.other.clone().unwrap_or_default();
        let questions = question::of_input(&input);
        question::check(&questions, &chosen, &own).map_err(|misfit| unfit(misfit, &questions))?;
        chosen.extend(own);
        input["answers"] = json!(chosen);
    }
    Ok(Decision::Allow { input })
}

/// The refusal of answers that do not fit, in the words of the API.
fn unfit(misfit: Misfit, questions: &[Question]) -> Error {
    let asked: Vec<_> = questions.iter().map(|it| it.text.as_str()).collect();
    let hint = match &misfit {
        Misfit::Nothing => {
            "give one label per question in `answers`, or a text of your own in `other`, or `allow: false`"
                .to_owned()
        }
        Misfit::NotAsked(_) => format!("name the question as it was asked: {}", asked.join(" | ")),
        Misfit::NotOffered { question, .. } => format!(
            "offered are: {}; a text of your own goes into `other`",
            question.choices()
        ),
        Misfit::Twice(_) => "give it in `answers` or in `other`".to_owned(),
    };
    Error::refused(ErrorCode::Invalid, misfit.to_string()).hint(hint)
}
