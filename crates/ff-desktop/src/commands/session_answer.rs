//! `ff session answer WORKSPACE SESSION REQUEST --allow|--deny`.

use std::collections::BTreeMap;

use ff_protocol::session::Answer;

use crate::cli::AnswerArgs;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::session::host;

/// Answers a permission request or question.
pub async fn run(context: &Context, args: AnswerArgs) -> anyhow::Result<()> {
    let answers = choices(&args.choices)?;
    let answer = Answer {
        request_id: args.request.parse()?,
        allow: args.allow && !args.deny,
        message: args.message,
        answers: (!answers.is_empty()).then_some(answers),
        id: None,
        by: std::env::var("USER").ok(),
    };
    let asked = &args.session;
    let (known, host, id) =
        host::of_session_waking(context, &asked.workspace, &asked.session).await?;
    host.answer(&known.id, &id, answer).await?;
    let session = host.session(&known.id, &id).await?.session;
    context
        .out
        .result(&session, || format!("answered request {}", args.request))
}

fn choices(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| {
        // A question may hold `=`; a label hardly does.
        let (question, label) = text.rsplit_once('=').ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{text}` is not QUESTION=LABEL"))
                .next("ff session answer --help")
        })?;
        Ok((question.to_owned(), label.to_owned()))
    };
    given.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::choices;

    #[test]
    fn choices_are_pairs() {
        let pairs = choices(&["a=b?=yes".to_owned()]).unwrap();
        assert_eq!(pairs["a=b?"], "yes");
        assert!(choices(&["yes".to_owned()]).is_err());
    }
}
