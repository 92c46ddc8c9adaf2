//! Terminals of a VM and the programs in them, for what is measured of output.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use ff_client::socket::{TerminalEvent, TerminalOptions, TerminalSocket};
use ff_client::{EngineClient, TerminalPlace};
use ff_protocol::TerminalId;
use ff_protocol::terminal::{CreateTerminal, Size};
use ff_protocol::vm::VmState;

use super::server::Server;
use crate::journey::outside;
use crate::journey::process::Run;

/// Size of terminals, ours and those of references.
pub(super) const SIZE: Size = Size {
    cols: 100,
    rows: 30,
};
/// Writes `$1` lines of `$2` bytes, `$3` in a second, each with its number and the time in
/// microseconds.
const TICKER: &str = r#"
use Time::HiRes qw(time sleep);
$| = 1;
my ($lines, $bytes, $rate) = @ARGV;
my $start = time;
for my $line (0 .. $lines - 1) {
  my $due = $start + $line / $rate - time;
  sleep $due if $due > 0;
  my $head = sprintf('#%d@%d ', $line, time * 1e6);
  syswrite STDOUT, $head . ('.' x ($bytes - length($head) - 1)) . "\n";
}
"#;

/// A VM whose terminals are used.
#[derive(Debug, Clone)]
pub(super) struct Shells {
    engine: EngineClient,
    place: TerminalPlace,
    container: String,
}

/// What came of a ticker's lines.
#[derive(Debug, Default)]
pub(super) struct Ticks {
    /// Milliseconds from the time in a line until it was here, whole.
    pub(super) delays: Vec<f64>,
    line: Vec<u8>,
}

impl Shells {
    /// Those of a new VM.
    pub(super) async fn new(server: &Server, user: &str) -> Result<Self> {
        let client = server.client(user)?;
        let vm = client.create_vm(None).await?;
        ensure!(vm.state == VmState::Running, "no VM: {:?}", vm.reason);
        let label = format!("label=cloud.factory-factory.vm={}", vm.id);
        let list = ["ps", "--quiet", "--no-trunc", "--filter", &label];
        let container = Run::new("docker").args(list).text().await?;
        ensure!(
            !container.is_empty(),
            "Docker knows no container of {}",
            vm.id
        );
        let shells = Self {
            engine: client.engine().clone(),
            place: TerminalPlace::Vm(vm.id),
            container,
        };
        let write = ["exec", "--interactive", &shells.container, "sh", "-c"];
        let write = Run::new("docker").args(write).args(["cat > ~/ticker"]);
        write.input(TICKER).ok().await?;
        Ok(shells)
    }

    /// The VM's container.
    pub(super) fn container(&self) -> &str {
        &self.container
    }

    /// Runs a command beside the terminals.
    pub(super) async fn look(&self, command: &str) -> Result<String> {
        outside::look_inside(&self.container, command).await
    }

    /// Opens a terminal, and watches it from its first byte.
    pub(super) async fn open(&self) -> Result<(TerminalId, TerminalSocket)> {
        let create = CreateTerminal {
            size: SIZE,
            ..Default::default()
        };
        let made = self.engine.create_terminal(&self.place, &create).await?;
        let from = Some((made.incarnation, 0));
        let socket = self.attach(&made.id, from).await?;
        Ok((made.id, socket))
    }

    /// One more viewer of a terminal, which sees its screen first.
    pub(super) async fn watch(&self, terminal: &TerminalId) -> Result<TerminalSocket> {
        self.attach(terminal, None).await
    }

    async fn attach(
        &self,
        terminal: &TerminalId,
        from: Option<(String, u64)>,
    ) -> Result<TerminalSocket> {
        let options = TerminalOptions {
            size: SIZE,
            from,
            ..Default::default()
        };
        Ok(self.engine.attach(&self.place, terminal, options).await?)
    }

    /// Closes a terminal.
    pub(super) async fn close(&self, terminal: &TerminalId) -> Result<()> {
        Ok(self.engine.close_terminal(&self.place, terminal).await?)
    }
}

/// Reads until these words show, in output or in a redraw.
pub(super) async fn shows(socket: &mut TerminalSocket, words: &str) -> Result<()> {
    let mut end = Vec::new();
    loop {
        match socket.next().await.context("the terminal is over")?? {
            TerminalEvent::Output(bytes) | TerminalEvent::Redraw(bytes) => {
                end.extend_from_slice(&bytes);
                if end
                    .windows(words.len())
                    .any(|part| part == words.as_bytes())
                {
                    return Ok(());
                }
                let over = end.len().saturating_sub(words.len());
                end.drain(..over);
            }
            TerminalEvent::Exited(exit) => bail!("the shell ended with {exit}"),
            TerminalEvent::Reconnecting(why) => bail!("the connection broke: {why}"),
            _ => {}
        }
    }
}

impl Ticks {
    /// Reads lines of a ticker, from its first to the `count`th. Each has to come, in order.
    pub(super) async fn read(socket: &mut TerminalSocket, count: usize) -> Result<Self> {
        let mut ticks = Self::default();
        while ticks.delays.len() < count {
            match socket.next().await.context("the terminal is over")?? {
                TerminalEvent::Output(bytes) => ticks.take(&bytes)?,
                // Before the first line: what the screen showed when we came.
                TerminalEvent::Redraw(_) if ticks.delays.is_empty() => {}
                TerminalEvent::Redraw(_) => bail!("output is missing: the screen was redrawn"),
                TerminalEvent::Exited(exit) => bail!("the shell ended with {exit}"),
                TerminalEvent::Reconnecting(why) => bail!("the connection broke: {why}"),
                _ => {}
            }
        }
        Ok(ticks)
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<()> {
        while let Some(at) = bytes.iter().position(|&byte| byte == b'\n') {
            self.line.extend_from_slice(&bytes[..at]);
            bytes = &bytes[at + 1..];
            let line = std::mem::take(&mut self.line);
            if let Some((number, time)) = parse(&line) {
                let next = self.delays.len();
                ensure!(number == next, "line {number} in place of {next}");
                let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
                let took = now.saturating_sub(Duration::from_micros(time));
                self.delays.push(super::clock::millis(took));
            }
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }
}

/// Number and time of a ticker's line; other lines are the shell's.
fn parse(line: &[u8]) -> Option<(usize, u64)> {
    let at = line.iter().rposition(|&byte| byte == b'#')?;
    let line = std::str::from_utf8(&line[at + 1..]).ok()?;
    let (number, rest) = line.split_once('@')?;
    let (time, dots) = rest.split_once(' ')?;
    let whole = dots.trim_end_matches('\r').bytes().all(|byte| byte == b'.');
    whole.then_some((number.parse().ok()?, time.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_ticker_are_told_from_others_and_have_to_be_in_order() {
        let mut ticks = Ticks::default();
        ticks
            .take(b"ff@vm:~$ perl ~/ticker 3 50 20\r\n#0@17 ..")
            .unwrap();
        ticks.take(b"..\r\nprompt\r\n#1@18 ...\r\n").unwrap();
        assert_eq!(ticks.delays.len(), 2);
        assert!(ticks.take(b"#3@19 ...\r\n").is_err());
        assert_eq!(parse(b"#2@20 .x."), None);
    }
}
