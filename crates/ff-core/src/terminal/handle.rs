//! One terminal, as others hold it.

use std::sync::Arc;

use bytes::BytesMut;
use ff_protocol::terminal::Terminal;
use ff_protocol::{ErrorCode, TerminalId, Timestamp, WorkspaceId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::InputNote;
use super::owner::Typed;
use super::screen::Screen;
use super::viewer::{Attach, Attached, Place, ViewerInput, ViewerOutput};
use crate::error::{Error, Result};

/// One terminal. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TerminalHandle {
    pub(super) id: TerminalId,
    pub(super) workspace: Option<WorkspaceId>,
    pub(super) created_at: Timestamp,
    pub(super) incarnation: Arc<str>,
    pub(super) screen: Arc<Screen>,
    pub(super) typed: mpsc::Sender<Typed>,
    pub(super) close: CancellationToken,
    pub(super) input: InputNote,
    pub(super) shell: Option<u32>,
}

impl TerminalHandle {
    /// The terminal as the API shows it.
    pub fn describe(&self) -> Terminal {
        let state = self.screen.look();
        let exit = state.exited.map(|(exit, _)| exit);
        Terminal {
            id: self.id.clone(),
            name: state.name.text().to_owned(),
            workspace_id: self.workspace.clone(),
            size: state.sizes.current(),
            incarnation: self.incarnation.to_string(),
            exit_code: exit.map(|exit| exit.code),
            exit_signal: exit.and_then(|exit| exit.signal),
            created_at: self.created_at,
        }
    }

    /// Whether its shell runs.
    pub(super) fn runs(&self) -> bool {
        self.screen.look().exited.is_none()
    }

    /// Attaches a viewer; an earlier attachment of the same one ends. It goes on from its place
    /// in the output if that is of this incarnation and still kept, else a redraw comes first.
    ///
    /// # Errors
    /// `invalid` for an offset that the output has not reached, `limit_reached` when too many
    /// watch.
    pub fn attach(
        &self,
        viewer: TerminalId,
        attach: Attach,
    ) -> Result<(Attached, ViewerOutput, ViewerInput)> {
        let changes = self.screen.changes();
        let entered = self.screen.change(|state| {
            let end = state.ring.end();
            let known = |(incarnation, offset): (String, u64)| {
                (incarnation == *self.incarnation).then_some(offset)
            };
            let from = attach.from.and_then(known);
            if let Some(offset) = from.filter(|&offset| offset > end) {
                let detail = format!("offset {offset} is in the future: there are {end} bytes");
                return Err(Error::refused(ErrorCode::Invalid, detail));
            }
            let (attachment, replaced) = state.viewers.enter(&viewer)?;
            if let Some(replaced) = replaced {
                state.sizes.remove(replaced);
            }
            // Who has seen nothing has seen all of a terminal that has shown nothing.
            let from = from.or((end == 0).then_some(0));
            let attached = Attached {
                incarnation: self.incarnation.to_string(),
                offset: from.filter(|&offset| state.ring.keeps(offset)),
                input_offset: state.inputs.taken(&viewer),
                size: state.sizes.current(),
            };
            let acked = attached.input_offset.min(state.inputs.written(&viewer));
            Ok((attachment, attached, acked))
        });
        let (attachment, attached, acked) = entered?;
        let output = ViewerOutput {
            screen: Arc::clone(&self.screen),
            changes,
            viewer: viewer.clone(),
            attachment,
            place: attached.offset.map_or(Place::Behind, Place::Live),
            acked,
            size: attached.size,
            buffer: BytesMut::new(),
        };
        let input = ViewerInput {
            screen: Arc::clone(&self.screen),
            typed: self.typed.clone(),
            viewer,
            attachment,
            read_only: attach.read_only,
            note: self.input.clone(),
        };
        Ok((attached, output, input))
    }
}
