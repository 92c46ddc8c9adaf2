//! What a conversation writes besides the model's words, and where the user types.

use ff_protocol::session::Activity;

use super::talk::Talk;
use crate::output::{is_screen, write_out};

impl Talk<'_> {
    /// Tells the user something on lines of its own.
    pub(super) fn tell(&mut self, lines: &[String]) -> anyhow::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.make_way(true)?;
        let end = self.render.end();
        self.context.out.piece(end)?;
        for line in lines {
            self.context.out.say(line);
        }
        Ok(())
    }

    /// Takes the prompt away before something else is written.
    pub(super) fn make_way(&mut self, needed: bool) -> anyhow::Result<()> {
        if needed && std::mem::take(&mut self.prompted) {
            let gone: &[u8] = if is_screen() { b"\r\x1b[K" } else { b"\n" };
            write_out(gone)?;
        }
        Ok(())
    }

    /// Shows where to type, once there is nothing else to wait for.
    pub(super) fn draw(&mut self) -> anyhow::Result<()> {
        let waits = !self.asking.is_empty() || self.session.activity == Activity::Idle;
        let free = self.by_hand() && self.listens() && self.outstanding == 0 && !self.expecting;
        if self.prompted || !waits || !free || self.render.is_mid_line() {
            return Ok(());
        }
        self.prompted = true;
        match self.asking.front() {
            Some(dialog) => write_out(format!("{} ", dialog.asks()).as_bytes()),
            None => write_out(b"> "),
        }
    }
}
