//! The token that the server and this agent share.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ff_protocol::VmId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Longest wait for a token that is given by standard input.
const GIVEN: Duration = Duration::from_secs(30);
/// Longest line that can hold one, in bytes.
const LONGEST: u64 = 4096;

/// The token; prints as nothing.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    /// Reads the token: as the first line of standard input for `-`, else from its file, which it
    /// removes, so that it lies nowhere afterwards.
    pub(crate) fn take(path: &Path) -> Result<Self> {
        match path == Path::new("-") {
            true => Self::given(std::io::stdin()),
            false => Self::take_file(path),
        }
    }

    /// Whoever starts the agent gives the token within [`GIVEN`]; without, it does not serve.
    fn given(input: impl Read + Send + 'static) -> Result<Self> {
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(input.take(LONGEST)).read_line(&mut line);
            // Nobody waits any more after the limit.
            let _ = tell.send(read.map(|_| line));
        });
        let line = told
            .recv_timeout(GIVEN)
            .context("no token came by standard input: the server gives it at each start")?
            .context("cannot read standard input")?;
        let token = line.trim();
        ensure!(token.len() >= 32, "standard input held no token");
        Ok(Self(token.to_owned()))
    }

    fn take_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!(
                "cannot read the token file {}: the server writes it before each start",
                path.display()
            )
        })?;
        std::fs::remove_file(path)
            .with_context(|| format!("cannot remove the token file {}", path.display()))?;
        let token = text.trim();
        ensure!(
            token.len() >= 32,
            "the token file {} holds no token",
            path.display()
        );
        Ok(Self(token.to_owned()))
    }

    /// Whether a presented token is this one; takes the same time for every wrong one.
    pub(crate) fn matches(&self, presented: &str) -> bool {
        let digest = |text: &str| Sha256::digest(text.as_bytes());
        let differences = digest(&self.0)
            .iter()
            .zip(digest(presented))
            .fold(0, |all, (a, b)| all | (a ^ b));
        differences == 0
    }

    /// Proves that this agent holds the token without telling it: see [`ff_protocol::agent::Hello`].
    pub(crate) fn proof(&self, vm_id: &VmId, nonce: &str) -> Result<String> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).context("the token is no key")?;
        mac.update(format!("ff-agent-hello\n{vm_id}\n{nonce}").as_bytes());
        Ok(hex::encode(mac.finalize().into_bytes()))
    }

    #[cfg(test)]
    pub(crate) fn for_test(text: &str) -> Self {
        Self(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "ffa_0123456789abcdef0123456789abcdef\n").unwrap();
        let token = Token::take(&path).unwrap();
        assert!(!path.exists());
        assert!(token.matches("ffa_0123456789abcdef0123456789abcdef"));
        assert!(!token.matches("ffa_0123456789abcdef0123456789abcdee"));
        assert!(Token::take(&path).is_err());
    }

    #[test]
    fn a_given_token_is_one_line() {
        let token = "ffa_0123456789abcdef0123456789abcdef";
        let given = format!("{token}\nrest");
        let taken = Token::given(std::io::Cursor::new(given)).unwrap();
        assert!(taken.matches(token));
        assert!(Token::given(std::io::Cursor::new("short\n")).is_err());
        assert!(Token::given(std::io::empty()).is_err());
    }

    #[test]
    fn proof_depends_on_token_vm_and_nonce() {
        let proof = |token: &str, vm: &str, nonce: &str| {
            Token::for_test(token)
                .proof(&vm.parse().unwrap(), nonce)
                .unwrap()
        };
        let base = proof("t1", "vm-1", "n1");
        assert_eq!(base.len(), 64);
        for other in [
            proof("t2", "vm-1", "n1"),
            proof("t1", "vm-2", "n1"),
            proof("t1", "vm-1", "n2"),
        ] {
            assert_ne!(base, other);
        }
    }
}
