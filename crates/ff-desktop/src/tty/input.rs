//! stdin in pieces, without blocking the runtime.

use std::io::Read;
use std::sync::OnceLock;

use tokio::sync::{Mutex, mpsc};

/// Pieces kept ahead of the reader.
const AHEAD: usize = 4;
const PIECE: usize = 4096;

static PIECES: OnceLock<Mutex<mpsc::Receiver<Vec<u8>>>> = OnceLock::new();

/// The next piece of stdin; `None` at its end. One reader at a time.
///
/// A read of a terminal cannot be taken back, so one thread reads for the whole process: what it
/// has read while nobody asked is there for the next one who does.
pub async fn next() -> Option<Vec<u8>> {
    let pieces = PIECES.get_or_init(|| {
        let (sender, receiver) = mpsc::channel(AHEAD);
        std::thread::spawn(move || read_all(&sender));
        Mutex::new(receiver)
    });
    pieces.lock().await.recv().await
}

/// All that is left of stdin; `None` when that is more than so many bytes.
pub async fn all(most: usize) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(piece) = next().await {
        all.extend_from_slice(&piece);
        if all.len() > most {
            return None;
        }
    }
    Some(all)
}

fn read_all(sender: &mpsc::Sender<Vec<u8>>) {
    let mut stdin = std::io::stdin().lock();
    let mut buffer = [0; PIECE];
    loop {
        match stdin.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                if sender.blocking_send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                tracing::debug!(%error, "stdin cannot be read");
                return;
            }
        }
    }
}

/// A line typed by the user, without its end; `None` at the end of stdin.
pub async fn line() -> Option<String> {
    let mut line = Vec::new();
    while let Some(piece) = next().await {
        line.extend_from_slice(&piece);
        if line.contains(&b'\n') {
            break;
        }
    }
    if line.is_empty() {
        return None;
    }
    Some(String::from_utf8_lossy(&line).trim().to_owned())
}
