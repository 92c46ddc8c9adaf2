//! Typed ids. Every id is an opaque string of 1 to 64 characters of `[a-z0-9-]`; ours are
//! UUIDv7, imported ones stay as they were.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An id that breaks the rule for ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {kind} id: use 1 to 64 characters of a-z, 0-9 and -")]
pub struct InvalidId {
    kind: &'static str,
    text: String,
}

fn check(kind: &'static str, text: &str) -> Result<(), InvalidId> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(());
    }
    let text = text.chars().take(80).collect();
    Err(InvalidId { kind, text })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// A fresh id (UUIDv7, so ids sort by their time of birth).
            pub fn generate() -> Self {
                Self(uuid::Uuid::now_v7().to_string())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                check($kind, &text)?;
                Ok(Self(text))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A user of the cloud.
    UserId, "user"
);
id!(
    /// A user's VM.
    VmId, "VM"
);
id!(
    /// A project: one repository on one machine.
    ProjectId, "project"
);
id!(
    /// A workspace; unique within its user.
    WorkspaceId, "workspace"
);
id!(
    /// A conversation with the Claude CLI.
    SessionId, "session"
);
id!(
    /// A terminal of a VM or workspace.
    TerminalId, "terminal"
);
id!(
    /// One move of a workspace.
    HandoffId, "hand-off"
);
id!(
    /// One installation of the desktop app.
    DesktopId, "desktop"
);
id!(
    /// A question or permission request the CLI has put to the user.
    RequestId, "request"
);
id!(
    /// A message of a client, made by the client: it takes effect once however often it is sent.
    ClientId, "message"
);
id!(
    /// A promise to keep a VM awake.
    LeaseId, "lease"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_rule_allows() {
        for text in [
            "a",
            "cmwrr3bsc00021l7dnuv8s3d6",
            &"x".repeat(64),
            "test-user",
        ] {
            assert_eq!(text.parse::<UserId>().unwrap().as_str(), text);
        }
        let fresh = VmId::generate();
        assert_eq!(fresh.as_str().parse::<VmId>().unwrap(), fresh);
    }

    #[test]
    fn refuses_everything_else_also_through_json() {
        for text in ["", "A", "a/b", "..", "a b", "é", &"x".repeat(65)] {
            assert!(
                text.parse::<WorkspaceId>().is_err(),
                "{text:?} was accepted"
            );
            let json = serde_json::to_string(text).unwrap();
            assert!(serde_json::from_str::<WorkspaceId>(&json).is_err());
        }
    }
}
