//! One terminal with a program, and its viewer behind a link.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ff_client::socket::{TerminalEvent, TerminalInput, TerminalOptions, TerminalSocket};
use ff_protocol::terminal::CreateTerminal;
use sha2::{Digest, Sha256};
use tokio::time::Interval;

use super::stage::Vm;
use crate::link::Link;

/// Lines and pieces of input in a second.
const RATE: u32 = 8;
const PIECE: usize = 9;
/// Time for a viewer to notice what happened and come back, and for the rest to come.
const PATIENCE: Duration = Duration::from_secs(120);

/// A terminal in which the program has begun.
pub struct Story {
    /// Between viewer and server.
    pub link: Arc<Link>,
    vm: Vm,
    file: String,
    lines: u32,
    pieces: u32,
    pace: Duration,
    socket: TerminalSocket,
    longest: Duration,
}

/// What its viewer has seen; the whole output and the whole input are as they must be.
#[derive(Debug)]
pub struct Seen {
    /// Bytes of output.
    pub output: usize,
    /// Bytes of input.
    pub input: usize,
    /// How often the viewer tried to come back.
    pub reconnects: u64,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            output,
            input,
            reconnects,
        } = self;
        write!(
            f,
            "{output} bytes out and {input} in, SHA-256 equal; {reconnects} attempts to reconnect"
        )
    }
}

impl Story {
    /// A program that is at work for so long.
    ///
    /// # Errors
    /// There is no terminal for it.
    pub async fn begin(vm: &Vm, name: &str, lasts: Duration) -> Result<Self> {
        let count = u32::try_from(lasts.as_secs())? * RATE;
        Self::new(vm, name, count, count, Duration::from_secs(1) / RATE).await
    }

    /// A program that hardly does anything.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub async fn slow(vm: &Vm, name: &str) -> Result<Self> {
        Self::new(vm, name, 50, 16, Duration::from_secs(1)).await
    }

    async fn new(vm: &Vm, name: &str, lines: u32, pieces: u32, pace: Duration) -> Result<Self> {
        let link = Arc::new(Link::start(vm.server).await?);
        let engine = vm.engine(link.address())?;
        let create = CreateTerminal {
            name: Some(name.to_owned()),
            ..Default::default()
        };
        let terminal = engine.create_terminal(&vm.place(), &create).await?;
        let options = TerminalOptions {
            from: Some((terminal.incarnation, 0)),
            ..Default::default()
        };
        let socket = engine.attach(&vm.place(), &terminal.id, options).await?;
        let file = format!("typed-{name}");
        let (seconds, bytes) = (pace.as_secs_f32(), pieces as usize * PIECE);
        let run = format!("bash ~/program {lines} {seconds} {bytes} ~/{file}\r");
        socket.input().send(run).await?;
        Ok(Self {
            link,
            vm: vm.clone(),
            file,
            lines,
            pieces,
            pace,
            socket,
            longest: pace * lines + PATIENCE,
        })
    }

    /// Types all the while, the second half once `between` has resolved, and reads to the end.
    ///
    /// # Errors
    /// The viewer is cut off for good, or anything is missing, changed or there twice.
    pub async fn play(self, between: impl Future<Output = Result<()>>) -> Result<Seen> {
        let Self {
            vm,
            file,
            lines,
            pieces,
            pace,
            mut socket,
            ..
        } = self;
        let input = socket.input();
        let typing = async {
            let mut clock = tokio::time::interval(pace);
            let mut typed = type_in(&input, 0..pieces / 2, &mut clock).await?;
            between.await?;
            typed.extend(type_in(&input, pieces / 2..pieces, &mut clock).await?);
            anyhow::Ok(typed)
        };
        let both = async { tokio::try_join!(typing, read(&mut socket)) };
        let (typed, (output, reconnects)) = tokio::time::timeout(self.longest, both)
            .await
            .with_context(|| format!("it is not over after {} s", self.longest.as_secs()))??;
        let wanted = wanted(lines);
        ensure!(
            Sha256::digest(&output) == Sha256::digest(&wanted),
            "the output is not what was written: {}",
            difference(&output, &wanted)
        );
        let (noted, sent) = (vm.sha256(&file).await?, hex::encode(Sha256::digest(&typed)));
        ensure!(
            noted == sent,
            "the program noted other input than was typed"
        );
        Ok(Seen {
            output: output.len(),
            input: typed.len(),
            reconnects,
        })
    }
}

/// What the program writes from the moment on at which it is ready.
fn wanted(lines: u32) -> Vec<u8> {
    let line = |line| format!("line {line:07} of an output that goes on and on\r\n");
    let all: String = (0..lines).map(line).collect();
    all.into_bytes()
}

fn difference(found: &[u8], wanted: &[u8]) -> String {
    let at = found.iter().zip(wanted).take_while(|(a, b)| a == b).count();
    let around = |all: &[u8]| {
        let part = &all[at.min(all.len())..all.len().min(at + 60)];
        String::from_utf8_lossy(part).into_owned()
    };
    format!(
        "{} bytes of {}; from {at} on {:?} in place of {:?}",
        found.len(),
        wanted.len(),
        around(found),
        around(wanted)
    )
}

/// Types numbered pieces; those that the clock ticked for while they had to wait are made up for.
async fn type_in(
    input: &TerminalInput,
    pieces: std::ops::Range<u32>,
    clock: &mut Interval,
) -> Result<Vec<u8>> {
    let mut typed = Vec::new();
    for piece in pieces {
        clock.tick().await;
        let piece = format!("[{piece:07}]");
        typed.extend_from_slice(piece.as_bytes());
        input.send(piece).await?;
    }
    Ok(typed)
}

/// Reads the program's output, and how often the viewer tried to come back.
async fn read(socket: &mut TerminalSocket) -> Result<(Vec<u8>, u64)> {
    const READY: &[u8] = b"ready\r\n";
    const OVER: &[u8] = b"over\r\n";
    let (mut seen, mut reconnects) = (Vec::new(), 0);
    let mut begun = false;
    loop {
        match socket.next().await.context("the terminal is over")?? {
            TerminalEvent::Output(bytes) => seen.extend_from_slice(&bytes),
            TerminalEvent::Reconnecting(_) => reconnects += 1,
            TerminalEvent::Redraw(_) => bail!("it was redrawn: output is missing"),
            TerminalEvent::Exited(exit) => bail!("the shell ended with {exit}"),
            TerminalEvent::Suspended
            | TerminalEvent::Attached { .. }
            | TerminalEvent::Live { .. }
            | TerminalEvent::Resized(_) => {}
        }
        if !begun && let Some(at) = find(&seen, READY) {
            seen.drain(..at + READY.len());
            begun = true;
        }
        if begun && let Some(at) = find(&seen, OVER) {
            seen.truncate(at);
            return Ok((seen, reconnects));
        }
    }
}

fn find(all: &[u8], part: &[u8]) -> Option<usize> {
    all.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_missing_or_there_twice_is_named() {
        let all = wanted(3);
        let line = all.len() / 3;
        for wrong in [
            [&all[..line], &all[2 * line..]].concat(),
            [&all[..line], &all[..]].concat(),
            all[..all.len() - 1].to_vec(),
        ] {
            assert_ne!(Sha256::digest(&wrong), Sha256::digest(&all));
            assert!(difference(&wrong, &all).contains("from "));
        }
    }
}
