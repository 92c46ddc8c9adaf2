//! Whether a reader may be written to, and what of a client's messages wakes it.

use super::follower::Content;

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A workspace's events; all that a client says there is meant.
    Workspace,
    /// A terminal; binary messages are input, text is about the connection.
    Terminal,
}

impl Kind {
    /// Whether a client's message wakes the VM: something is to be done, not only shown.
    pub fn is_intent(self, content: Content) -> bool {
        matches!(
            (self, content),
            (Self::Workspace, Content::Text) | (Self::Terminal, Content::Binary)
        )
    }
}

/// Stands before a reader who is not always to be written to.
pub trait Gate {
    /// Whether the reader may be written to now. If that is not known, it is found out.
    fn is_open(&self) -> bool;
    /// Whether it is known that the reader may be written to now.
    fn is_known_open(&self) -> bool;
    /// Something waits that the reader has to be woken for, or waits no more.
    fn wait_for_it(&self, waits: bool);
    /// A user does something.
    fn note_activity(&self);
    /// Something that is to be done is being passed on, or has been.
    fn saying(&self, now: bool);
}

/// No gate: clients are always written to, and agents when it is time to part.
#[derive(Debug)]
pub struct Open;

impl Gate for Open {
    fn is_open(&self) -> bool {
        true
    }
    fn is_known_open(&self) -> bool {
        true
    }
    fn wait_for_it(&self, _: bool) {}
    fn note_activity(&self) {}
    fn saying(&self, _: bool) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_wakes_and_what_is_about_the_connection_does_not() {
        for (kind, content, intent) in [
            (Kind::Terminal, Content::Binary, true),
            (Kind::Terminal, Content::Text, false),
            (Kind::Workspace, Content::Text, true),
            (Kind::Workspace, Content::Binary, false),
        ] {
            assert_eq!(kind.is_intent(content), intent, "{kind:?} {content:?}");
        }
    }
}
