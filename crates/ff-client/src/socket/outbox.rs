//! What a client has said on a workspace socket and no answer has come to yet. Pure.

use std::collections::VecDeque;

use ff_protocol::ClientId;
use ff_protocol::socket::{ClientFrame, WorkspaceFrame};
use tokio::sync::oneshot;

use crate::error::{ClientError, Result};

/// Most frames that wait for their answer.
const WAITING: usize = 64;

/// A frame on its way, with the one who waits for what becomes of it.
#[derive(Debug)]
pub(super) struct Said {
    /// The frame.
    pub(super) frame: ClientFrame,
    /// Told once.
    pub(super) outcome: oneshot::Sender<Result<()>>,
}

/// Frames in the order they were said. Each is kept until it is answered, and sent again on the
/// next connection: its id makes that harmless.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Said>,
    /// How many of them went out on this connection.
    sent: usize,
}

impl Outbox {
    /// Whether one more may be said.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < WAITING
    }

    /// Whether nothing waits for an answer.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Says something.
    pub(super) fn push(&mut self, said: Said) {
        self.waiting.push_back(said);
    }

    /// The next frame to go out on this connection.
    pub(super) fn next_frame(&mut self) -> Option<String> {
        loop {
            let said = self.waiting.get(self.sent)?;
            match serde_json::to_string(&said.frame) {
                Ok(text) => {
                    self.sent += 1;
                    return Some(text);
                }
                // Our own frames are always JSON; were one not, whoever waits sees it dropped.
                Err(_) => drop(self.waiting.remove(self.sent)),
            }
        }
    }

    /// A frame of the engine came: it may answer one of ours.
    pub(super) fn hear(&mut self, frame: &WorkspaceFrame) {
        match frame {
            WorkspaceFrame::Accepted { id } => self.resolve(id, || Ok(())),
            WorkspaceFrame::Rejected {
                id: Some(id),
                problem,
            } => self.resolve(id, || Err(ClientError::Problem(problem.clone()))),
            _ => {}
        }
    }

    /// The connection is gone: what is not answered goes out again on the next.
    pub(super) fn disconnected(&mut self) {
        self.sent = 0;
    }

    fn resolve(&mut self, id: &ClientId, outcome: impl Fn() -> Result<()>) {
        while let Some(at) = self.waiting.iter().position(|said| said.frame.id() == id) {
            if let Some(said) = self.waiting.remove(at) {
                // Who does not wait any more need not be told.
                let _ = said.outcome.send(outcome());
            }
            if at < self.sent {
                self.sent -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ff_protocol::{ErrorCode, Problem, SessionId};

    use super::*;

    fn say(outbox: &mut Outbox) -> (ClientId, oneshot::Receiver<Result<()>>) {
        let id = ClientId::generate();
        let frame = ClientFrame::Interrupt {
            id: id.clone(),
            session_id: SessionId::generate(),
        };
        let (outcome, told) = oneshot::channel();
        outbox.push(Said { frame, outcome });
        (id, told)
    }

    fn frames(outbox: &mut Outbox) -> Vec<ClientId> {
        std::iter::from_fn(|| outbox.next_frame())
            .map(|text| {
                let frame: ClientFrame = serde_json::from_str(&text).unwrap();
                frame.id().clone()
            })
            .collect()
    }

    #[test]
    fn what_is_not_answered_goes_out_again_in_its_order() {
        let mut outbox = Outbox::default();
        let (one, mut told_one) = say(&mut outbox);
        let (two, mut told_two) = say(&mut outbox);
        assert_eq!(frames(&mut outbox), [one.clone(), two.clone()]);
        assert_eq!(frames(&mut outbox), []);
        outbox.hear(&WorkspaceFrame::Accepted { id: one });
        assert!(told_one.try_recv().unwrap().is_ok());
        let (three, _told) = say(&mut outbox);
        assert_eq!(frames(&mut outbox), std::slice::from_ref(&three));
        outbox.disconnected();
        assert_eq!(frames(&mut outbox), [two.clone(), three]);
        outbox.hear(&WorkspaceFrame::Rejected {
            id: Some(two),
            problem: Problem::new(ErrorCode::Conflict, "no"),
        });
        let refused = told_two.try_recv().unwrap().unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::Conflict));
    }

    #[test]
    fn it_is_bounded() {
        let mut outbox = Outbox::default();
        let mut told = Vec::new();
        while outbox.has_room() {
            told.push(say(&mut outbox));
        }
        assert_eq!(told.len(), WAITING);
        outbox.hear(&WorkspaceFrame::Accepted {
            id: told[3].0.clone(),
        });
        assert!(outbox.has_room());
    }
}
