//! A permission request, question or plan of the CLI, and the user's answer.

use std::collections::BTreeMap;

use ff_protocol::question::{self, BETWEEN, Question};
use ff_protocol::session::{Answer, RequestKind, UserRequest};
use ff_protocol::socket::ClientFrame;
use ff_protocol::{ClientId, RequestId, SessionId};
use serde_json::Value;

use super::tools::summary;
use crate::clean::{clean, clean_line};
use crate::context::Context;
use crate::output::say;
use crate::stop;
use crate::tty::input;

/// A request that waits for its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    kind: RequestKind,
    tool: String,
    input: Value,
    questions: Vec<Question>,
}

impl Request {
    /// Reads the journal's entry of a request.
    pub fn of(payload: &Value) -> Option<Self> {
        let kind = match payload["kind"].as_str() {
            Some("question") => RequestKind::Question,
            Some("plan") => RequestKind::Plan,
            _ => RequestKind::Permission,
        };
        let tool = payload["toolName"].as_str().unwrap_or("tool");
        let id = payload["requestId"].as_str()?.parse().ok()?;
        Some(Self::new(id, kind, tool, &payload["input"]))
    }

    /// A request that waited already.
    pub fn waiting(request: &UserRequest) -> Self {
        let id = request.request_id.clone();
        Self::new(id, request.kind, &request.tool_name, &request.input)
    }

    fn new(id: RequestId, kind: RequestKind, tool: &str, input: &Value) -> Self {
        let questions = match kind {
            RequestKind::Question => question::of_input(input),
            RequestKind::Permission | RequestKind::Plan => Vec::new(),
        };
        Self {
            id,
            kind,
            tool: clean_line(tool),
            input: input.clone(),
            questions,
        }
    }

    /// The request for people.
    pub fn lines(&self) -> Vec<String> {
        if self.questions.is_empty() {
            let plan = self.input["plan"].as_str();
            let plan = plan.map(|plan| format!("\n{}", clean(plan)));
            let about = plan.unwrap_or_else(|| summary(&self.input));
            return vec![format!("? {}: {about}", self.tool)];
        }
        let mut lines = Vec::new();
        for question in &self.questions {
            lines.push(format!("? {}", clean(&question.text)));
            let labels = question.labels.iter().enumerate();
            lines.extend(labels.map(|(at, label)| format!("  {}) {}", at + 1, clean_line(label))));
        }
        lines
    }

    /// The answer that refuses.
    pub fn refusal(&self, why: &str) -> Answer {
        Answer {
            message: Some(why.to_owned()),
            ..self.answer(false)
        }
    }

    /// The answer that allows; a question has none without the user's choice.
    pub fn allowance(&self) -> Option<Answer> {
        (self.kind != RequestKind::Question).then(|| self.answer(true))
    }

    /// The frame that carries an answer.
    pub fn frame(&self, session: &SessionId, answer: Answer) -> ClientFrame {
        let id = answer.id.unwrap_or_else(ClientId::generate);
        let (session_id, request_id) = (session.clone(), self.id.clone());
        // A refused question goes the other way, for its reason's sake.
        if self.kind == RequestKind::Question && answer.allow {
            return ClientFrame::QuestionResponse {
                id,
                session_id,
                request_id,
                answers: answer.answers,
                other: answer.other,
                by: answer.by,
            };
        }
        ClientFrame::PermissionResponse {
            id,
            session_id,
            request_id,
            allow: answer.allow,
            message: answer.message,
            by: answer.by,
        }
    }

    /// Asks the user at the terminal.
    ///
    /// # Errors
    /// The user leaves.
    pub async fn ask(&self, context: &Context) -> anyhow::Result<Answer> {
        let mut dialog = Dialog::new(self.clone());
        loop {
            say(dialog.asks());
            let line = stop::unless(context.stop(), async { Ok(input::line().await) }).await?;
            if let Some(answer) = dialog.hear(line.as_deref()) {
                return Ok(answer);
            }
        }
    }

    /// What it is about.
    pub fn kind(&self) -> RequestKind {
        self.kind
    }

    /// The questions, if it is one.
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// An answer without words.
    pub fn answer(&self, allow: bool) -> Answer {
        Answer {
            request_id: self.id.clone(),
            allow,
            message: None,
            answers: None,
            other: None,
            id: Some(ClientId::generate()),
            by: user_name(),
        }
    }
}

/// A request that is put to the user, line by line.
#[derive(Debug)]
pub struct Dialog {
    request: Request,
    chosen: BTreeMap<String, String>,
    /// Texts of the user's own.
    own: BTreeMap<String, String>,
}

impl Dialog {
    /// Nothing was asked yet.
    pub fn new(request: Request) -> Self {
        Self {
            request,
            chosen: BTreeMap::new(),
            own: BTreeMap::new(),
        }
    }

    /// What it is about.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// What the next line answers.
    pub fn asks(&self) -> String {
        match (self.question(), self.request.kind) {
            (Some(question), _) => {
                let how = match (question.labels.is_empty(), question.several) {
                    (true, _) => "your answer",
                    (false, false) => "number or text",
                    (false, true) => "numbers (1,3) or text",
                };
                match self.request.questions.len() {
                    1 => format!("{how}:"),
                    _ => format!("{}  {how}:", clean(&question.text)),
                }
            }
            (None, RequestKind::Plan) => "carry out this plan? y, n, or what to change:".to_owned(),
            (None, _) => "allow? y, n, or why not:".to_owned(),
        }
    }

    /// Takes the user's line, or the end of their input; gives the answer once it is complete.
    pub fn hear(&mut self, line: Option<&str>) -> Option<Answer> {
        let Some(line) = line.map(str::trim) else {
            return Some(self.request.refusal("the user gave no answer"));
        };
        if let Some(question) = self.question().cloned() {
            if line.is_empty() {
                return None;
            }
            match chosen(&question, line) {
                Some(label) => self.chosen.insert(question.text, label),
                None => self.own.insert(question.text, line.to_owned()),
            };
            if self.question().is_some() {
                return None;
            }
            let some = |texts: BTreeMap<_, _>| (!texts.is_empty()).then_some(texts);
            return Some(Answer {
                answers: some(std::mem::take(&mut self.chosen)),
                other: some(std::mem::take(&mut self.own)),
                ..self.request.answer(true)
            });
        }
        Some(match line.to_lowercase().as_str() {
            "y" | "yes" => self.request.answer(true),
            "" | "n" | "no" => self.request.refusal("the user refused"),
            _ => self.request.refusal(line),
        })
    }

    /// The next question without an answer.
    fn question(&self) -> Option<&Question> {
        let mut all = self.request.questions.iter();
        all.find(|it| !self.chosen.contains_key(&it.text) && !self.own.contains_key(&it.text))
    }
}

/// The choice a line means, by number or as it stands there; `None` for a text of the user's own.
fn chosen(question: &Question, line: &str) -> Option<String> {
    let label = |word: &str| {
        let number: usize = word.trim().parse().ok()?;
        question.labels.get(number.checked_sub(1)?).cloned()
    };
    let by_number = match question.several {
        true => line.split(',').map(label).collect::<Option<Vec<_>>>(),
        false => label(line).map(|one| vec![one]),
    };
    let meant = by_number.map_or_else(|| line.to_owned(), |labels| labels.join(BETWEEN));
    question.offers(&meant).then_some(meant)
}

/// Who answers, for people.
fn user_name() -> Option<String> {
    std::env::var("USER").ok().filter(|name| !name.is_empty())
}
