//! `GET …/terminals/{terminal}/socket?from=INCARNATION:OFFSET&viewer=ID`: a viewer of a terminal.
//! Frames as in [`ff_protocol::terminal`].

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use ff_core::activity::{Permit, Permits};
use ff_core::terminal::{TerminalHandle, ViewerEvent, ViewerInput, ViewerOutput};
use ff_protocol::terminal::{ClientControl, ServerControl, decode_frame, encode_frame};
use ff_protocol::{ErrorCode, TerminalId, VmId, WorkspaceId, close};
use serde::Deserialize;

use super::find;
use crate::extract::{Path, Query};
use crate::socket::{Broken, Heard, Listener, Speaker, Upgrade, close_after, open};
use crate::{ApiError, Engine};

/// A program that takes no input keeps the machine awake for this long. Its input waits in our
/// memory, where a freeze does it no harm, and is not acknowledged before it is written.
const PERMIT: Duration = Duration::from_secs(30);
const LARGEST_FRAME: usize = 1 << 20;

#[derive(Deserialize)]
pub(super) struct Params {
    from: Option<String>,
    viewer: Option<TerminalId>,
}

pub(super) async fn in_workspace(
    State(engine): State<Engine>,
    Path((workspace, terminal)): Path<(WorkspaceId, TerminalId)>,
    Query(params): Query<Params>,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    attach(
        &engine,
        find(&engine, Some(&workspace), &terminal)?,
        params,
        upgrade,
    )
}

pub(super) async fn in_vm(
    State(engine): State<Engine>,
    Path((vm, terminal)): Path<(VmId, TerminalId)>,
    Query(params): Query<Params>,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    engine.check_vm(&vm)?;
    attach(&engine, find(&engine, None, &terminal)?, params, upgrade)
}

/// Why a viewer's socket ends.
type Goodbye = (u16, &'static str);

fn attach(
    engine: &Engine,
    handle: TerminalHandle,
    params: Params,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    let core = engine.core().clone();
    let from = params.from.as_deref().map(place).transpose()?;
    let from = from.map(|(incarnation, offset)| (incarnation.to_owned(), offset));
    let viewer = params.viewer.unwrap_or_else(TerminalId::generate);
    let awake = core.awake().clone();
    Ok(open(
        upgrade,
        LARGEST_FRAME,
        awake,
        async move |mut speaker, mut listener| {
            let from = from
                .as_ref()
                .map(|(incarnation, offset)| (incarnation.as_str(), *offset));
            let (attached, output, input) = handle.attach(viewer, from);
            drop(handle);
            let attached = ServerControl::Attached {
                incarnation: attached.incarnation,
                offset: attached.offset,
                input_offset: attached.input_offset,
                size: attached.size,
            };
            if speaker.json(&attached).await.is_err() {
                return;
            }
            // Side by side: while the program takes no input, its output goes on.
            let goodbye = tokio::select! {
                goodbye = show(output, &mut speaker) => goodbye,
                goodbye = type_in(input, core.permits(), &mut listener) => goodbye,
                () = core.sessions().stopping() => Some((close::RESTART, "the engine is stopping")),
            };
            if let Some((code, reason)) = goodbye {
                close_after(speaker, listener, code, reason).await;
            }
        },
    ))
}

/// Reads `INCARNATION:OFFSET`.
fn place(text: &str) -> Result<(&str, u64), ApiError> {
    let place = text
        .rsplit_once(':')
        .and_then(|(name, offset)| Some((name, offset.parse().ok()?)));
    place.ok_or_else(|| ApiError::new(ErrorCode::BadRequest, "`from` is INCARNATION:OFFSET"))
}

async fn show(mut output: ViewerOutput, speaker: &mut Speaker) -> Option<Goodbye> {
    loop {
        let event = tokio::select! {
            event = output.next() => Some(event),
            () = speaker.ping_due() => None,
        };
        let sent = match event {
            Some(event) => send(event, speaker).await,
            None => speaker.ping().await.map(|()| None),
        };
        match sent {
            Ok(None) => {}
            Ok(goodbye) => return goodbye,
            Err(Broken) => return None,
        }
    }
}

async fn send(event: ViewerEvent, speaker: &mut Speaker) -> Result<Option<Goodbye>, Broken> {
    let control = match event {
        ViewerEvent::Output { offset, bytes } => {
            speaker.binary(encode_frame(offset, &bytes)).await?;
            return Ok(None);
        }
        ViewerEvent::Skipped { offset } => ServerControl::Skipped { offset },
        ViewerEvent::Ack { offset } => ServerControl::Ack { offset },
        ViewerEvent::Size { size } => ServerControl::Size { size },
        ViewerEvent::Exited { code } => {
            speaker.json(&ServerControl::Exited { code }).await?;
            return Ok(Some((close::DONE, "the shell ended")));
        }
    };
    speaker.json(&control).await?;
    Ok(None)
}

/// Input waits while the gate is closed; more of it is not read meanwhile.
async fn type_in(
    input: ViewerInput,
    permits: &Permits,
    listener: &mut Listener,
) -> Option<Goodbye> {
    loop {
        let goodbye = match listener.next().await {
            Heard::Over => return None,
            Heard::TooLarge => return Some((close::TOO_LARGE, "a frame has at most 1 MiB")),
            Heard::Binary(frame) => {
                let permit = permits.take("terminal input").await;
                typed(&input, frame, permit).await
            }
            Heard::Text(text) => resized(&input, &text),
        };
        listener.forgive();
        if goodbye.is_some() {
            return goodbye;
        }
    }
}

async fn typed(input: &ViewerInput, frame: Bytes, permit: Permit) -> Option<Goodbye> {
    let Some((offset, bytes)) = decode_frame(&frame) else {
        return Some((close::POLICY, "a binary frame has an offset of 8 bytes"));
    };
    let sending = input.send(offset, bytes.to_vec());
    tokio::pin!(sending);
    let sent = match tokio::time::timeout(PERMIT, &mut sending).await {
        Ok(sent) => sent,
        Err(_) => {
            drop(permit);
            sending.await
        }
    };
    match sent {
        // Of a shell that ended, the other side tells.
        Ok(()) => None,
        Err(error) if error.code() == ErrorCode::Gone => None,
        // Connecting again tells the client where its input stands.
        Err(_) => Some((close::FAULT, "input is missing before this frame")),
    }
}

fn resized(input: &ViewerInput, text: &str) -> Option<Goodbye> {
    // A frame of a kind we do not know comes from a newer client.
    let Ok(ClientControl::Resize { size }) = serde_json::from_str(text) else {
        return None;
    };
    match input.resize(size) {
        Ok(()) => None,
        Err(_) => Some((close::POLICY, "that is no size")),
    }
}
