//! An `ff serve` for a test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Desktop;

const LONGEST: Duration = Duration::from_secs(20);

/// An `ff serve`, ended with the test.
pub struct Served<'a> {
    desktop: &'a Desktop,
    pub child: Child,
    pub first_words: String,
}

impl<'a> Served<'a> {
    pub fn on(desktop: &'a Desktop) -> Self {
        Self::by(desktop, &mut desktop.command(&["serve"]))
    }

    /// The one that this command starts.
    pub fn by(desktop: &'a Desktop, command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut first_words = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut first_words).unwrap();
        Self {
            desktop,
            child,
            first_words,
        }
    }

    pub fn record(&self) -> Value {
        let text = std::fs::read_to_string(self.record_path()).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub fn record_path(&self) -> std::path::PathBuf {
        self.desktop.path("data/factory-factory/serve.json")
    }

    pub fn address(&self) -> String {
        let record = self.record();
        let address = record["address"].as_str().unwrap();
        address.strip_prefix("http://").unwrap().to_owned()
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(status.success());
    }

    /// The answer to a request with these headers.
    pub fn ask(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(LONGEST)).unwrap();
        let mut request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        write!(stream, "{request}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The document that the engine answers with to who may ask.
    pub fn get(&self, path: &str) -> Value {
        let bearer = format!("Bearer {}", self.record()["token"].as_str().unwrap());
        let answer = self.ask(
            path,
            &[("Host", &self.address()), ("Authorization", &bearer)],
        );
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONGEST;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
