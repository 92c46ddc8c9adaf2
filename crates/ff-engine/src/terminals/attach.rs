//! `GET …/terminals/{terminal}/socket?from=INCARNATION:OFFSET&viewer=ID&readonly=true`: a viewer
//! of a terminal. Frames as in [`ff_protocol::terminal`].
//!
//! A terminal that is not there, or an offset it has not reached, is told by a close code: a
//! browser sees nothing else of a socket that does not come to be.

use std::borrow::Cow;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use ff_core::activity::{Permit, Permits};
use ff_core::terminal::{Attach, Attached, TerminalHandle, ViewerEvent, ViewerInput, ViewerOutput};
use ff_protocol::terminal::{ClientControl, Exit, ServerControl, decode_frame, encode_frame};
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
    #[serde(default)]
    readonly: bool,
}

pub(super) async fn in_workspace(
    State(engine): State<Engine>,
    Path((workspace, terminal)): Path<(WorkspaceId, TerminalId)>,
    Query(params): Query<Params>,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    let found = find(&engine, Some(&workspace), &terminal);
    attach(&engine, found, params, upgrade)
}

pub(super) async fn in_vm(
    State(engine): State<Engine>,
    Path((vm, terminal)): Path<(VmId, TerminalId)>,
    Query(params): Query<Params>,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    engine.check_vm(&vm)?;
    attach(&engine, find(&engine, None, &terminal), params, upgrade)
}

/// Why a viewer's socket ends: a code of [`ff_protocol::close`] and the reason.
struct Goodbye(u16, Cow<'static, str>);

impl Goodbye {
    fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self(code, reason.into())
    }

    fn ended(exit: Exit) -> Self {
        Self::new(close::DONE, format!("the shell ended with {exit}"))
    }

    /// Of a viewer that was not let in.
    fn refused(error: &ff_core::Error) -> Self {
        let code = match error.code() {
            ErrorCode::LimitReached => close::TRY_LATER,
            _ => close::POLICY,
        };
        Self::new(code, error.problem().detail)
    }
}

fn attach(
    engine: &Engine,
    found: Result<TerminalHandle, ApiError>,
    params: Params,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    let core = engine.core().clone();
    let viewer = params.viewer.unwrap_or_else(TerminalId::generate);
    let attach = Attach {
        from: params.from.as_deref().map(place).transpose()?,
        read_only: params.readonly,
    };
    let awake = core.awake().clone();
    Ok(open(
        upgrade,
        LARGEST_FRAME,
        awake,
        async move |mut speaker, mut listener| {
            let entered = match found {
                Ok(handle) => handle
                    .attach(viewer, attach)
                    .map_err(|error| Goodbye::refused(&error)),
                Err(_) => Err(Goodbye::new(
                    close::NOT_FOUND,
                    "there is no such terminal here",
                )),
            };
            // Side by side: while the program takes no input, its output goes on.
            let goodbye = match entered {
                Err(goodbye) => Some(goodbye),
                Ok((attached, output, input)) => tokio::select! {
                    goodbye = show(attached, output, &mut speaker) => goodbye,
                    goodbye = type_in(input, core.permits(), &mut listener) => goodbye,
                    () = core.sessions().stopping() => {
                        Some(Goodbye::new(close::RESTART, "the engine is stopping"))
                    }
                },
            };
            if let Some(Goodbye(code, reason)) = goodbye {
                close_after(speaker, listener, code, &reason).await;
            }
        },
    ))
}

/// Reads `INCARNATION:OFFSET`.
fn place(text: &str) -> Result<(String, u64), ApiError> {
    let place = text
        .rsplit_once(':')
        .and_then(|(name, offset)| Some((name.to_owned(), offset.parse().ok()?)));
    place.ok_or_else(|| ApiError::new(ErrorCode::BadRequest, "`from` is INCARNATION:OFFSET"))
}

async fn show(
    attached: Attached,
    mut output: ViewerOutput,
    speaker: &mut Speaker,
) -> Option<Goodbye> {
    let attached = ServerControl::Attached {
        incarnation: attached.incarnation,
        offset: attached.offset,
        input_offset: attached.input_offset,
        size: attached.size,
    };
    if speaker.json(&attached).await.is_err() {
        return None;
    }
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
        // Its offset means nothing: these are no bytes of the output.
        ViewerEvent::Drawn { bytes } => {
            speaker.binary(encode_frame(0, &bytes)).await?;
            return Ok(None);
        }
        ViewerEvent::Replaced => {
            let reason = "this viewer has connected once more";
            return Ok(Some(Goodbye::new(close::POLICY, reason)));
        }
        ViewerEvent::Exited(exit) => {
            speaker.json(&ServerControl::Exited(exit)).await?;
            return Ok(Some(Goodbye::ended(exit)));
        }
        ViewerEvent::Redraw => ServerControl::Redraw,
        ViewerEvent::Live { offset } => ServerControl::Live { offset },
        ViewerEvent::Ack { offset } => ServerControl::Ack { offset },
        ViewerEvent::Size { size } => ServerControl::Size { size },
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
            Heard::TooLarge => {
                return Some(Goodbye::new(close::TOO_LARGE, "a frame has at most 1 MiB"));
            }
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
        let reason = "a binary frame has an offset of 8 bytes";
        return Some(Goodbye::new(close::POLICY, reason));
    };
    let sending = input.send(offset, frame.slice_ref(bytes));
    tokio::pin!(sending);
    let sent = match tokio::time::timeout(PERMIT, &mut sending).await {
        Ok(sent) => sent,
        Err(_) => {
            drop(permit);
            sending.await
        }
    };
    let error = sent.err()?;
    match error.code() {
        // Of a shell that ended the other side tells, after all that it has shown.
        ErrorCode::Gone => std::future::pending().await,
        ErrorCode::Conflict => Some(Goodbye::refused(&error)),
        // Connecting again tells the client where its input stands.
        _ => Some(Goodbye::new(
            close::FAULT,
            "input is missing before this frame",
        )),
    }
}

fn resized(input: &ViewerInput, text: &str) -> Option<Goodbye> {
    // A frame of a kind we do not know comes from a newer client.
    let Ok(ClientControl::Resize { size }) = serde_json::from_str(text) else {
        return None;
    };
    let error = input.resize(size).err()?;
    Some(Goodbye::refused(&error))
}
