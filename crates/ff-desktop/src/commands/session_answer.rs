//! `ff session answer WORKSPACE SESSION REQUEST --allow|--deny`.

use std::collections::BTreeMap;

use ff_protocol::RequestId;
use ff_protocol::question::{self, BETWEEN, Misfit};
use ff_protocol::session::{Answer, RequestKind};

use crate::cli::AnswerArgs;
use crate::commands::quoted;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::session::follow::Request;
use crate::session::host;
use crate::session::waits::Standing;

/// Answers a permission request or question. On this machine without `ff serve` that runs nothing,
/// and says so.
pub async fn run(context: &Context, args: AnswerArgs) -> anyhow::Result<()> {
    let id: RequestId = args.request.parse()?;
    let (chosen, own) = (pairs(&args.choices)?, pairs(&args.other)?);
    let asked = &args.session;
    let (known, host, session) =
        host::of_session_waking(context, &asked.workspace, &asked.session).await?;
    host.rest().await?;
    let waiting = host.requests(&known.id, &session).await?;
    if let Some(request) = waiting.iter().find(|request| request.request_id == id)
        && args.allow
    {
        let request = Request::waiting(request);
        let command = format!("ff session answer {} {session} {id}", known.id);
        check(&request, &chosen, &own, &command)?;
    }
    let some = |texts: BTreeMap<_, _>| (!texts.is_empty()).then_some(texts);
    let answer = Answer {
        request_id: id,
        allow: args.allow && !args.deny,
        message: args.message,
        answers: some(chosen),
        other: some(own),
        id: None,
        by: std::env::var("USER").ok(),
    };
    host.answer(&known.id, &session, answer).await?;
    let session = host.session(&known.id, &session).await?.session;
    let standing = Standing::of(&host, session);
    context.out.result(&standing, || {
        let answered = format!("answered request {}", args.request);
        match &standing.waits_for {
            Some(what) => format!("{answered}; the session waits for {what}"),
            None => answered,
        }
    })
}

/// Whether the choices fit the request, in the words of the command line.
fn check(
    request: &Request,
    chosen: &BTreeMap<String, String>,
    own: &BTreeMap<String, String>,
    command: &str,
) -> Result<(), Failure> {
    let usage = |text: String| Failure::new(Exit::Usage, text);
    if request.kind() != RequestKind::Question {
        return match chosen.is_empty() && own.is_empty() {
            true => Ok(()),
            false => Err(usage("this request is no question: there is nothing to choose".into())
                .hint("--allow alone lets the tool run; --deny with --message tells the model why not")
                .next(format!("{command} --allow"))),
        };
    }
    let questions = request.questions();
    let misfit = match question::check(questions, chosen, own) {
        Ok(()) => return Ok(()),
        Err(misfit) => misfit,
    };
    let meant = match &misfit {
        Misfit::NotOffered { question, .. } => Some(question),
        Misfit::Nothing | Misfit::NotAsked(_) | Misfit::Twice(_) => questions.first(),
    };
    let mut lines: Vec<String> = questions
        .iter()
        .map(|it| format!("asked is {}: {}", it.text, it.choices()))
        .collect();
    lines.push("--choose takes a label as it is offered, --other a text of your own".into());
    let failure = usage(misfit.to_string()).hint(lines.join("\n  "));
    let label = meant.and_then(|it| Some((it, it.labels.first()?)));
    Err(match label {
        Some((question, label)) => {
            let choice = quoted(&format!("{}={label}", question.text));
            failure.next(format!("{command} --allow --choose {choice}"))
        }
        None => failure.next("ff session answer --help"),
    })
}

/// Labels or texts by question; several for one question stand together.
fn pairs(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut pairs: BTreeMap<String, String> = BTreeMap::new();
    for text in given {
        // A question may hold `=`; a label hardly does.
        let (question, label) = text.rsplit_once('=').ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{text}` is not QUESTION=LABEL"))
                .next("ff session answer --help")
        })?;
        pairs
            .entry(question.to_owned())
            .and_modify(|all| {
                all.push_str(BETWEEN);
                all.push_str(label);
            })
            .or_insert_with(|| label.to_owned());
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use ff_protocol::session::UserRequest;
    use serde_json::json;

    use super::*;

    fn request(kind: &str) -> Request {
        let request: UserRequest = serde_json::from_value(json!({
            "requestId": "r", "sessionId": "s", "kind": kind, "toolName": "Bash", "state": "open",
            "input": {"questions": [{"question": "Which one?", "multiSelect": true,
                "options": [{"label": "red"}, {"label": "blue"}]}]},
            "createdAt": "2026-01-01T00:00:00Z",
        }))
        .unwrap();
        Request::waiting(&request)
    }

    #[test]
    fn choices_are_pairs_and_several_of_a_question_stand_together() {
        let given = ["a=b?=yes", "Which one?=red", "Which one?=blue"].map(str::to_owned);
        let pairs = pairs(&given).unwrap();
        assert_eq!(pairs["a=b?"], "yes");
        assert_eq!(pairs["Which one?"], "red, blue");
        assert!(super::pairs(&["yes".to_owned()]).is_err());
    }

    #[test]
    fn what_does_not_fit_is_said_in_the_words_of_the_command_line() {
        let checked = |kind: &str, choices: &[&str], other: &[&str]| {
            let owned = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
            let (chosen, own) = (
                pairs(&owned(choices)).unwrap(),
                pairs(&owned(other)).unwrap(),
            );
            check(&request(kind), &chosen, &own, "ff session answer w s r")
        };
        assert_eq!(checked("permission", &[], &[]), Ok(()));
        let refused = checked("permission", &["Which one?=red"], &[]).unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert_eq!(refused.next.unwrap(), "ff session answer w s r --allow");
        let both = ["Which one?=red", "Which one?=blue"];
        assert_eq!(checked("question", &both, &[]), Ok(()));
        assert_eq!(checked("question", &[], &["Which one?=green"]), Ok(()));
        for choices in [&[][..], &["Which one?=green"], &["Who?=red"]] {
            let refused = checked("question", choices, &[]).unwrap_err();
            assert!(refused.hint.unwrap().contains("red | blue"));
            let next = "ff session answer w s r --allow --choose 'Which one?=red'";
            assert_eq!(refused.next.unwrap(), next);
        }
    }
}
