//! The server's memory under clients that do not read, and under those that send what are no frames,
//! looked at from outside: the program's pages, and the bytes that the source got rid of.

#![allow(clippy::unwrap_used)]

#[path = "support/stage.rs"]
mod stage;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use ff_protocol::VmId;
use ff_testkit::bench::Settings;
use ff_testkit::bench::server::{Kind, Server};
use ff_testkit::raw_agent;

const SOCKETS: usize = 40;
/// What the two connections of a socket hold in the kernel, which sees to that itself, at most.
const OF_KERNEL: u64 = 24 << 20;
/// What the server may hold for each besides, in bytes: both ways, and the relay itself.
const OF_SERVER: u64 = 200 << 10;

struct World {
    server: Server,
    vm: VmId,
    agent: SocketAddr,
}

impl World {
    async fn new() -> Self {
        let options = stage::options();
        let settings = Settings {
            programs: options.programs,
            image: options.image,
            quick: true,
            samples: None,
        };
        let agent = Path::new(env!("CARGO_BIN_EXE_ff-raw-agent"));
        let server = Server::start(&settings, Kind::Process { agent })
            .await
            .unwrap();
        let vm = server
            .client("test-user")
            .unwrap()
            .create_vm(None)
            .await
            .unwrap()
            .id;
        let agent = raw_agent::address(&server.home(&vm)).unwrap();
        let world = Self { server, vm, agent };
        // What the first of all needs is none of the others'.
        for _ in 0..3 {
            drop(world.connect("idle"));
        }
        world
    }

    fn connect(&self, terminal: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.server.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let request = format!(
            "GET /api/vms/{}/terminals/{terminal}/socket?userId=test-user HTTP/1.1\r\n\
             Host: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.vm,
            self.server.address()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(
            head.starts_with(b"HTTP/1.1 101"),
            "{}",
            String::from_utf8_lossy(&head)
        );
        stream
    }

    fn sent(&self) -> u64 {
        let mut stream = TcpStream::connect(self.agent).unwrap();
        let request = format!("GET {} HTTP/1.0\r\n\r\n", raw_agent::SENT_PATH);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.rsplit("\r\n").next().unwrap().parse().unwrap()
    }

    fn memory(&self) -> u64 {
        self.server.resident().unwrap().rss
    }

    /// How many bytes the sources have sent when they send no more.
    async fn stopped(&self) -> u64 {
        let mut before = self.sent();
        for _ in 0..60 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = self.sent();
            if now == before && now > 0 {
                return now;
            }
            before = now;
        }
        panic!("the sources were never stopped: {before} bytes");
    }
}

#[tokio::test]
async fn clients_that_do_not_read_stop_the_source_and_cost_no_memory() {
    let world = World::new().await;
    let before = world.memory();
    // Each would get 4 GB.
    let clients: Vec<_> = (0..SOCKETS)
        .map(|_| world.connect("source-65536-4294967296"))
        .collect();
    let sent = world.stopped().await;
    let grown = world.memory().saturating_sub(before);
    println!("{SOCKETS} sources got rid of {sent} bytes, and the server grew by {grown}");
    assert!(
        sent < SOCKETS as u64 * OF_KERNEL,
        "{sent} bytes went into the relays"
    );
    assert!(
        grown < SOCKETS as u64 * OF_SERVER,
        "the server grew by {grown} bytes"
    );
    // It is the reading that was missing.
    for mut client in clients {
        let mut buffer = vec![0; 1 << 20];
        for _ in 0..16 {
            client.read_exact(&mut buffer).unwrap();
        }
    }
    assert!(world.sent() > sent);
    world.server.stop().await.unwrap();
}

#[tokio::test]
async fn bad_input_terminal_6_clients_that_send_no_frames_cost_no_memory() {
    let world = World::new().await;
    let before = world.memory();
    let mut codes = Vec::new();
    for number in 0..SOCKETS {
        let mut client = world.connect("idle");
        // A message of 4 exabytes; an endless one in pieces; noise; nothing but pings.
        let begin: &[u8] = match number % 4 {
            0 => &[0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            1 => &[0x02, 0x80, 0, 0, 0, 0],
            2 => &[0x55; 16],
            _ => &[0x89, 0x80, 0, 0, 0, 0],
        };
        client.write_all(begin).unwrap();
        let piece: Vec<u8> = match number % 4 {
            1 => {
                let mut frame = vec![0x00, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
                frame.resize(14 + (1 << 16), 0);
                frame
            }
            3 => [0x89, 0x80, 0, 0, 0, 0].repeat(10_000),
            _ => vec![0x55; 1 << 16],
        };
        // 16 MB, twice what a message may have.
        for _ in 0..256 {
            if client.write_all(&piece).is_err() {
                break;
            }
        }
        let mut answer = Vec::new();
        // One who only pings is not sent away.
        let _ = match number % 4 {
            3 => client.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]),
            _ => Ok(()),
        };
        // The end may come as a reset: more was on its way.
        let _ = client.read_to_end(&mut answer);
        let close = answer.windows(2).rposition(|it| it[0] == 0x88);
        let code = close.map(|at| u16::from_be_bytes([answer[at + 2], answer[at + 3]]));
        codes.push(code);
        assert!(
            answer.len() < 1 << 20,
            "pongs pile up: {} bytes",
            answer.len()
        );
    }
    println!("closed with {codes:?}");
    for (number, code) in codes.iter().enumerate() {
        let expected = [1009, 1009, 1002, 1000][number % 4];
        assert!(
            code.is_none_or(|code| code == expected),
            "{number}: {code:?}"
        );
    }
    let told = codes.iter().flatten().count();
    assert!(told * 2 > SOCKETS, "only {told} of {SOCKETS} were told why");
    let grown = world.memory().saturating_sub(before);
    assert!(grown < 4 << 20, "the server grew by {grown} bytes");
    world.server.stop().await.unwrap();
}
