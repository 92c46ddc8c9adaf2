//! A permission request or question of the CLI, and the user's answer.

use std::collections::BTreeMap;

use ff_protocol::RequestId;
use ff_protocol::session::Answer;
use serde_json::Value;

use super::render::summary;
use crate::context::Context;
use crate::output::say;
use crate::stop;
use crate::tty::input;

/// A request that waits for its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    tool: String,
    input: Value,
    questions: Vec<Question>,
}

#[derive(Debug, Clone, PartialEq)]
struct Question {
    text: String,
    labels: Vec<String>,
}

impl Request {
    /// Reads the journal's entry of a request.
    pub fn of(payload: &Value) -> Option<Self> {
        let input = payload["input"].clone();
        let questions = match payload["kind"].as_str() {
            Some("question") => questions(&input),
            _ => Vec::new(),
        };
        Some(Self {
            id: payload["requestId"].as_str()?.parse().ok()?,
            tool: payload["toolName"].as_str().unwrap_or("tool").to_owned(),
            input,
            questions,
        })
    }

    /// The request for people.
    pub fn lines(&self) -> Vec<String> {
        if self.questions.is_empty() {
            let plan = self.input["plan"].as_str().map(|plan| format!("\n{plan}"));
            let about = plan.unwrap_or_else(|| summary(&self.input));
            return vec![format!("? {}: {about}", self.tool)];
        }
        let mut lines = Vec::new();
        for question in &self.questions {
            lines.push(format!("? {}", question.text));
            let labels = question.labels.iter().enumerate();
            lines.extend(labels.map(|(at, label)| format!("  {}) {label}", at + 1)));
        }
        lines
    }

    /// The answer that refuses.
    pub fn refusal(&self, why: &str) -> Answer {
        Answer {
            request_id: self.id.clone(),
            allow: false,
            message: Some(why.to_owned()),
            answers: None,
            id: None,
            by: None,
        }
    }

    /// Asks the user at the terminal.
    ///
    /// # Errors
    /// The user leaves.
    pub async fn ask(&self, context: &Context) -> anyhow::Result<Answer> {
        let mut answers = BTreeMap::new();
        for question in &self.questions {
            say(format!("{}  number or text:", question.text));
            let Some(line) = line(context).await? else {
                return Ok(self.refusal("the user gave no answer"));
            };
            answers.insert(question.text.clone(), question.meaning(&line));
        }
        if self.questions.is_empty() {
            say("allow? [y/N]");
            let yes = line(context).await?.is_some_and(|line| is_yes(&line));
            if !yes {
                return Ok(self.refusal("the user refused"));
            }
        }
        Ok(Answer {
            request_id: self.id.clone(),
            allow: true,
            message: None,
            answers: (!answers.is_empty()).then_some(answers),
            id: None,
            by: None,
        })
    }
}

impl Question {
    fn meaning(&self, line: &str) -> String {
        let number: Option<usize> = line.parse().ok();
        let label = number.and_then(|n| self.labels.get(n.checked_sub(1)?));
        label.cloned().unwrap_or_else(|| line.to_owned())
    }
}

async fn line(context: &Context) -> anyhow::Result<Option<String>> {
    stop::unless(context.stop(), async { Ok(input::line().await) }).await
}

fn is_yes(line: &str) -> bool {
    matches!(line.to_lowercase().as_str(), "y" | "yes")
}

fn questions(input: &Value) -> Vec<Question> {
    let all = input["questions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let question = |value: &Value| {
        let options = value["options"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let labels = options.iter().filter_map(|option| option["label"].as_str());
        Some(Question {
            text: value["question"].as_str()?.to_owned(),
            labels: labels.map(str::to_owned).collect(),
        })
    };
    all.iter().filter_map(question).collect()
}
