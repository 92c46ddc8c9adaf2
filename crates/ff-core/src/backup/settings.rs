//! The user's settings in a backup.

use ff_protocol::session::PermissionPreset;
use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::format::{Provider, nullable};
use crate::ratchet::reviews::TriggerMode;

/// The user's settings. Kept for the way back; what of them counts here says who uses it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct UserSettings {
    pub preferred_ide: String,
    #[serde(deserialize_with = "nullable")]
    pub custom_ide_command: Option<String>,
    pub play_sound_on_complete: bool,
    #[serde(deserialize_with = "nullable")]
    pub notification_sound_path: Option<String>,
    pub ratchet_enabled: bool,
    #[serde(default = "yes")]
    pub ratchet_reply_to_pr_comments: bool,
    #[serde(default)]
    pub ratchet_review_trigger_mode: TriggerMode,
    pub default_session_provider: Provider,
    #[serde(default = "sonnet")]
    pub default_claude_model: String,
    #[serde(default = "default_model")]
    pub default_codex_model: String,
    #[serde(default)]
    pub default_claude_reasoning_effort: Option<String>,
    #[serde(default)]
    pub default_codex_reasoning_effort: Option<String>,
    #[serde(default = "strict")]
    pub default_workspace_permissions: PermissionPreset,
    #[serde(default = "yolo")]
    pub ratchet_permissions: PermissionPreset,
    #[serde(default)]
    pub voice_mode_enabled: bool,
    #[serde(default = "voice")]
    pub voice_tts_model: String,
    #[serde(default = "normal_speed")]
    pub voice_tts_speed: Number,
    #[serde(default = "a_second")]
    pub voice_utterance_end_ms: i64,
    #[serde(default = "a_frame")]
    pub voice_barge_in_sustained_ms: i64,
}

fn yes() -> bool {
    true
}

fn sonnet() -> String {
    "sonnet".to_owned()
}

fn default_model() -> String {
    "default".to_owned()
}

fn strict() -> PermissionPreset {
    PermissionPreset::Strict
}

fn yolo() -> PermissionPreset {
    PermissionPreset::Yolo
}

fn voice() -> String {
    "aura-2-thalia-en".to_owned()
}

fn normal_speed() -> Number {
    Number::from(1)
}

fn a_second() -> i64 {
    1000
}

fn a_frame() -> i64 {
    16
}
