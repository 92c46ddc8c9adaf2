//! The sink: a client that asks for a WebSocket and follows its frames, and does nothing else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes read at once.
const READ: usize = 256 << 10;
/// Longest answer to the request.
const HEAD: usize = 16 << 10;

/// Reads a socket to its end: how many bytes of messages came, and in what time.
///
/// # Errors
/// The other side refuses, breaks off, or sends what are no frames of a server.
pub fn drain(address: SocketAddr, path: &str) -> Result<(u64, Duration)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut buffer = vec![0; READ];
    let mut end = head(&mut stream, &mut buffer)?;
    let begun = Instant::now();
    let (mut at, mut left, mut sum) = (0, 0_u64, 0);
    loop {
        while at < end {
            let skipped = left.min((end - at) as u64);
            (left, at) = (left - skipped, at + skipped as usize);
            match header(&buffer[at..end])? {
                None => break,
                Some(Header { opcode: 8, .. }) => {
                    let took = begun.elapsed();
                    stream.write_all(&[0x88, 0x80, 0, 0, 0, 0])?;
                    return Ok((sum, took));
                }
                Some(header) => {
                    at += header.bytes;
                    left = header.payload;
                    if header.opcode < 8 {
                        sum += left;
                    }
                }
            }
        }
        buffer.copy_within(at..end, 0);
        (at, end) = (0, end - at);
        let count = stream.read(&mut buffer[end..])?;
        ensure!(count > 0, "it broke off after {sum} bytes");
        end += count;
    }
}

/// Reads the answer's head; what came behind it is at the buffer's front.
fn head(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<usize> {
    let mut end = 0;
    loop {
        ensure!(end < HEAD, "the answer has no end");
        let count = stream.read(&mut buffer[end..])?;
        ensure!(count > 0, "no answer");
        end += count;
        let Some(length) = buffer[..end].windows(4).position(|it| it == b"\r\n\r\n") else {
            continue;
        };
        if !buffer.starts_with(b"HTTP/1.1 101") {
            bail!("refused: {}", String::from_utf8_lossy(&buffer[..end]));
        }
        buffer.copy_within(length + 4..end, 0);
        return Ok(end - length - 4);
    }
}

struct Header {
    opcode: u8,
    bytes: usize,
    payload: u64,
}

fn header(bytes: &[u8]) -> Result<Option<Header>> {
    let &[first, second, ref rest @ ..] = bytes else {
        return Ok(None);
    };
    ensure!(second & 0x80 == 0, "a server that masks");
    let wide = match second {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some(long) = rest.get(..wide) else {
        return Ok(None);
    };
    let payload = match wide {
        0 => u64::from(second),
        _ => long.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    };
    let opcode = first & 0x0f;
    Ok(Some(Header {
        opcode,
        bytes: 2 + wide,
        payload,
    }))
}

/// As [`drain`], beside others.
///
/// # Errors
/// As [`drain`]; fewer or more bytes came than were sent.
pub async fn sink(address: SocketAddr, path: String, total: u64) -> Result<Duration> {
    let drained = tokio::task::spawn_blocking(move || drain(address, &path));
    let (came, took) = drained.await.context("the sink")??;
    ensure!(came == total, "{came} bytes came of {total}");
    Ok(took)
}
