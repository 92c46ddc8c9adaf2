//! Terminals: REST bodies and the frames of the terminal socket.
//!
//! Binary frames carry an 8-byte big-endian offset, then bytes: server to client the offset in
//! the terminal's output, client to server the offset in that viewer's input. Text frames are
//! [`ServerControl`] and [`ClientControl`]. `docs/PROTOCOL.md` says in which order they come.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{TerminalId, Timestamp, WorkspaceId};

/// Length of the offset before the bytes of a binary frame.
pub const HEADER_LEN: usize = 8;

/// Puts the offset before the bytes.
pub fn encode_frame(offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER_LEN + bytes.len());
    frame.extend_from_slice(&offset.to_be_bytes());
    frame.extend_from_slice(bytes);
    frame
}

/// Takes a binary frame apart; `None` if it is shorter than its header.
pub fn decode_frame(frame: &[u8]) -> Option<(u64, &[u8])> {
    let (header, bytes) = frame.split_first_chunk::<HEADER_LEN>()?;
    Some((u64::from_be_bytes(*header), bytes))
}

/// Width and height in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Size {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

impl Default for Size {
    fn default() -> Self {
        Self { cols: 80, rows: 24 }
    }
}

/// `POST …/terminals`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateTerminal {
    /// Display name; one is made up without it.
    #[serde(default)]
    pub name: Option<String>,
    /// Size of the first viewer.
    #[serde(default)]
    pub size: Size,
}

/// `PATCH …/terminals/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenameTerminal {
    /// Its new display name.
    pub name: String,
}

/// How a shell ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code; 128 + signal when a signal ended it.
    pub code: i32,
    /// Number of the signal, if one ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.signal {
            Some(signal) => write!(f, "signal {signal}"),
            None => write!(f, "exit code {}", self.code),
        }
    }
}

/// A terminal as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terminal {
    /// The terminal's id.
    pub id: TerminalId,
    /// Display name.
    pub name: String,
    /// Its workspace; absent for a terminal in the VM's home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<WorkspaceId>,
    /// Current size.
    pub size: Size,
    /// Identity of its PTY; `INCARNATION:0` is where its output began.
    #[serde(default)]
    pub incarnation: String,
    /// Exit code, once its shell has ended; 128 + signal when a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Number of the signal that ended its shell, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_signal: Option<i32>,
    /// When it was opened.
    pub created_at: Timestamp,
}

/// Text frames of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum ServerControl {
    /// First frame: where the client stands.
    Attached {
        /// Identity of this PTY; offsets of another one mean nothing.
        incarnation: String,
        /// Offset of the first output byte that follows; absent when a redraw does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        offset: Option<u64>,
        /// Input received so far from this viewer id.
        input_offset: u64,
        /// Current size.
        size: Size,
    },
    /// The binary frames up to [`ServerControl::Live`] draw the whole screen anew and are no
    /// part of the output.
    Redraw,
    /// The redraw is over; the output goes on.
    Live {
        /// Offset of the next output byte.
        offset: u64,
    },
    /// Input up to this offset has been written to the PTY.
    Ack {
        /// Offset after the last byte taken.
        offset: u64,
    },
    /// The size changed.
    Size {
        /// Size now.
        size: Size,
    },
    /// The shell ended and all its output was sent; the socket closes after this.
    Exited(Exit),
}

/// Text frames of the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum ClientControl {
    /// This viewer's size.
    Resize {
        /// Size of the viewer's window.
        size: Size,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_names_its_signal_where_there_is_one() {
        let killed = Exit {
            code: 137,
            signal: Some(9),
        };
        let text = serde_json::to_string(&ServerControl::Exited(killed)).unwrap();
        assert_eq!(text, r#"{"type":"exited","code":137,"signal":9}"#);
        let read: ServerControl = serde_json::from_str(r#"{"type":"exited","code":5}"#).unwrap();
        let ServerControl::Exited(exit) = read else {
            panic!("{read:?}")
        };
        assert_eq!(
            (exit.to_string(), killed.to_string()),
            ("exit code 5".into(), "signal 9".into())
        );
    }

    #[test]
    fn frame_reads_back() {
        let frame = encode_frame(u64::MAX - 1, b"abc");
        assert_eq!(
            decode_frame(&frame),
            Some((u64::MAX - 1, b"abc".as_slice()))
        );
        assert_eq!(decode_frame(&frame[..7]), None);
        assert_eq!(
            decode_frame(&frame[..8]),
            Some((u64::MAX - 1, b"".as_slice()))
        );
    }
}
