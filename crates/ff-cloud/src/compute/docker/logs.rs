//! The end of a container's log.

use std::collections::VecDeque;

use bollard::query_parameters::LogsOptions;
use ff_protocol::VmId;
use futures_util::TryStreamExt;

use super::{DockerProvider, container_name};
use crate::compute::{ComputeError, LOG_BYTES};

impl DockerProvider {
    /// The last lines of the container's output, of [`LOG_BYTES`] at most.
    pub(super) async fn tail(&self, vm: &VmId, lines: usize) -> Result<Vec<String>, ComputeError> {
        if self.find(vm).await?.is_none() {
            return Err(ComputeError::MachineMissing(vm.clone()));
        }
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            tail: lines.to_string(),
            ..Default::default()
        };
        let name = container_name(vm);
        let docker = self.engine.client().await?;
        let question =
            docker
                .logs(&name, Some(options))
                .try_fold(Tail::default(), async |mut tail, piece| {
                    tail.push(piece.as_ref());
                    Ok(tail)
                });
        let tail = self.engine.call("read a container's log", question).await?;
        Ok(tail.lines(lines))
    }
}

/// The last bytes of what goes by.
#[derive(Debug, Default)]
struct Tail {
    bytes: VecDeque<u8>,
    cut: bool,
}

impl Tail {
    fn push(&mut self, piece: &[u8]) {
        self.bytes.extend(piece);
        let over = self.bytes.len().saturating_sub(LOG_BYTES);
        if over > 0 {
            self.bytes.drain(..over);
            self.cut = true;
        }
    }

    fn lines(self, lines: usize) -> Vec<String> {
        let bytes = Vec::from(self.bytes);
        crate::compute::last_lines(&bytes, self.cut, lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_kept_and_pieces_need_not_be_lines() {
        let mut tail = Tail::default();
        for piece in ["one\ntw", "o\nthree\n"] {
            tail.push(piece.as_bytes());
        }
        assert_eq!(tail.lines(2), ["two", "three"]);

        let mut tail = Tail::default();
        for number in 0..LOG_BYTES {
            tail.push(format!("line {number}\n").as_bytes());
            assert!(tail.bytes.len() <= LOG_BYTES);
        }
        let last = format!("line {}", LOG_BYTES - 1);
        let lines = tail.lines(usize::MAX);
        assert_eq!(lines.last(), Some(&last));
        assert!(lines[0].starts_with("line "), "{}", lines[0]);
    }
}
